//! `turnmux install-service`, with a service manager that only writes down what it is told.

#![cfg(target_os = "linux")]

use super::machine::Machine;

const UNITS: [&str; 3] = ["turnmux.service", "turnmux.socket", "turnmux@.service"];

fn machine() -> Machine {
    Machine::new().program("systemctl", "echo \"$@\" >> \"$HOME/calls\"")
}

/// What the manager was told since the last time.
fn calls(machine: &Machine) -> Vec<String> {
    let calls = std::fs::read_to_string(machine.path("home/calls")).unwrap_or_default();
    let _ = std::fs::remove_file(machine.path("home/calls"));
    calls.lines().map(str::to_owned).collect()
}

fn unit(machine: &Machine, name: &str) -> String {
    machine.read(&format!("home/.config/systemd/user/{name}"))
}

const ENABLE: &str = "--user enable --now turnmux.socket turnmux.service";
const STOP: &str = "--user stop turnmux.service turnmux.socket";

#[tokio::test]
async fn it_writes_the_units_for_this_program_and_enables_them() {
    let machine = machine().config("server.listen = \"127.0.0.1:7500\"");
    let said = machine.turnmux(&["install-service"]).await.done();
    assert!(said.contains("http://127.0.0.1:7500") && said.contains("enable-linger"), "{said}");
    assert_eq!(calls(&machine), ["--user daemon-reload", ENABLE]);
    let service = unit(&machine, "turnmux.service");
    assert!(service.contains(&format!("\nExecStart={} serve\n", env!("CARGO_BIN_EXE_turnmux"))), "{service}");
    assert!(service.contains(&format!("PATH={}:", machine.path("bin").display())), "{service}");
    assert!(unit(&machine, "turnmux.socket").contains("\nListenStream=127.0.0.1:7500\n"));
    assert!(unit(&machine, "turnmux@.service").contains("serve --config %h/.config/turnmux/%i.toml"));
}

#[tokio::test]
async fn done_again_it_changes_nothing_and_a_new_address_takes_effect() {
    let machine = machine();
    machine.turnmux(&["install-service"]).await.done();
    calls(&machine);
    let said = machine.turnmux(&["install-service"]).await.done();
    assert_eq!(said.matches("unchanged").count(), UNITS.len(), "{said}");
    assert_eq!(calls(&machine), ["--user daemon-reload", ENABLE], "what runs is not stopped");
    let machine = machine.config("server.listen = \"127.0.0.1:7500\"");
    let said = machine.turnmux(&["install-service"]).await.done();
    assert_eq!(said.matches("unchanged").count(), UNITS.len() - 1, "{said}");
    assert_eq!(calls(&machine), [STOP, "--user daemon-reload", ENABLE]);
}

#[tokio::test]
async fn a_file_of_the_working_directory_is_named_for_the_service_begins_elsewhere() {
    let machine = machine().file("work/turnmux.toml", "server.listen = \"127.0.0.1:7500\"");
    machine.turnmux(&["install-service"]).await.done();
    let named = format!(" serve --config {}\n", machine.path("work/turnmux.toml").display());
    assert!(unit(&machine, "turnmux.service").contains(&named));
}

#[tokio::test]
async fn a_dry_run_says_all_and_does_nothing() {
    let machine = machine();
    let said = machine.turnmux(&["install-service", "--dry-run"]).await.done();
    for part in
        ["write   ", "ListenStream=127.0.0.1:7433", "NoNewPrivileges=yes", "run     systemctl --user daemon-reload"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = machine.turnmux(&["install-service", "--dry-run", "--json"]).await;
    assert_eq!((&said.json()["done"], &said.json()["changes"]), (&false.into(), &true.into()), "{said:?}");
    assert!(machine.files().is_empty(), "{:?}", machine.files());
}

#[tokio::test]
async fn it_goes_again_without_a_trace() {
    let machine = machine();
    machine.turnmux(&["install-service"]).await.done();
    let machine = machine.file("home/.config/systemd/user/default.target.wants/turnmux@work.service", "");
    calls(&machine);
    let said = machine.turnmux(&["install-service", "--remove"]).await.done();
    assert_eq!(said.matches("removed").count(), UNITS.len(), "{said}");
    let disable = "--user disable --now turnmux.socket turnmux.service turnmux@work.service";
    assert_eq!(calls(&machine), [disable, "--user daemon-reload"]);
    assert_eq!(machine.files(), [".config/systemd/user/default.target.wants/turnmux@work.service"], "systemd's own");
    machine.turnmux(&["install-service", "--remove"]).await.done();
    assert!(calls(&machine).is_empty(), "there is nothing to stop");
}

#[tokio::test]
async fn what_would_not_start_is_not_installed() {
    for (config, code, said) in [
        ("server.listen = \"127.0.0.1:0\"", 1, "port 0"),
        ("server.listen = \"0.0.0.0:7433\"", 2, "API key"),
        ("[server]\nhartbeat = \"1s\"", 2, "server.heartbeat"),
    ] {
        let machine = machine().config(config);
        let refusal = machine.turnmux(&["install-service"]).await;
        assert!(refusal.failed(code).contains(said), "{refusal:?}");
        assert_eq!(machine.files(), [".config/turnmux/turnmux.toml"]);
    }
}

#[tokio::test]
async fn a_manager_that_refuses_is_quoted() {
    let machine = Machine::new().program("systemctl", "echo 'Failed to connect to bus: No medium found' >&2; exit 1");
    let refusal = machine.turnmux(&["install-service"]).await;
    assert!(refusal.failed(1).contains("No medium found"), "{refusal:?}");
}
