//! Children with a terminal.

use std::os::unix::process::ExitStatusExt;

use bytes::BytesMut;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::descendants::Identity;
use super::os::ProcessHandle;
use super::tests::*;
use super::*;

const SIZE: TerminalSize = TerminalSize { rows: 7, cols: 133 };

/// A child's terminal, and what it has printed.
struct Screen {
    terminal: Terminal,
    printed: BytesMut,
}

impl Screen {
    fn of(child: &mut Child) -> Self {
        Self { terminal: child.terminal.take().expect("a terminal"), printed: BytesMut::new() }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.printed).into_owned()
    }

    /// The next line, without its end.
    async fn line(&mut self) -> String {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.printed) {
                let line = self.printed.split_to(end + 1);
                return String::from_utf8_lossy(&line).trim_end().to_owned();
            }
            let count = within("a line on the screen", self.terminal.read(&mut self.printed)).await.expect("readable");
            assert_ne!(count, 0, "the end comes after {:?}", self.text());
        }
    }

    async fn until_the_end(&mut self) -> String {
        while within("the end", self.terminal.read(&mut self.printed)).await.expect("readable") > 0 {}
        self.text()
    }
}

fn request(script: &str) -> SpawnRequest {
    SpawnRequest { terminal: Some(SIZE), ..sh(script) }
}

/// A child that has printed its first line, so that its traps are set.
async fn start(supervisor: &Supervisor, script: &str) -> (Child, Screen) {
    let mut child = within("a spawn", supervisor.spawn(request(script))).await.expect("a child");
    assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
    let mut screen = Screen::of(&mut child);
    assert_eq!(screen.line().await, "ready");
    (child, screen)
}

#[tokio::test]
async fn it_is_a_terminal_of_the_size_that_was_asked_for() {
    let script = "trap 'stty size' WINCH; echo ready; tty; tty <&2; echo controlling >/dev/tty; stty size
        while :; do sleep 1000 & wait; done";
    let (child, mut screen) = start(&supervisor(), script).await;
    let name = screen.line().await;
    assert!(name.starts_with("/dev/"), "{name}");
    assert_eq!(screen.line().await, name);
    assert_eq!(screen.line().await, "controlling");
    assert_eq!(screen.line().await, "7 133");
    for rows in [50, 1] {
        screen.terminal.resize(TerminalSize { rows, cols: 200 }).expect("resized");
        assert_eq!(screen.line().await, format!("{rows} 200"));
    }
    drop(screen);
    let report = within("the stop", child.stop(StopLadder { eof: LIMIT, term: LIMIT })).await;
    assert_eq!(report.rung, StopRung::Eof);
}

#[tokio::test]
async fn keystrokes_arrive_and_control_c_interrupts() {
    // Without a trap: between the fork and the exec of another command it would be lost.
    let script = "stty -echo; echo ready; read word; echo \"got $word\"; exec cat";
    let (child, mut screen) = start(&supervisor(), script).await;
    assert_eq!(screen.terminal.try_write(b"wo").expect("typed"), 2);
    within("the typing", screen.terminal.write(b"rd\r")).await.expect("typed");
    assert_eq!(screen.line().await, "got word");
    assert_eq!(screen.terminal.try_write(b"\x03").expect("typed"), 1);
    assert_eq!(within("the exit", child.exit().wait()).await.signal(), Some(2));
    assert_eq!(screen.until_the_end().await, "");
}

#[tokio::test]
async fn all_is_read_up_to_the_end_also_after_the_exit() {
    let (child, mut screen) = start(&supervisor(), "stty -opost; echo ready; seq 1 100000; exit 5").await;
    let expected: String = (1..=100_000).flat_map(|number| [number.to_string(), "\n".to_owned()]).collect();
    assert!(screen.until_the_end().await == expected, "the output is not what was printed");
    assert_eq!(within("the exit", child.exit().wait()).await.code(), Some(5));
    let (child, mut screen) = start(&supervisor(), "echo ready; echo last words; exit 6").await;
    assert_eq!(within("the exit", child.exit().wait()).await.code(), Some(6));
    assert_eq!(screen.until_the_end().await, "last words\r\n");
    assert_eq!(screen.until_the_end().await, "last words\r\n", "an end stays one");
}

