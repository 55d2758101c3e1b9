//! The files under `scripts/` that service managers and container engines read, as they are.

use std::path::Path;

use super::machine::Machine;

fn script(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The assignments of a unit, comments aside.
fn assignments(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.starts_with('[') && !line.is_empty());
    lines.map(|line| line.split_once('=').unwrap_or_else(|| panic!("{line:?} is no assignment"))).collect()
}

#[test]
fn the_daemon_alone_is_told_to_stop_and_has_time_for_it() {
    for name in ["systemd/turnmux.service", "systemd/turnmux@.service"] {
        let text = script(name);
        let unit = assignments(&text);
        for line in [("Type", "notify"), ("KillMode", "mixed"), ("TimeoutStopSec", "60"), ("OOMPolicy", "continue")] {
            assert!(unit.contains(&line), "{name}: {line:?}");
        }
        // What would keep agents from their work.
        for (key, _) in unit {
            let is_too_much =
                ["ProtectHome", "ProtectSystem", "PrivateTmp", "MemoryDenyWriteExecute", "UMask", "PrivateUsers"];
            assert!(!is_too_much.contains(&key), "{name}: {key}");
        }
    }
}

#[test]
fn the_instance_is_as_hard_as_the_service() {
    let (service, instance) = (script("systemd/turnmux.service"), script("systemd/turnmux@.service"));
    let instance = assignments(&instance);
    for (key, value) in assignments(&service) {
        let own = ["Description", "Requires", "After", "ExecStart", "EnvironmentFile"];
        assert!(own.contains(&key) || instance.contains(&(key, value)), "{key}={value}");
    }
}

/// systemd's own opinion of what is installed, where there is a systemd to ask.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn systemd_has_nothing_to_say_against_them() {
    let machine = Machine::new().program("systemctl", "").file("home/.config/turnmux/work.toml", "");
    machine.turnmux(&["install-service"]).await.done();
    let units = machine.path("home/.config/systemd/user");
    let mut verify = tokio::process::Command::new("systemd-analyze");
    verify
        .args(["--user", "--man=no", "verify", "turnmux.socket", "turnmux.service", "turnmux@work.service"])
        .env("HOME", machine.path("home"));
    verify.env("SYSTEMD_UNIT_PATH", format!("{}:", units.display())).env("XDG_RUNTIME_DIR", machine.path("work"));
    let Ok(output) = crate::harness::within("systemd-analyze", verify.current_dir(units).output()).await else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("turnmux")).collect();
    assert!(ours.is_empty(), "{said}");
}

/// The daemon is told the address by a variable and refuses to start without a key; so the file must not bring one.
#[test]
fn the_container_runs_as_nobody_special_and_has_no_key() {
    let text = script("container/Containerfile");
    let instructions: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let user = instructions.iter().rposition(|line| line.starts_with("USER ")).expect("a user");
    let entry = instructions.iter().rposition(|line| line.starts_with("ENTRYPOINT ")).expect("an entry point");
    assert!(user < entry && instructions[user] != "USER root", "{text}");
    assert!(instructions.iter().filter(|line| line.starts_with("FROM ")).count() >= 2, "built in another stage");
    assert!(!instructions.iter().any(|line| line.contains("API_KEY=")), "{text}");
}
