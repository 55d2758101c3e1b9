//! What a killed daemon leaves to the next one, and to its guard.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::descendants::Identity;
use super::guard::bury;
use super::tests::*;
use super::*;

/// No pid is so high.
const NOBODY: Identity = Identity { pid: i32::MAX, start: 1 };

fn recording(root: &Path) -> Supervisor {
    let config = SupervisorConfig { records_dir: Some(root.join("records")), ..SupervisorConfig::default() };
    Supervisor::start(config).expect("a supervisor")
}

/// Every test has a dead daemon of its own: they run at the same time.
fn instance() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

fn identity(child: &Child) -> Identity {
    os::process(child.pid()).expect("it lives").id
}

/// What a daemon leaves that was killed while it had this child.
fn forge(root: &Path, daemon: Identity, boot_id: &str, instance: &str, child: Option<Identity>) -> PathBuf {
    let name = |id: Identity| format!("{}-{}", id.pid, id.start);
    let directory = root.join("records").join(name(daemon));
    fs::create_dir_all(&directory).expect("a folder");
    let record = serde_json::json!({ "instance": instance, "boot_id": boot_id });
    fs::write(directory.join("daemon"), record.to_string()).expect("a record");
    if let Some(child) = child {
        let record = serde_json::json!({ "label": "forged", "boot_id": boot_id, "host_id": format!("{instance}-0") });
        fs::write(directory.join(name(child)), record.to_string()).expect("a record");
    }
    directory
}

#[tokio::test]
async fn the_child_of_a_dead_daemon_is_ended_with_what_it_started() {
    let root = tempfile::tempdir().expect("a folder");
    let (owner, next) = (supervisor(), recording(root.path()));
    let mut child = spawn(&owner, "setsid env -i sh -c 'echo $$; exec sleep 1000' & exec sleep 1000").await;
    line(&mut lines_of(&mut child)).await;
    let directory = forge(root.path(), NOBODY, &os::boot_id(), &instance(), Some(identity(&child)));
    let report = within("the sweep", next.sweep()).await.expect("swept");
    assert_eq!(report, SweepReport { dead_daemons: 1, processes_ended: 2, left: Vec::new() });
    within("the exit", child.exit().wait()).await;
    assert!(!directory.exists());
    let again = within("the sweep", next.sweep()).await.expect("swept");
    assert_eq!(again, SweepReport::default());
}

#[tokio::test]
async fn a_pid_with_another_start_time_is_not_touched() {
    let root = tempfile::tempdir().expect("a folder");
    let (owner, next) = (supervisor(), recording(root.path()));
    let child = spawn(&owner, "exec sleep 1000").await;
    let id = identity(&child);
    let other = Identity { start: id.start + 1, ..id };
    // The daemon's pid is in use again, too: it is the child's.
    let directory = forge(root.path(), other, &os::boot_id(), &instance(), Some(other));
    let report = within("the sweep", next.sweep()).await.expect("swept");
    assert_eq!(report, SweepReport { dead_daemons: 1, processes_ended: 0, left: Vec::new() });
    assert_eq!((child.exit().now(), os::process(id.pid).map(|process| process.id)), (None, Some(id)));
    assert!(!directory.exists());
}

#[tokio::test]
async fn records_of_another_boot_name_nobody() {
    let root = tempfile::tempdir().expect("a folder");
    let (owner, next) = (supervisor(), recording(root.path()));
    let child = spawn(&owner, "exec sleep 1000").await;
    let id = identity(&child);
    let instance = child.host_id().split('-').next().expect("an instance");
    let directory = forge(root.path(), id, "another boot", instance, Some(id));
    let report = within("the sweep", next.sweep()).await.expect("swept");
    assert_eq!(report, SweepReport { dead_daemons: 1, processes_ended: 0, left: Vec::new() });
    assert_eq!(child.exit().now(), None);
    assert!(!directory.exists());
}

