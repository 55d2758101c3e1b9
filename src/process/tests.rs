//! Children from their start to their end.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::unix::pipe;
use tokio::time::timeout;

use super::*;

/// For what takes milliseconds on a quiet machine.
pub(super) const LIMIT: Duration = Duration::from_secs(30);
/// For a rung that is not to be waited on.
pub(super) const SHORT: Duration = Duration::from_millis(20);

pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("waited for {what} in vain"))
}

pub(super) fn sh(script: &str) -> SpawnRequest {
    SpawnRequest {
        program: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        env: vec![("PATH".into(), std::env::var_os("PATH").unwrap_or_default())],
        directory: std::env::temp_dir(),
        terminal: None,
        label: "test".into(),
    }
}

pub(super) fn supervisor() -> Supervisor {
    Supervisor::start(SupervisorConfig::default()).expect("a supervisor")
}

/// With limits so short that nothing is worth waiting for.
pub(super) fn hasty_supervisor() -> Supervisor {
    let abandoned = StopLadder { eof: SHORT, term: SHORT };
    let config = SupervisorConfig { abandoned, survivors_term: SHORT, ..SupervisorConfig::default() };
    Supervisor::start(config).expect("a supervisor")
}

pub(super) async fn spawn(supervisor: &Supervisor, script: &str) -> Child {
    within("a spawn", supervisor.spawn(sh(script))).await.expect("a child")
}

pub(super) fn lines_of(child: &mut Child) -> Lines<BufReader<pipe::Receiver>> {
    BufReader::new(child.stdout.take().expect("stdout")).lines()
}

pub(super) async fn line(lines: &mut Lines<BufReader<pipe::Receiver>>) -> String {
    within("a line of the child", lines.next_line()).await.expect("readable").expect("a line")
}

/// A child that has printed its first line, so that its traps are set.
async fn ready(supervisor: &Supervisor, script: &str) -> Child {
    let mut child = spawn(supervisor, script).await;
    let mut lines = lines_of(&mut child);
    assert_eq!(line(&mut lines).await, "ready");
    child.stdout = Some(lines.into_inner().into_inner());
    child
}

const IGNORES_EOF: &str = "trap 'exit 3' TERM; echo ready; while :; do sleep 1000 & wait; done";
const IGNORES_TERM: &str = "trap '' TERM; echo ready; while :; do sleep 1000; done";

