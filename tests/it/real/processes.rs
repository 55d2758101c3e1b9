//! Nothing survives: not a kill of claude, not one of the daemon, not a shutdown.

use nix::sys::signal::Signal::{SIGKILL, SIGSTOP, SIGTERM};
use serde_json::json;

use super::{KEY, bash, error_code, send};
use crate::harness::{Claude, Daemon, DaemonBuilder, Fifo, Stream, agents_of, all_gone, gone, guard_of};

on_all!(
    claude_killed_takes_its_tools_along,
    the_daemon_killed_takes_everything_along,
    a_claude_that_cannot_hear_of_its_daemons_death_ends_too,
    what_a_daemon_left_that_was_killed_with_its_guard_is_swept,
    a_shutdown_lets_the_running_turn_finish,
    a_second_signal_forces,
);

fn bypassing(claude: Claude) -> DaemonBuilder {
    Daemon::claude(claude).args(&["--permission", "bypass"]).env("IS_SANDBOX", "1")
}

/// Starts a turn whose tool runs on and on, in the foreground and in the background. Gives its processes.
async fn tool_runs(daemon: &Daemon) -> (Stream, Vec<u32>) {
    let mut fifo = Fifo::new(&daemon.scratch().join("fifo"));
    let command = "tail -f /dev/null & echo $$ $! > ../fifo; tail -f /dev/null";
    let stream = daemon.client.session(KEY).stream(&bash(command)).await;
    (stream, fifo.pids().await)
}

async fn claude_killed_takes_its_tools_along(claude: Claude) {
    let daemon = bypassing(claude).start().await;
    let (mut stream, tool) = tool_runs(&daemon).await;
    send(daemon.agent(KEY).await, SIGKILL);
    let (_, chunks) = stream.rest().await;
    assert_eq!(error_code(&chunks), "agent_lost");
    for pid in tool {
        gone(pid).await;
    }
    assert_eq!(agents_of(daemon.scratch()), [0; 0], "the turn's end comes when all of it is gone");
    let next = daemon.client.session(KEY).ask("two").await.text();
    assert!(next.starts_with("You said: two"), "{next}");
    assert!(daemon.stop().await.success());
}

async fn the_daemon_killed_takes_everything_along(claude: Claude) {
    let mut daemon = bypassing(claude).start().await;
    daemon.client.session("idle::1").ask("one").await.text();
    let mut waiting = daemon.client.session("waiting::1").stream("::say \"yes\\n\"\n::silent").await;
    waiting.first_text().await;
    let (_stream, tool) = tool_runs(&daemon).await;
    assert!(agents_of(daemon.scratch()).len() >= 3, "three claudes");
    daemon.signal(SIGKILL);
    daemon.ended().await;
    all_gone(daemon.scratch()).await;
    // By pid too: what is in the middle of an exec shows no environment.
    for pid in tool {
        gone(pid).await;
    }
}

async fn a_claude_that_cannot_hear_of_its_daemons_death_ends_too(claude: Claude) {
    let mut daemon = bypassing(claude).start().await;
    let (_stream, _) = tool_runs(&daemon).await;
    send(daemon.agent(KEY).await, SIGSTOP);
    daemon.signal(SIGKILL);
    daemon.ended().await;
    all_gone(daemon.scratch()).await;
}

async fn what_a_daemon_left_that_was_killed_with_its_guard_is_swept(claude: Claude) {
    let mut daemon = bypassing(claude).start().await;
    let (_stream, _) = tool_runs(&daemon).await;
    let guard = guard_of(daemon.pid());
    send(guard, SIGKILL);
    gone(guard).await;
    // It cannot react to its parent's death, and so neither end itself nor its tools.
    send(daemon.agent(KEY).await, SIGSTOP);
    daemon.signal(SIGKILL);
    daemon.ended().await;
    assert!(agents_of(daemon.scratch()).len() >= 3, "claude and its tool are left");
    let next = Daemon::claude(claude).scratch(daemon.share_scratch()).start().await;
    assert_eq!(agents_of(next.scratch()), [0; 0], "swept before anything is served");
    next.logged("ended what a killed turnmux had left behind", 1).await;
    let text = next.client.session(KEY).ask("one").await.text();
    assert!(text.starts_with("You said: one"), "{text}");
    assert!(next.stop().await.success());
}

async fn a_shutdown_lets_the_running_turn_finish(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let mut idle = daemon.client.session("another::session").stream("one").await;
    idle.rest().await;
    let mut stream = daemon.client.session(KEY).stream("::say \"one,\\n\"\n::hold here\n::say two").await;
    let first = stream.first_text().await;
    let mut queued = daemon.client.session(KEY).stream("never").await;
    daemon.signal(SIGTERM);
    daemon.logged("shutting down", 1).await;
    assert_eq!(error_code(&queued.rest().await.1), "shutting_down");
    daemon.model.release("here");
    let (rest, chunks) = stream.rest().await;
    assert_eq!(format!("{first}{rest}"), "one,\ntwo");
    assert_eq!(chunks.last(), Some(&json!("[DONE]")));
    let mut daemon = daemon;
    assert!(daemon.ended().await.success());
    assert_eq!(agents_of(daemon.scratch()), [0; 0]);
}

async fn a_second_signal_forces(claude: Claude) {
    let mut daemon = bypassing(claude).config("[server]\nshutdown_grace = \"10m\"").start().await;
    let (mut stream, tool) = tool_runs(&daemon).await;
    daemon.signal(SIGTERM);
    daemon.logged("shutting down", 1).await;
    daemon.signal(SIGTERM);
    assert_eq!(error_code(&stream.rest().await.1), "shutting_down");
    assert!(daemon.ended().await.success());
    for pid in tool {
        gone(pid).await;
    }
    assert_eq!(agents_of(daemon.scratch()), [0; 0]);
}
