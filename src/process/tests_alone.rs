//! What changes a whole process: each of these tests runs itself again in a process of its own.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;

use super::tests::*;
use super::*;

const ALONE: &str = "TURNMUX_TEST_ALONE";
const FIFO: &str = "TURNMUX_TEST_FIFO";

/// This test program again, for one test, which sees [`ALONE`].
fn again(test: &str) -> Command {
    #[expect(clippy::disallowed_methods, reason = "not the supervisor that is tested starts this")]
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", &format!("process::tests_alone::{test}"), "--nocapture"]).env(ALONE, test);
    command
}

/// True in the process of its own; the other one has run that process.
fn is_alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let output = again(test).output().expect("this program runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    false
}

#[tokio::test]
async fn an_adopting_supervisor_reaps_orphans_and_ends_them_at_shutdown() {
    if !is_alone("an_adopting_supervisor_reaps_orphans_and_ends_them_at_shutdown") {
        return;
    }
    let config = SupervisorConfig { adopt_orphans: true, ..SupervisorConfig::default() };
    let supervisor = Supervisor::start(config).expect("a supervisor");
    let mut adopted = supervisor.core().table.adopted();
    let me = std::process::id() as i32;

    // One with the marker, which goes with its host.
    let mut child = spawn(&supervisor, "(setsid sh -c 'echo $$; exec sleep 1000' &); exec cat").await;
    let orphan: i32 = line(&mut lines_of(&mut child)).await.parse().expect("a pid");
    within("the stop", child.stop(StopLadder { eof: LIMIT, term: LIMIT })).await;
    within("the reaping of the orphan", adopted.wait_for(|count| *count >= 1)).await.expect("open");
    assert!(os::process(orphan).is_none_or(|process| process.parent != me), "no zombie is left");

    // A program that cannot be executed is reaped by the standard library, with which nobody may interfere.
    let missing = || SpawnRequest { program: "/nowhere/program".into(), ..sh("") };
    for _ in 0..50 {
        let (error, child) = tokio::join!(supervisor.spawn(missing()), spawn(&supervisor, "exit 9"));
        assert!(matches!(error, Err(SpawnError::ProgramNotFound { .. })));
        assert_eq!(within("the exit", child.exit().wait()).await.code(), Some(9));
    }

    // One without any trace, which goes with the daemon; its middleman is reaped by the shell.
    let script = "(setsid env -i sh -c 'echo $$; exec sleep 1000' &); read line; exit 0";
    let mut child = spawn(&supervisor, script).await;
    let mut lines = lines_of(&mut child);
    let orphan: i32 = line(&mut lines).await.parse().expect("a pid");
    let handle = os::ProcessHandle::open(os::process(orphan).expect("it lives").id).expect("it lives");
    let report = within("the shutdown", supervisor.shutdown(LIMIT)).await;
    assert_eq!((report.terminated, report.left), (1, Vec::new()));
    within("the end of the orphan", handle.ended()).await;
    within("the reaping of the orphan", adopted.wait_for(|count| *count >= 2)).await.expect("open");
}

#[tokio::test]
async fn a_child_ignores_and_blocks_nothing_that_the_daemon_does() {
    if !is_alone("a_child_ignores_and_blocks_nothing_that_the_daemon_does") {
        return;
    }
    #[expect(unsafe_code, reason = "setting a disposition is unsafe because handlers are")]
    // SAFETY: to ignore a signal is no handler.
    unsafe {
        signal(Signal::SIGHUP, SigHandler::SigIgn).expect("ignored");
        signal(Signal::SIGTERM, SigHandler::SigIgn).expect("ignored");
    }
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::from(Signal::SIGUSR1)), None).expect("blocked");
    let mut child = spawn(&supervisor(), "exec grep -E '^Sig(Blk|Ign)' /proc/self/status").await;
    let mut lines = lines_of(&mut child);
    for name in ["SigBlk", "SigIgn"] {
        let line = line(&mut lines).await;
        let (found, bits) = line.split_once(":\t").expect("a name and a mask");
        let mask = u64::from_str_radix(bits, 16).expect("a mask");
        // Above the 31 standard signals are two that the C library keeps to itself, whoever has ignored them.
        assert_eq!((found, mask & 0x7fff_ffff), (name, 0));
    }
}

