//! As an agent of launchd: `scripts/launchd/`, with the paths of this machine.

use std::os::unix::fs::MetadataExt as _;

use super::plan::{Plan, Service, Step, Unit};

const AGENT: &str = include_str!("../../../scripts/launchd/turnmux.plist");

pub(super) fn install(service: &Service) -> Plan {
    let file = Unit::written(service.home.join("Library/LaunchAgents/turnmux.plist"), text(service));
    let path = file.path.display().to_string();
    // What is loaded is not read again: it has to go first.
    let old = (file.changes && file.path.exists()).then(|| Step::try_to(&["launchctl", "bootout", &name(service)]));
    // It fails where it is loaded already.
    let load = Step { may_fail: !file.changes, ..Step::new(&["launchctl", "bootstrap", &domain(service), &path]) };
    Plan {
        before: old.into_iter().collect(),
        files: vec![file],
        after: vec![load],
        note: format!("turnmux listens on http://{}; its log: ~/Library/Logs/turnmux.log", service.listen),
    }
}

pub(super) fn remove(service: &Service) -> Plan {
    let file = Unit::removed(service.home.join("Library/LaunchAgents/turnmux.plist"));
    let unload = file.changes.then(|| Step::try_to(&["launchctl", "bootout", &name(service)]));
    Plan {
        before: unload.into_iter().collect(),
        files: vec![file],
        after: Vec::new(),
        note: "the service is gone; its configuration and what it has kept are where they were".to_owned(),
    }
}

fn text(service: &Service) -> String {
    let serve = "<string>serve</string>";
    let config = service
        .config
        .as_ref()
        .map(|config| format!("{serve}\n    <string>--config</string>\n    <string>{}</string>", escaped(config)));
    AGENT
        .replace(serve, config.as_deref().unwrap_or(serve))
        .replace("@PROGRAM@", &escaped(&service.program))
        .replace("@PATH@", &escaped(&service.path))
        .replace("@HOME@", &escaped(&service.home.display().to_string()))
}

/// The user's own services: those of the user who has the home directory.
fn domain(service: &Service) -> String {
    format!("gui/{}", std::fs::metadata(&service.home).map(|home| home.uid()).unwrap_or_default())
}

fn name(service: &Service) -> String {
    format!("{}/turnmux", domain(service))
}

/// As XML has it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_has_this_machine_in_it() {
        let home = tempfile::tempdir().unwrap();
        let service = Service {
            program: "/opt/a&b/turnmux".to_owned(),
            config: Some("/etc/turnmux.toml".to_owned()),
            listen: "127.0.0.1:7433".to_owned(),
            path: "/a:/b".to_owned(),
            home: home.path().to_owned(),
            config_home: home.path().join(".config"),
        };
        let plan = install(&service);
        let text = plan.files[0].text.clone().unwrap();
        let program = "<string>/opt/a&amp;b/turnmux</string>\n    <string>serve</string>\n    <string>--config</string>\n    \
                       <string>/etc/turnmux.toml</string>\n";
        assert!(text.contains(program) && text.contains("<string>/a:/b</string>"), "{text}");
        assert!(!text.contains('@'), "{text}");
        assert!(plan.before.is_empty() && !plan.after[0].may_fail, "{plan:?}");
        std::fs::create_dir_all(plan.files[0].path.parent().unwrap()).unwrap();
        std::fs::write(&plan.files[0].path, &text).unwrap();
        let again = install(&service);
        assert!(!again.changes() && again.before.is_empty() && again.after[0].may_fail, "{again:?}");
        assert!(remove(&service).changes());
    }
}
