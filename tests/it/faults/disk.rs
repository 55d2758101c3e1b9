//! The store's disk is full, locked, damaged or not there.

use std::fs;
use std::path::PathBuf;

use tokio::process::Command;

use crate::harness::{Client, Daemon, within};

/// What the daemon logs when its store works again.
const AGAIN: &str = "the store keeps again";

fn store(daemon: &Daemon) -> PathBuf {
    daemon.scratch().join("home/.local/state/turnmux/store/turnmux.db")
}

/// Lets no file that the daemon writes be longer than this from now on.
async fn limit_files(daemon: &Daemon, bytes: &str) {
    let (pid, limit) = (format!("--pid={}", daemon.pid()), format!("--fsize={bytes}:"));
    let set = Command::new("prlimit").args([pid, limit]).status();
    assert!(within("prlimit", set).await.expect("prlimit is of util-linux, which Debian always has").success());
}

async fn is_refused(session: &Client, what: &str) {
    let refused = session.ask("hello").await;
    assert_eq!((refused.status.as_u16(), &*refused.code()), (503, "store_unavailable"), "{refused:?}");
    let message = refused.json()["error"]["message"].as_str().expect("a message").to_owned();
    assert!(message.contains(what) && message.contains("turnmux.db"), "{message}");
    assert!(refused.header("retry-after").is_some() && refused.header("x-should-retry").is_none());
}

async fn health(daemon: &Daemon) -> (bool, bool) {
    let health = daemon.client.get("/health").await.json();
    (health["ok"] == true, health["store"]["ready"] == true)
}

#[tokio::test]
async fn without_room_turns_that_run_end_none_is_taken_and_all_goes_on_by_itself() {
    let mut daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::1");
    let gate = daemon.gate("gate");
    let mut running = session.stream(&format!("::say one\n{}\n::say two", gate.hold())).await;
    let turn = running.header("x-turnmux-turn").expect("a turn").to_owned();
    running.first_text().await;
    limit_files(&daemon, "0").await;
    // Only what is to be kept next fails, so only then the store knows.
    is_refused(&daemon.client.session("b::1"), "disk").await;
    assert_eq!(health(&daemon).await, (false, false));
    gate.open();
    assert!(running.rest().await.0.ends_with("two"), "its agent had it already");
    is_refused(&session, "disk").await;
    limit_files(&daemon, "unlimited").await;
    daemon.logged(AGAIN, 1).await;
    assert_eq!(health(&daemon).await, (true, true));
    assert!(session.ask("hello").await.text().contains("hello"));
    daemon.signal(nix::sys::signal::Signal::SIGKILL);
    daemon.ended().await;
    let next = Daemon::stand_in().scratch(daemon.share_scratch()).start().await;
    let kept = next.client.get(&format!("/v1/turns/{turn}")).await.json();
    assert_eq!(kept["status"], "completed", "its ending was made up for: {kept}");
    assert_eq!(next.stand_in_turns().len(), 2, "what was refused was never given to an agent");
}

#[tokio::test]
async fn while_another_program_locks_the_store_nothing_is_taken() {
    let daemon = Daemon::stand_in().start().await;
    let (session, warm) = (daemon.client.session("a::1"), daemon.client.session("a::2"));
    session.ask("one").await;
    warm.ask("one").await;
    let other = rusqlite::Connection::open(store(&daemon)).expect("the store can be read by its owner");
    other.execute_batch("BEGIN IMMEDIATE").expect("a lock");
    assert!(warm.ask("two").await.text().contains("two"), "its agent had it before the store knew of the lock");
    is_refused(&session, "another program").await;
    other.execute_batch("ROLLBACK").expect("no lock");
    daemon.logged(AGAIN, 1).await;
    assert!(session.ask("two").await.text().contains("two"));
    let turns = daemon.client.get("/v1/sessions/a::2/turns").await.json();
    assert_eq!(turns["data"].as_array().expect("turns").len(), 2, "it was made up for: {turns}");
}

#[tokio::test]
async fn a_store_has_one_daemon_and_another_one_is_told_which() {
    let daemon = Daemon::stand_in().start().await;
    let (said, status) = Daemon::stand_in().scratch(daemon.share_scratch()).refuse().await;
    assert!(!status.success());
    for hint in [&*daemon.pid().to_string(), "store.path", "--ephemeral"] {
        assert!(said.contains(hint), "{said}");
    }
    let beside = Daemon::stand_in().scratch(daemon.share_scratch()).args(&["--ephemeral"]).start().await;
    assert!(beside.client.ask("hello").await.text().contains("hello"));
}

#[tokio::test]
async fn a_damaged_store_is_refused_and_left_as_it_is() {
    let mut daemon = Daemon::stand_in().start().await;
    daemon.client.session("a::1").ask("one").await;
    let (store, scratch) = (store(&daemon), daemon.share_scratch());
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    daemon.ended().await;
    let mut bytes = fs::read(&store).expect("the store");
    bytes[..64].fill(b'x');
    fs::write(&store, &bytes).expect("it is ours");
    let (said, status) = Daemon::stand_in().scratch(scratch).refuse().await;
    assert!(!status.success() && said.contains("turnmux.db") && said.contains("Move"), "{said}");
    assert_eq!(fs::read(&store).expect("the store"), bytes);
}

#[tokio::test]
async fn a_place_where_no_store_can_be_is_refused() {
    for path in ["/proc/turnmux/store.db", "/dev/null/store.db"] {
        let (said, status) = Daemon::stand_in().args(&["--store", path]).refuse().await;
        assert!(!status.success() && said.contains(path.rsplit_once('/').unwrap().0), "{said}");
        assert!(said.contains("store.path") && said.contains("--ephemeral"), "{said}");
    }

    let (said, _) = Daemon::stand_in().config("[store]\npath = \"\"").refuse().await;
    assert!(said.contains("store.path"), "{said}");
}