/// The daemon of these tests is their second process: it is killed, and its child has to follow.
#[tokio::test]
async fn a_child_follows_a_killed_daemon() {
    follows("a_child_follows_a_killed_daemon", None).await;
}

/// It is deaf to the hang-up, so that it follows by the death signal.
#[tokio::test]
async fn a_child_with_a_terminal_follows_a_killed_daemon() {
    let terminal = Some(TerminalSize { rows: 24, cols: 80 });
    follows("a_child_with_a_terminal_follows_a_killed_daemon", terminal).await;
}

async fn follows(test: &str, terminal: Option<TerminalSize>) {
    if std::env::var_os(ALONE).is_some() {
        let fifo = std::env::var(FIFO).expect("a fifo");
        let script = format!("trap '' HUP; exec 3>'{fifo}'; echo $$ >&3; exec sleep 1000");
        let child = supervisor().spawn(SpawnRequest { terminal, ..sh(&script) }).await.expect("a child");
        child.exit().wait().await;
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let fifo: PathBuf = folder.path().join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).expect("a fifo");
    let reader = pipe::OpenOptions::new().open_receiver(&fifo).expect("a reader");
    let mut daemon = again(test).env(FIFO, &fifo).stdout(Stdio::null()).spawn().expect("this program runs");
    let mut lines = BufReader::new(reader).lines();
    let pid = within("the child's first line", lines.next_line()).await.expect("readable").expect("a line");
    assert!(pid.parse::<i32>().is_ok(), "{pid}");
    daemon.kill().expect("it lives");
    let status = daemon.wait().expect("it is ours");
    assert_eq!(status.signal(), Some(9));
    let end = within("the end of the child", lines.next_line()).await.expect("readable");
    assert_eq!(end, None);
}

#[tokio::test]
async fn descriptors_go_with_their_owners() {
    if !is_alone("descriptors_go_with_their_owners") {
        return;
    }
    let supervisor = supervisor();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    let open = || std::fs::read_dir("/proc/self/fd").expect("listed").count();
    // The runtime and the supervisor have opened theirs after the first round.
    let mut counts = Vec::new();
    for _ in 0..3 {
        let fifo = Fifo::create(&folder.path().join("fifo")).expect("a fifo");
        let watch = FileWatch::new(&file).expect("a watch");
        let terminal = Some(TerminalSize { rows: 24, cols: 80 });
        let child = supervisor.spawn(SpawnRequest { terminal, ..sh("exec cat") }).await.expect("a child");
        let missing = SpawnRequest { terminal, program: "/nowhere/program".into(), ..sh("") };
        supervisor.spawn(missing).await.expect_err("it cannot be started");
        within("the stop", child.stop(StopLadder { eof: LIMIT, term: LIMIT })).await;
        drop((fifo, watch));
        counts.push(open());
    }
    assert_eq!(counts[1], counts[2], "{counts:?}");
}

#[tokio::test]
async fn a_terminal_that_cannot_be_had_is_said() {
    if !is_alone("a_terminal_that_cannot_be_had_is_said") {
        return;
    }
    let supervisor = supervisor();
    let terminal = Some(TerminalSize { rows: 24, cols: 80 });
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("limits");
    let open = std::fs::read_dir("/proc/self/fd").expect("listed").count() as u64;
    setrlimit(Resource::RLIMIT_NOFILE, open, hard).expect("limited");
    let error = supervisor.spawn(SpawnRequest { terminal, ..sh("exit") }).await.expect_err("there is no room");
    assert!(matches!(error, SpawnError::NoMoreFiles { .. }), "{error}");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("unlimited");
    let child = supervisor.spawn(SpawnRequest { terminal, ..sh("exit 6") }).await.expect("a child");
    assert_eq!(within("the exit", child.exit().wait()).await.code(), Some(6), "and then all is well");
}
