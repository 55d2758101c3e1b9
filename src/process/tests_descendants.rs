//! What a child has started ends with it, wherever it went.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::descendants::Identity;
use super::os::ProcessHandle;
use super::tests::*;
use super::*;

/// Each takes about 2 ms, some 50 where others want the processor too. Without the second looks of `is_marked`, one in
/// seven fails.
const LOOKS: usize = 300;

/// A descendant whose pid the child printed, to be awaited.
struct Descendant {
    id: Identity,
    handle: ProcessHandle,
}

impl Descendant {
    fn from_line(line: &str) -> Self {
        let process = os::process(line.parse().expect("a pid")).expect("a living descendant");
        Self { id: process.id, handle: ProcessHandle::open(process.id).expect("a living descendant") }
    }

    async fn ended(self) {
        within("the end of a descendant", self.handle.ended()).await;
    }
}

fn kill_from_outside(child: &Child) {
    kill(Pid::from_raw(child.pid()), Signal::SIGKILL).expect("it lives");
}

async fn is_ended_after_a_crash(supervisor: &Supervisor, script: &str) {
    let mut child = spawn(supervisor, script).await;
    let descendant = Descendant::from_line(&line(&mut lines_of(&mut child)).await);
    kill_from_outside(&child);
    descendant.ended().await;
    assert_eq!(within("the settling", child.exit().settled()).await, 1);
}

#[tokio::test]
async fn a_descendant_in_a_session_of_its_own_ends_with_a_killed_child() {
    is_ended_after_a_crash(&supervisor(), "setsid sh -c 'echo $$; exec sleep 1000' & exec sleep 1000").await;
}

#[tokio::test]
async fn a_descendant_whose_parent_is_gone_is_found_by_the_marker() {
    let script = "(setsid sh -c 'echo $$; exec sleep 1000' &); exec sleep 1000";
    is_ended_after_a_crash(&supervisor(), script).await;
}

/// While a program is being replaced by the next it has no environment for some microseconds.
#[tokio::test]
async fn descendants_that_are_ever_changing_their_program_are_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let again = folder.path().join("again");
    std::fs::write(&again, "#!/bin/sh\nexec \"$0\"\n").expect("a script");
    std::fs::set_permissions(&again, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("its mode");
    // Should this test be killed itself, nobody else ends it: it may compute for two minutes.
    let script = format!("(setsid sh -c 'echo $$; ulimit -t 120; exec {}' &); exec sleep 1000", again.display());
    let mut child = spawn(&supervisor(), &script).await;
    let descendant = Descendant::from_line(&line(&mut lines_of(&mut child)).await);
    let mark = descendants::Mark::of_host(child.host_id());
    for look in 0..LOOKS {
        let found = descendants::find(Vec::new(), Some(mark.clone())).await;
        assert!(found.contains(&descendant.id), "look {look} did not find it");
    }
    kill_from_outside(&child);
    descendant.ended().await;
}

#[tokio::test]
async fn a_descendant_without_the_marker_is_found_by_the_group() {
    is_ended_after_a_crash(&supervisor(), "env -i sh -c 'echo $$; exec sleep 1000' & exec sleep 1000").await;
}

#[tokio::test]
async fn a_descendant_without_marker_or_group_is_found_by_the_tree_before_the_kill() {
    let supervisor = supervisor();
    let script = "trap '' TERM; setsid env -i sh -c 'echo $$; exec sleep 1000' & while :; do sleep 1000; done";
    let mut child = spawn(&supervisor, script).await;
    let mut lines = lines_of(&mut child);
    let descendant = Descendant::from_line(&line(&mut lines).await);
    assert_ne!(os::process(descendant.id.pid).expect("it lives").group, child.pid());
    let report = within("the stop", child.stop(StopLadder { eof: SHORT, term: SHORT })).await;
    assert_eq!(report.rung, StopRung::Kill);
    descendant.ended().await;
}

#[tokio::test]
async fn a_descendant_is_asked_before_it_is_killed() {
    // It waits in a builtin: a child of its own could get the signal between fork and exec, where it is lost.
    let script = "exec 3<&0; setsid sh -c 'trap \"echo told; exit\" TERM; echo $$; read never <&3' & exec sleep 1000";
    let config = SupervisorConfig { survivors_term: LIMIT, ..SupervisorConfig::default() };
    let supervisor = Supervisor::start(config).expect("a supervisor");
    let mut child = spawn(&supervisor, script).await;
    let mut lines = lines_of(&mut child);
    line(&mut lines).await;
    kill_from_outside(&child);
    assert_eq!(line(&mut lines).await, "told");
    within("the settling", child.exit().settled()).await;
}

#[tokio::test]
async fn a_descendant_that_ignores_sigterm_is_killed() {
    let script = "setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1000; done' & exec sleep 1000";
    let supervisor = hasty_supervisor();
    let mut child = spawn(&supervisor, script).await;
    let descendant = Descendant::from_line(&line(&mut lines_of(&mut child)).await);
    kill_from_outside(&child);
    descendant.ended().await;
    assert_eq!(within("the settling", child.exit().settled()).await, 2, "the shell and its sleep");
}

#[tokio::test]
async fn a_stop_waits_for_the_descendants() {
    let script = "(setsid sh -c 'echo $$; exec sleep 1000' &); exec cat";
    let mut child = spawn(&supervisor(), script).await;
    let descendant = Descendant::from_line(&line(&mut lines_of(&mut child)).await);
    let report = within("the stop", child.stop(StopLadder { eof: LIMIT, term: LIMIT })).await;
    assert_eq!((report.rung, report.descendants_ended), (StopRung::Eof, 1));
    let is_gone = os::process(descendant.id.pid).is_none_or(|process| process.id != descendant.id || process.is_zombie);
    assert!(is_gone);
}

#[tokio::test]
async fn only_what_belongs_to_the_child_is_ended() {
    let supervisor = supervisor();
    let mut other = spawn(&supervisor, "setsid sh -c 'echo $$; exec sleep 1000' & exec sleep 1000").await;
    let bystander = Descendant::from_line(&line(&mut lines_of(&mut other)).await);
    is_ended_after_a_crash(&supervisor, "setsid sh -c 'echo $$; exec sleep 1000' & exec sleep 1000").await;
    assert!(ProcessHandle::open(bystander.id).is_some());
    assert_eq!(other.exit().now(), None);
    within("the stop", other.stop(StopLadder { eof: SHORT, term: SHORT })).await;
    bystander.ended().await;
}

#[tokio::test]
async fn a_child_has_a_group_of_its_own_and_no_foreign_descriptors() {
    let inherited = nix::unistd::dup(std::io::stdin()).expect("a descriptor that is not close-on-exec");
    let mut child = spawn(&supervisor(), "ls /proc/$$/fd; exec sleep 1000").await;
    let mut lines = lines_of(&mut child);
    assert_eq!([line(&mut lines).await, line(&mut lines).await, line(&mut lines).await], ["0", "1", "2"]);
    assert_eq!(os::process(child.pid()).expect("it lives").group, child.pid());
    let report = within("the stop", child.stop(StopLadder { eof: SHORT, term: LIMIT })).await;
    assert_eq!(report.rung, StopRung::Term);
    let rest = within("the end of output", lines.next_line()).await.expect("readable");
    assert_eq!(rest, None, "descriptor {inherited:?} stays out");
}