#[tokio::test]
async fn exit_statuses_are_told_to_everyone_who_asks() {
    let supervisor = supervisor();
    let by_signal = |number: i32| format!("kill -{number} $$");
    // 40 is a real-time signal.
    for (script, code, signal) in [
        ("exit 0".to_owned(), Some(0), None),
        ("exit 7".to_owned(), Some(7), None),
        (by_signal(9), None, Some(9)),
        (by_signal(40), None, Some(40)),
    ] {
        let child = spawn(&supervisor, &script).await;
        let (one, other) = (child.exit(), child.exit());
        let (status, same) = within("the exit", async { tokio::join!(one.wait(), other.wait()) }).await;
        assert_eq!((status.code(), status.signal()), (code, signal), "{script}");
        assert_eq!(same, status);
        assert_eq!(child.exit().now(), Some(status));
        assert!(!child.signal(ChildSignal::Kill), "an ended child is sent nothing");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_short_children_leave_no_zombie() {
    let supervisor = supervisor();
    let children = futures_util::future::join_all((0..200).map(|_| spawn(&supervisor, "exit 5"))).await;
    for child in &children {
        assert_eq!(within("an exit", child.exit().wait()).await.code(), Some(5));
    }
    let ours = |process: &descendants::Process| children.iter().any(|child| child.pid() == process.id.pid);
    let me = std::process::id() as i32;
    let left = os::processes().into_iter().filter(|process| process.parent == me && ours(process)).count();
    assert_eq!(left, 0);
    assert_eq!(supervisor.running_count(), 0);
    within("the last of them", supervisor.core().table.all_settled()).await;
}

#[tokio::test]
async fn stdin_stdout_and_stderr_are_the_childs() {
    let mut child = spawn(&supervisor(), "read word; echo \"out $word\"; echo \"err $word\" >&2").await;
    let tail = StderrTail::start(child.stderr.take().expect("stderr"), 4096, Redactor::default());
    let mut reader = LineReader::new(child.stdout.take().expect("stdout"));
    child.stdin.as_mut().expect("stdin").write_all(b"hello\n").await.expect("written");
    let line = within("a line", reader.next()).await.expect("readable").expect("a line");
    assert_eq!(&line.bytes[..], b"out hello");
    within("the end of stderr", tail.ended()).await;
    assert_eq!(tail.tail(), "err hello");
}

#[tokio::test]
async fn the_first_rung_is_the_end_of_input() {
    let child = ready(&supervisor(), "echo ready; exec cat").await;
    let report = within("the stop", child.stop(StopLadder { eof: LIMIT, term: LIMIT })).await;
    assert_eq!((report.rung, report.status.and_then(|status| status.code())), (StopRung::Eof, Some(0)));
}

#[tokio::test]
async fn the_second_rung_is_sigterm() {
    let child = ready(&supervisor(), IGNORES_EOF).await;
    let report = within("the stop", child.stop(StopLadder { eof: SHORT, term: LIMIT })).await;
    assert_eq!((report.rung, report.status.and_then(|status| status.code())), (StopRung::Term, Some(3)));
}

#[tokio::test]
async fn the_third_rung_is_sigkill() {
    let supervisor = supervisor();
    let child = ready(&supervisor, IGNORES_TERM).await;
    let report = within("the stop", child.stop(StopLadder { eof: SHORT, term: SHORT })).await;
    assert_eq!((report.rung, report.status.and_then(|status| status.signal())), (StopRung::Kill, Some(9)));
    assert_eq!(supervisor.running_count(), 0);
}

#[tokio::test]
async fn a_child_that_has_ended_needs_no_rung() {
    let child = spawn(&supervisor(), "exit 4").await;
    within("the exit", child.exit().wait()).await;
    let report = within("the stop", child.stop(StopLadder::default())).await;
    assert_eq!((report.rung, report.status.and_then(|status| status.code())), (StopRung::AlreadyExited, Some(4)));
}

#[tokio::test]
async fn a_dropped_child_is_ended() {
    let supervisor = hasty_supervisor();
    for script in ["echo ready; exec cat", IGNORES_EOF, IGNORES_TERM] {
        let child = ready(&supervisor, script).await;
        let exit = child.exit();
        drop(child);
        within("the end of a dropped child", exit.wait()).await;
        within("the end of its descendants", exit.settled()).await;
    }
}

#[tokio::test]
async fn a_cancelled_stop_goes_on_in_the_background() {
    let child = ready(&hasty_supervisor(), IGNORES_TERM).await;
    let exit = child.exit();
    let stopping = child.stop(StopLadder { eof: LIMIT, term: LIMIT });
    assert!(futures_util::FutureExt::now_or_never(stopping).is_none(), "it is not ended at once");
    within("the end of the child", exit.wait()).await;
}

#[tokio::test]
async fn a_child_nobody_waits_for_any_more_is_killed() {
    let supervisor = supervisor();
    let spawning = supervisor.spawn(sh("exec sleep 1000"));
    assert!(futures_util::FutureExt::now_or_never(spawning).is_none(), "it takes a moment");
    // Requests are served in order, so the first child was started before this one.
    let second = spawn(&supervisor, "exec cat").await;
    assert!(second.host_id().ends_with("-1"), "the first has number 0");
    within("the stop", second.stop(StopLadder { eof: LIMIT, term: LIMIT })).await;
    within("the end of the first", supervisor.core().table.all_settled()).await;
    assert_eq!(supervisor.running_count(), 0);
}

#[test]
fn children_end_with_the_last_handle_even_without_a_runtime() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let exit = runtime.block_on(async {
        let child = ready(&supervisor(), IGNORES_TERM).await;
        let exit = child.exit();
        // The background task that ends it goes with the runtime.
        drop(child);
        exit
    });
    drop(runtime);
    let other = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let status = other.block_on(within("the end of the child", exit.wait()));
    assert_eq!(status.signal(), Some(9));
}

#[tokio::test]
async fn shutdown_leaves_nothing_and_starts_nothing() {
    let supervisor = supervisor();
    let held = [ready(&supervisor, "echo ready; exec cat").await, ready(&supervisor, IGNORES_TERM).await];
    let report = within("the shutdown", supervisor.shutdown(Duration::from_millis(300))).await;
    assert_eq!(report, ShutdownReport { terminated: 2, killed: 1, left: Vec::new() });
    let signals: Vec<_> = held.iter().map(|child| child.exit().now().and_then(|status| status.signal())).collect();
    assert_eq!(signals, [Some(15), Some(9)]);
    assert!(matches!(supervisor.spawn(sh("exit")).await, Err(SpawnError::ShuttingDown)));
}

#[tokio::test]
async fn a_child_outlives_the_thread_that_asked_for_it() {
    let supervisor = supervisor();
    let runtime = tokio::runtime::Handle::current();
    let request = async move { supervisor.spawn(sh("exec cat")).await.expect("a child") };
    let asking = std::thread::spawn(move || runtime.block_on(request));
    let mut child = tokio::task::spawn_blocking(|| asking.join().expect("no panic")).await.expect("no panic");
    child.stdin.as_mut().expect("stdin").write_all(b"still here\n").await.expect("written");
    let mut lines = lines_of(&mut child);
    assert_eq!(line(&mut lines).await, "still here");
}

#[tokio::test]
async fn the_environment_is_what_was_given_and_the_marker() {
    let mut request = sh("exec env");
    request.env.push(("GIVEN".into(), "yes".into()));
    request.env.push((MARKER.into(), "another's".into()));
    let mut child = within("a spawn", supervisor().spawn(request)).await.expect("a child");
    let expected = format!("{MARKER}={}", child.host_id());
    let mut lines = lines_of(&mut child);
    let mut seen = Vec::new();
    while let Some(line) = within("a line", lines.next_line()).await.expect("readable") {
        seen.push(line);
    }
    assert!(seen.contains(&"GIVEN=yes".to_owned()) && seen.contains(&expected), "{seen:?}");
    let foreign = |line: &&String| {
        !["PATH=", "GIVEN=", "PWD=", "SHLVL=", "_=", "OLDPWD=", MARKER].iter().any(|name| line.starts_with(name))
    };
    assert_eq!(seen.iter().find(foreign), None, "nothing is inherited");
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let supervisor = supervisor();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("plain"), "text").expect("a file");
    std::fs::write(path("script"), "#!/nowhere/interpreter\n").expect("a file");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(path("script"), executable).expect("its mode");
    let try_with = |program: std::path::PathBuf, argument: OsString, directory: std::path::PathBuf| {
        let request = SpawnRequest { program, args: vec![argument], directory, ..sh("") };
        let supervisor = supervisor.clone();
        async move { within("a refusal", supervisor.spawn(request)).await.expect_err("it cannot be started") }
    };
    let here = || folder.path().to_owned();
    let error = try_with(path("missing"), "".into(), here()).await;
    assert!(matches!(error, SpawnError::ProgramNotFound { .. }), "{error}");
    let error = try_with("no-such-program-anywhere".into(), "".into(), here()).await;
    assert!(matches!(error, SpawnError::ProgramNotFound { .. }), "{error}");
    let error = try_with(path("plain"), "".into(), here()).await;
    assert!(matches!(error, SpawnError::NotExecutable { .. }), "{error}");
    let error = try_with(path("script"), "".into(), here()).await;
    assert!(matches!(error, SpawnError::InterpreterMissing { .. }), "{error}");
    let error = try_with("/bin/sh".into(), "".into(), path("missing")).await;
    assert!(matches!(error, SpawnError::Directory { .. }), "{error}");
    let error = try_with("/bin/sh".into(), "".into(), path("plain")).await;
    assert!(matches!(error, SpawnError::Directory { .. }), "{error}");
    let error = try_with("/bin/sh".into(), "x".repeat(8_000_000).into(), here()).await;
    assert!(matches!(error, SpawnError::ArgumentsTooLong { .. }), "{error}");
    let error = try_with("/bin/sh".into(), "a\0b".into(), here()).await;
    assert!(matches!(error, SpawnError::NulByte { .. }), "{error}");
    assert_eq!(supervisor.running_count(), 0);
    let child = spawn(&supervisor, "exit 6").await;
    assert_eq!(within("an exit", child.exit().wait()).await.code(), Some(6), "and then all is well");
}

#[test]
fn without_a_runtime_there_is_no_supervisor() {
    assert!(matches!(Supervisor::start(SupervisorConfig::default()), Err(ProcessError::NoRuntime)));
}
