//! The plugin's server ends, or its connection, or claude.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use turnmux::channel::HubConfig;
use turnmux::protocol::ThreadOrigin;

use super::rig::{Rig, patient};
use super::talk::Talk;
use crate::harness::{Claude, gone};

on_both!(
    a_turn_ends_with_its_text_though_the_server_was_killed,
    a_server_killed_while_nothing_runs_ends_the_attachment,
    a_connection_that_comes_back_has_lost_nothing,
    a_claude_that_is_killed_is_resumed,
);

/// A connection that is gone is given up at once.
fn impatient() -> HubConfig {
    HubConfig { grace: Duration::from_millis(1), ..patient() }
}

async fn a_turn_ends_with_its_text_though_the_server_was_killed(claude: Claude) {
    let rig = Rig::with(claude, impatient()).await;
    let mut talk = rig.fresh().await;
    talk.start("::say \"one\\n\"\n::hold here\n::say two\n::tool Bash {\"command\":\"echo x\",\"description\":\"x\"}\n::say \"three\\n\"").await;
    talk.shows("one").await;
    signal(server_of(talk.pid), Signal::SIGKILL);
    rig.logged("the channel of an agent is closed").await;
    rig.model.release("here");
    assert_eq!(talk.answered().await, "one\ntwo\n\nthree");
    talk.lost().await;
    resumed(&rig, &talk, "::say \"next\\n\"").await;
}

async fn a_server_killed_while_nothing_runs_ends_the_attachment(claude: Claude) {
    let rig = Rig::with(claude, impatient()).await;
    let mut talk = rig.fresh().await;
    assert_eq!(talk.turn("::say \"one\\n\"").await, "one");
    signal(server_of(talk.pid), Signal::SIGKILL);
    talk.lost().await;
    gone(talk.pid).await;
    resumed(&rig, &talk, "::say \"next\\n\"").await;
}

async fn a_connection_that_comes_back_has_lost_nothing(claude: Claude) {
    let rig = Rig::with(claude, HubConfig { ping: Duration::from_millis(300), ..patient() }).await;
    let mut talk = rig.fresh().await;
    talk.start("::say \"one\\n\"\n::hold here\n::say two").await;
    talk.shows("one").await;
    let server = server_of(talk.pid);
    signal(server, Signal::SIGSTOP);
    // Nobody takes it before the connection is cut.
    talk.steer("::say \"steered\\n\"").await.unwrap();
    rig.logged("the plugin's connection was cut").await;
    signal(server, Signal::SIGCONT);
    rig.transcripts.queue("steered").await;
    rig.model.release("here");
    assert_eq!(talk.answered().await, "one\ntwo\n\nsteered");
    assert_eq!(talk.turn("::say \"next\\n\"").await, "next");
    let steered = rig
        .model
        .requests()
        .iter()
        .filter(|request| !request.on_the_side && request.user_text == "::say \"steered\\n\"")
        .count();
    assert_eq!(steered, 1, "it was pushed twice");
    talk.detach().await;
}

async fn a_claude_that_is_killed_is_resumed(claude: Claude) {
    let rig = Rig::new(claude).await;
    let mut talk = rig.fresh().await;
    assert_eq!(talk.turn("::say \"one\\n\"").await, "one");
    talk.start("::say \"two\\n\"\n::silent").await;
    talk.shows("two").await;
    signal(talk.pid, Signal::SIGKILL);
    let error = talk.lost().await;
    assert!(error.to_string().contains("SIGKILL") || error.to_string().contains("signal 9"), "{error}");
    resumed(&rig, &talk, "::say \"next\\n\"").await;
}

/// The thread goes on in another process.
async fn resumed(rig: &Rig, talk: &Talk, text: &str) {
    let thread = talk.thread.clone().expect("a turn began");
    let mut again = rig.open(ThreadOrigin::Resume(thread.clone()));
    again.ready().await;
    assert_eq!(again.turn(text).await, "next");
    assert_eq!(again.thread, Some(thread));
    let newest =
        rig.model.requests().into_iter().rfind(|request| request.user_text == text).expect("the model was asked");
    assert!(newest.body["messages"].to_string().contains("one"), "it knows what was said");
    again.detach().await;
}

fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.cast_signed()), signal).expect("the process is there");
}

/// The plugin's server inside a claude.
fn server_of(claude: u32) -> u32 {
    let pids =
        std::fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_server = |pid: &u32| {
        let read = |file| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        read("status").contains(&format!("\nPPid:\t{claude}\n")) && read("cmdline").ends_with("turnmux\0channel\0")
    };
    pids.into_iter().find(is_server).expect("claude has started the plugin's server")
}