#[tokio::test]
async fn who_types_faster_than_the_child_reads_waits() {
    const TYPED: usize = 500_000;
    // In the trap and not behind the wait: a signal between the two would be over when the wait begins.
    let read = format!("head -c {TYPED} | wc -c; exec sleep 1000");
    let script = format!("stty raw -echo; trap '{read}' TERM; echo ready; while :; do sleep 1000 & wait; done");
    let (child, mut screen) = start(&supervisor(), &script).await;
    let keys = vec![b'x'; TYPED];
    let mut typed = 0;
    let error = loop {
        match screen.terminal.try_write(&keys[typed..]) {
            Ok(count) => typed += count,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    assert!(typed < TYPED);
    let waiting = futures_util::FutureExt::now_or_never(screen.terminal.write(&keys[typed..]));
    assert!(waiting.is_none(), "there is no room");
    assert!(child.signal(ChildSignal::Terminate));
    within("the rest", screen.terminal.write(&keys[typed..])).await.expect("typed");
    assert_eq!(screen.line().await.trim(), TYPED.to_string());
}

#[tokio::test]
async fn the_first_rung_is_the_hang_up() {
    let mut child = within("a spawn", supervisor().spawn(request("exec cat"))).await.expect("a child");
    assert!(child.terminal.is_some());
    let report = within("the stop", child.stop(StopLadder { eof: LIMIT, term: LIMIT })).await;
    assert_eq!((report.rung, report.status.and_then(|status| status.signal())), (StopRung::Eof, Some(1)));
    // One that nobody has read, and that stands still over it.
    child = within("a spawn", supervisor().spawn(request("exec yes"))).await.expect("a child");
    let terminal = child.terminal.as_ref().expect("a terminal");
    within("some output", terminal.read(&mut BytesMut::new())).await.expect("readable");
    let report = within("the stop", child.stop(StopLadder { eof: LIMIT, term: LIMIT })).await;
    assert_eq!(report.rung, StopRung::Eof);
}

#[tokio::test]
async fn the_other_rungs_are_the_same() {
    let supervisor = supervisor();
    let script = "trap '' HUP; trap 'exit 3' TERM; echo ready; while :; do sleep 1000 & wait; done";
    let (child, screen) = start(&supervisor, script).await;
    drop(screen);
    let report = within("the stop", child.stop(StopLadder { eof: SHORT, term: LIMIT })).await;
    assert_eq!((report.rung, report.status.and_then(|status| status.code())), (StopRung::Term, Some(3)));
    let (child, screen) = start(&supervisor, "trap '' HUP TERM; echo ready; while :; do sleep 1000; done").await;
    drop(screen);
    let report = within("the stop", child.stop(StopLadder { eof: SHORT, term: SHORT })).await;
    assert_eq!((report.rung, report.status.and_then(|status| status.signal())), (StopRung::Kill, Some(9)));
    assert_eq!(supervisor.running_count(), 0);
}

#[tokio::test]
async fn a_dropped_child_is_ended_with_what_it_started() {
    let supervisor = hasty_supervisor();
    for traps in ["", "trap '' HUP;", "trap '' HUP TERM;"] {
        let script = format!("{traps} setsid sleep 1000 & {traps} echo ready; while :; do sleep 1000; done");
        let (child, screen) = start(&supervisor, &script).await;
        let exit = child.exit();
        drop((child, screen));
        within("the end of a dropped child", exit.wait()).await;
        within("the end of its descendants", exit.settled()).await;
    }
    assert_eq!(within("a shutdown", supervisor.shutdown(LIMIT)).await.left, Vec::<i32>::new());
}

/// One in the child's group, one in a group of its own as job control makes them, both without the marker, and one in a
/// session of its own, orphaned. All are deaf to the hang-up.
const FAMILY: &str = "trap '' HUP
    env -i sh -c 'echo $$; exec sleep 1000' &
    set -m; env -i sh -c 'echo $$; exec sleep 1000' & set +m
    (setsid sh -c 'echo $$; exec sleep 1000' &)
    exec sleep 1000";

#[tokio::test]
async fn nothing_is_left_of_a_killed_tree() {
    let script = format!("echo ready; {FAMILY}");
    let (child, mut screen) = start(&supervisor(), &script).await;
    let leader = os::process(child.pid()).expect("it lives");
    assert_eq!((leader.group, leader.session), (child.pid(), child.pid()));
    let mut family = Vec::new();
    for _ in 0..3 {
        let process = os::process(screen.line().await.parse().expect("a pid")).expect("it lives");
        family.push((process, ProcessHandle::open(process.id).expect("it lives")));
    }
    let is_kin = |process: &descendants::Process| (process.group == child.pid(), process.session == child.pid());
    let mut kin: Vec<_> = family.iter().map(|(process, _)| is_kin(process)).collect();
    kin.sort_unstable();
    assert_eq!(kin, [(false, false), (false, true), (true, true)]);
    kill(Pid::from_raw(child.pid()), Signal::SIGKILL).expect("it lives");
    for (_, handle) in family {
        within("the end of a descendant", handle.ended()).await;
    }
    assert_eq!(within("the settling", child.exit().settled()).await, 3);
    assert_eq!(screen.until_the_end().await, "");
}

#[tokio::test]
async fn a_dead_daemons_child_with_a_terminal_is_swept() {
    let root = tempfile::tempdir().expect("a folder");
    let config = || SupervisorConfig { records_dir: Some(root.path().join("records")), ..SupervisorConfig::default() };
    let owner = Supervisor::start(config()).expect("a supervisor");
    let (child, _screen) = start(&owner, "trap '' HUP; echo ready; while :; do sleep 1000; done").await;
    // As if its daemon had been another, which is dead: no pid is so high.
    let own = os::process(std::process::id() as i32).expect("this process").id;
    let name = |id: Identity| root.path().join("records").join(format!("{}-{}", id.pid, id.start));
    std::fs::rename(name(own), name(Identity { pid: i32::MAX, start: 1 })).expect("renamed");
    let next = Supervisor::start(config()).expect("a supervisor");
    let report = within("the sweep", next.sweep()).await.expect("swept");
    assert_eq!((report.dead_daemons, report.left), (1, Vec::new()));
    assert_eq!(within("the exit", child.exit().wait()).await.signal(), Some(15));
}

#[tokio::test]
async fn it_has_no_foreign_descriptors_and_a_failed_start_leaves_none() {
    let supervisor = supervisor();
    // Their terminals are open here meanwhile.
    let (_other, _screen) = start(&supervisor, "echo ready; exec sleep 1000").await;
    let (_child, mut screen) = start(&supervisor, "echo ready; ls /proc/$$/fd; exec sleep 1000").await;
    let mut seen = String::new();
    while !seen.contains('2') {
        seen += &screen.line().await;
    }
    assert_eq!(seen.split_whitespace().collect::<String>(), "012");
    let missing = SpawnRequest { program: "/nowhere/program".into(), ..request("") };
    let error = within("a refusal", supervisor.spawn(missing)).await.expect_err("it cannot be started");
    assert!(matches!(error, SpawnError::ProgramNotFound { .. }), "{error}");
}