#[tokio::test]
async fn the_children_of_a_living_daemon_are_not_touched() {
    let root = tempfile::tempdir().expect("a folder");
    let (owner, next) = (supervisor(), recording(root.path()));
    let (daemon, child) = (spawn(&owner, "exec sleep 1000").await, spawn(&owner, "exec sleep 1000").await);
    let directory = forge(root.path(), identity(&daemon), &os::boot_id(), &instance(), Some(identity(&child)));
    let report = within("the sweep", next.sweep()).await.expect("swept");
    assert_eq!(report, SweepReport::default());
    assert_eq!((child.exit().now(), daemon.exit().now()), (None, None));
    assert!(directory.exists());
}

#[tokio::test]
async fn what_was_never_recorded_is_found_by_the_daemons_mark() {
    let root = tempfile::tempdir().expect("a folder");
    let (owner, next) = (supervisor(), recording(root.path()));
    let instance = instance();
    let script = format!("{MARKER}={instance}-5 setsid sh -c 'echo $$; exec sleep 1000' & exec cat");
    let mut child = spawn(&owner, &script).await;
    line(&mut lines_of(&mut child)).await;
    forge(root.path(), NOBODY, &os::boot_id(), &instance, None);
    let report = within("the sweep", next.sweep()).await.expect("swept");
    assert_eq!(report, SweepReport { dead_daemons: 1, processes_ended: 1, left: Vec::new() });
    assert_eq!(child.exit().now(), None);
}

#[tokio::test]
async fn a_record_lives_as_long_as_its_child() {
    let root = tempfile::tempdir().expect("a folder");
    let supervisor = recording(root.path());
    let child = spawn(&supervisor, "exec cat").await;
    let me = os::process(std::process::id() as i32).expect("this process").id;
    let directory = root.path().join("records").join(format!("{}-{}", me.pid, me.start));
    let record = directory.join(format!("{}-{}", child.pid(), identity(&child).start));
    let text = fs::read_to_string(&record).expect("a record");
    assert!(text.contains(child.host_id()) && text.contains(&os::boot_id()), "{text}");
    within("the stop", child.stop(StopLadder { eof: LIMIT, term: LIMIT })).await;
    assert!(!record.exists());
    within("the shutdown", supervisor.shutdown(LIMIT)).await;
    assert!(!directory.exists());
}

#[tokio::test]
async fn records_are_private_or_refused() {
    let root = tempfile::tempdir().expect("a folder");
    let supervisor = recording(root.path());
    let records = root.path().join("records");
    let mode = fs::metadata(&records).expect("made").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    drop(supervisor);
    fs::set_permissions(&records, fs::Permissions::from_mode(0o777)).expect("opened");
    let config = SupervisorConfig { records_dir: Some(records), ..SupervisorConfig::default() };
    assert!(matches!(Supervisor::start(config), Err(ProcessError::RecordsNotPrivate { .. })));
}

#[tokio::test]
async fn a_guard_waits_for_the_daemon_itself_and_needs_no_records() {
    let (owner, root) = (supervisor(), tempfile::tempdir().expect("a folder"));
    let daemon = spawn(&owner, "exec sleep 1000").await;
    let instance = instance();
    let agent = format!("{MARKER}={instance}-0 setsid sh -c 'echo $$; exec sleep 1000' & exec cat");
    let mut starter = spawn(&owner, &agent).await;
    let agent: i32 = line(&mut lines_of(&mut starter)).await.parse().expect("a pid");
    let lives = || os::process(agent).is_some_and(|process| !process.is_zombie);
    let (pid, start) = (daemon.pid(), Some(identity(&daemon).start));
    let records = Some(root.path().join("records"));
    let ward = Ward { daemon: ProcessName { pid, start }, instance, records };

    // Sent home by a daemon that lives on.
    tokio::time::pause();
    assert_eq!(bury(&ward).await, SweepReport::default());
    assert!(lives());

    // The pipe has ended, and the daemon not yet.
    tokio::time::resume();
    let mut guard = std::pin::pin!(bury(&ward));
    assert!(futures_util::poll!(&mut guard).is_pending());
    daemon.signal(ChildSignal::Kill);
    let report = within("the guard", guard).await;
    assert_eq!(report, SweepReport { dead_daemons: 0, processes_ended: 1, left: Vec::new() });
    assert!(!lives());
}
