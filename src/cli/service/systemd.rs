//! As units of the user's systemd: `scripts/systemd/`, with the paths of this machine.

use std::fs;
use std::path::{Path, PathBuf};

use super::plan::{Plan, Service, Step, Unit};

const SOCKET: &str = include_str!("../../../scripts/systemd/turnmux.socket");
const SERVICE: &str = include_str!("../../../scripts/systemd/turnmux.service");
const INSTANCE: &str = include_str!("../../../scripts/systemd/turnmux@.service");

/// What stands in the units for what is found out here.
const PROGRAM: &str = "%h/.cargo/bin/turnmux serve";
const LISTEN: &str = "127.0.0.1:7433";
const PATH: &str = "\"PATH=%h/.local/bin:%h/.cargo/bin:/usr/local/bin:/usr/bin:/bin\"";

/// The units that run.
const UNITS: [&str; 2] = ["turnmux.socket", "turnmux.service"];

/// Who links to an instance that is enabled.
const WANTS: &str = "default.target.wants";

pub(super) fn install(service: &Service) -> Plan {
    let folder = folder(service);
    let program = format!("{} serve", word(&service.program));
    let config = service.config.as_ref().map(|config| format!(" --config {}", word(config))).unwrap_or_default();
    let path = format!("\"PATH={}\"", quotable(&service.path));
    let texts = [
        ("turnmux.socket", SOCKET.replace(LISTEN, &service.listen)),
        ("turnmux.service", SERVICE.replace(PROGRAM, &format!("{program}{config}")).replace(PATH, &path)),
        ("turnmux@.service", INSTANCE.replace(PROGRAM, &program).replace(PATH, &path)),
    ];
    let files: Vec<Unit> = texts.into_iter().map(|(name, text)| Unit::written(folder.join(name), text)).collect();
    // A socket takes a new address only when its service is down.
    let is_running = files.iter().any(|file| file.changes && file.path.exists());
    let stop = Step::try_to(&["systemctl", "--user", "stop", "turnmux.service", "turnmux.socket"]);
    Plan {
        before: is_running.then_some(stop).into_iter().collect(),
        files,
        after: vec![
            Step::new(&["systemctl", "--user", "daemon-reload"]),
            Step::new(&["systemctl", "--user", "enable", "--now", UNITS[0], UNITS[1]]),
        ],
        note: format!(
            "turnmux listens on http://{}; its log: journalctl --user -u turnmux. It ends when you log out, unless: loginctl \
             enable-linger",
            service.listen
        ),
    }
}

pub(super) fn remove(service: &Service) -> Plan {
    let folder = folder(service);
    let files = ["turnmux.socket", "turnmux.service", "turnmux@.service"];
    let files: Vec<Unit> = files.iter().map(|name| Unit::removed(folder.join(name))).collect();
    let mut disable = vec!["systemctl", "--user", "disable", "--now", UNITS[0], UNITS[1]];
    let instances = instances(&folder);
    disable.extend(instances.iter().map(String::as_str));
    let is_there = files.iter().any(|file| file.changes);
    let steps = |step: Step| is_there.then_some(step).into_iter().collect();
    Plan {
        before: steps(Step::try_to(&disable)),
        files,
        after: steps(Step::new(&["systemctl", "--user", "daemon-reload"])),
        note: "the service is gone; its configuration and what it has kept are where they were".to_owned(),
    }
}

/// The instances that are enabled.
fn instances(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join(WANTS)).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("turnmux@")).collect();
    names.sort();
    names
}

fn folder(service: &Service) -> PathBuf {
    service.config_home.join("systemd/user")
}

/// A word of a command line, as systemd reads it.
fn word(text: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "/._-+=:,@~".contains(character);
    if text.chars().all(is_plain) { text.to_owned() } else { format!("\"{}\"", quotable(text).replace('$', "$$")) }
}

/// Text between quotes: `%` begins a specifier there.
fn quotable(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(home: &Path) -> Service {
        Service {
            program: "/opt/my tools/turn%mux".to_owned(),
            config: Some("/etc/turnmux.toml".to_owned()),
            listen: "[::1]:9000".to_owned(),
            path: "/a:/b c".to_owned(),
            home: home.to_owned(),
            config_home: home.join("conf"),
        }
    }

    #[test]
    fn the_units_have_this_machine_in_them() {
        let home = tempfile::tempdir().unwrap();
        let plan = install(&service(home.path()));
        let text = |at: usize| plan.files[at].text.clone().unwrap();
        assert!(text(0).contains("\nListenStream=[::1]:9000\n"), "{}", text(0));
        let start = "\nExecStart=\"/opt/my tools/turn%%mux\" serve --config /etc/turnmux.toml\n";
        assert!(text(1).contains(start), "{}", text(1));
        let start = "\nExecStart=\"/opt/my tools/turn%%mux\" serve --config %h/.config/turnmux/%i.toml --store ";
        assert!(text(2).contains(start), "{}", text(2));
        for at in [1, 2] {
            assert!(text(at).contains("\nEnvironment=\"PATH=/a:/b c\"\n"), "{}", text(at));
        }
        assert!(plan.before.is_empty() && plan.changes(), "nothing runs yet");
    }

    #[test]
    fn what_is_there_already_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let first = install(&service(home.path()));
        for file in &first.files {
            fs::create_dir_all(file.path.parent().unwrap()).unwrap();
            fs::write(&file.path, file.text.as_ref().unwrap()).unwrap();
        }
        let again = install(&service(home.path()));
        assert!(!again.changes() && again.before.is_empty(), "{again:?}");
        let moved = install(&Service { listen: "127.0.0.1:1".to_owned(), ..service(home.path()) });
        assert_eq!(moved.before.len(), 1, "the socket has to let go of its old address");
        let wants = home.path().join("conf/systemd/user").join(WANTS);
        fs::create_dir_all(&wants).unwrap();
        fs::write(wants.join("turnmux@work.service"), "").unwrap();
        let gone = remove(&service(home.path()));
        assert!(gone.files.iter().all(|file| file.changes && file.text.is_none()));
        assert!(gone.before[0].command.contains(&"turnmux@work.service".to_owned()), "{gone:?}");
    }

    #[test]
    fn words_are_quoted_as_systemd_wants_it() {
        assert_eq!(word("/usr/bin/turnmux-1.2"), "/usr/bin/turnmux-1.2");
        assert_eq!(word("/a b/$c\"\\%"), "\"/a b/$$c\\\"\\\\%%\"");
    }
}
