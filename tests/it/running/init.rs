//! `turnmux init`.

use std::os::unix::fs::PermissionsExt as _;

use super::machine::Machine;
use crate::harness::Daemon;

const USUAL: &str = "home/.config/turnmux/turnmux.toml";

#[tokio::test]
async fn it_writes_a_file_that_serves_as_none_would() {
    let machine = Machine::new().with_good_claude();
    let said = machine.turnmux(&["init"]).await.done();
    assert!(said.contains("turnmux.toml") && said.contains("turnmux doctor"), "{said}");
    let text = machine.read(USUAL);
    assert!(text.contains("\n#heartbeat = \"15s\"\n") && text.contains("\n[server]\n"), "{text}");
    let mode = std::fs::metadata(machine.path(USUAL)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "a backend's variables may be secrets");
    let doctor = machine.turnmux(&["doctor"]).await.done();
    assert!(doctor.contains("turnmux.toml can be used"), "{doctor}");
    let daemon = Daemon::stand_in().config(&text).start().await;
    assert_eq!(daemon.client.session("a::b").ask("one").await.text(), "You said: one [turn 1]");
}

#[tokio::test]
async fn it_overwrites_nothing() {
    let machine = Machine::new().config("# mine\n").file("work/other.toml", "# mine, too\n");
    for args in [&["init"][..], &["init", "other.toml"], &["init", "--json"]] {
        let said = machine.turnmux(args).await;
        assert!(said.failed(1).contains("is there already"), "{said:?}");
    }
    assert_eq!((&*machine.read(USUAL), &*machine.read("work/other.toml")), ("# mine\n", "# mine, too\n"));
}

#[tokio::test]
async fn it_writes_where_it_is_told() {
    let machine = Machine::new();
    let said = machine.turnmux(&["init", "new/turnmux.toml", "--json"]).await;
    assert_eq!(said.json()["written"], machine.path("work/new/turnmux.toml").display().to_string());
    let printed = machine.turnmux(&["init", "-"]).await.done();
    assert_eq!(printed, machine.read("work/new/turnmux.toml"));
    assert!(machine.files().is_empty(), "nothing in the home");
}
