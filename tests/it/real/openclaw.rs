//! OpenClaw's recorded requests, replayed in order as one session: its turns are one conversation of claude's, whatever else
//! it asks beside them.

use crate::harness::{Claude, Daemon, Recorded, Stream};

on_all!(
    turns_are_one_conversation_and_the_rest_is_none_of_it,
    a_message_that_was_stopped_comes_with_the_next,
    a_retry_joins_its_turn,
);

const ID: &str = "4dba8afd-450d-40a3-8815-d7b78dff034f";
const KEY: &str = "ops::4dba8afd-450d-40a3-8815-d7b78dff034f";

fn load(daemon: &Daemon, name: &str, boundary: Option<u32>) -> Recorded {
    let recorded = Recorded::load(daemon, name).model("claude-code");
    if name == "title" { recorded } else { recorded.of_session(ID, boundary) }
}

/// Sends a turn; the answer must be to this text, and the session the conversation's. Gives the thread.
async fn turn(daemon: &Daemon, name: &str, boundary: u32, text: &str) -> String {
    let mut stream = load(daemon, name, Some(boundary)).stream(daemon).await;
    assert_eq!(stream.header("x-turnmux-session"), Some(KEY), "{name}");
    let thread = thread(&stream);
    let (answer, chunks) = stream.rest().await;
    assert!(answer.starts_with(&format!("You said: {text} [turn ")), "{name}: {answer}");
    let usage = &chunks[chunks.len() - 2]["usage"];
    assert_eq!(usage["prompt_tokens"], text.len().div_ceil(4), "{name}: {usage}");
    assert!(usage["turnmux"]["prompt_tokens"].as_u64().unwrap() > 100, "{name}: {usage}");
    thread
}

/// Sends what is no turn, which must not meet the conversation.
async fn beside(daemon: &Daemon, name: &str, boundary: Option<u32>) {
    let pid = daemon.agent(KEY).await;
    let mut stream = load(daemon, name, boundary).stream(daemon).await;
    assert_ne!(stream.header("x-turnmux-session"), Some(KEY), "{name}");
    let answer = stream.rest().await.0;
    assert!(answer.starts_with("You said: "), "{name}: {answer}");
    assert_eq!(daemon.agent(KEY).await, pid, "{name}");
}

fn thread(stream: &Stream) -> String {
    stream.header("x-turnmux-thread").expect("a thread").to_owned()
}

async fn turns_are_one_conversation_and_the_rest_is_none_of_it(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let first = turn(&daemon, "gateway-turn1", 0, "hello from group").await;
    let pid = daemon.agent(KEY).await;
    beside(&daemon, "title", None).await;
    assert_eq!(turn(&daemon, "gateway-turn2", 0, "second").await, first);
    beside(&daemon, "memory-flush", Some(0)).await;
    assert_eq!(turn(&daemon, "error-retry", 0, "hello errchunk").await, first);
    assert_eq!(turn(&daemon, "idle-retry", 0, "hello").await, first);
    beside(&daemon, "compaction-summary", None).await;
    assert_eq!(turn(&daemon, "after-compaction", 1, "turn 2 of big usage").await, first);
    assert_eq!(daemon.agent(KEY).await, pid, "one process for all of it");
    let before = daemon.model.requests().len();

    // `/new`: the same session of OpenClaw's, another conversation.
    assert_ne!(turn(&daemon, "gateway-turn3", 2, "after new").await, first);
    assert_eq!(daemon.agent(KEY).await != pid, claude.in_terminal(), "over stdio the process stays");
    let requests = daemon.model.requests();
    let anew = requests[before..].iter().find(|request| request.user_text.contains("after new")).expect("the turn");
    assert!(!anew.body.to_string().contains("hello from group"), "it knows nothing of the old one");

    let last = requests[..before].iter().rfind(|request| request.user_text.contains("turn 2 of big usage"));
    let last = last.expect("the turn after the compaction").body["messages"].to_string();
    for text in ["hello from group", "second", "hello errchunk"] {
        assert!(last.contains(text), "{text} is part of the conversation: {last}");
    }
    for text in ["session multiplexer", "Pre-compaction memory flush", "PREFIX of a turn", "compacted into"] {
        assert!(!last.contains(text), "{text} is no part of the conversation: {last}");
    }
    for request in &requests {
        let body = request.body.to_string();
        for text in
            ["Runtime: agent", "INTERNAL_CONTEXT", "cannot use tools", "turn_aborted", "13:37 UTC", "<!-- openclaw"]
        {
            assert!(!body.contains(text), "{text}: {body}");
        }
    }
    assert!(daemon.stop().await.success());
}

async fn a_message_that_was_stopped_comes_with_the_next(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let first = turn(&daemon, "gateway-turn1", 0, "hello from group").await;
    let pid = daemon.agent(KEY).await;
    let before = load(&daemon, "before-abort", Some(0))
        .replace("will be aborted", "will be aborted\n::say \"begun\\n\"\n::hold it");
    let mut stream = before.stream(&daemon).await;
    stream.first_text().await;
    drop(stream);
    let after = load(&daemon, "after-abort", Some(0));
    let mut stream = after.stream(&daemon).await;
    assert_eq!((stream.header("x-turnmux-session"), thread(&stream)), (Some(KEY), first));
    let answer = stream.rest().await.0;
    assert!(answer.contains("will be aborted") && answer.contains("after abort"), "{answer}");
    assert_eq!(daemon.agent(KEY).await, pid, "the process is still the same");
}

async fn a_retry_joins_its_turn(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let script = "::say \"begun\\n\"\n::hold it\n::say done";
    let mut lost = load(&daemon, "affinity-turn1", Some(0)).replace("hello", script).stream(&daemon).await;
    lost.first_text().await;
    let turn = lost.header("x-turnmux-turn").expect("a turn").to_owned();
    drop(lost);
    daemon.logged("the reader of a turn has left", 1).await;
    let retry = load(&daemon, "idle-retry", Some(0)).replace("hello", script);
    let mut again = retry.stream(&daemon).await;
    assert_eq!((again.header("x-turnmux-turn"), again.header("x-turnmux-joined")), (Some(&*turn), Some("true")));
    assert_eq!(again.first_text().await, "begun\n");
    daemon.model.release("it");
    assert_eq!(again.rest().await.0, "done");
    let asked = daemon.model.requests().into_iter().filter(|request| request.user_text.contains("::hold it")).count();
    assert_eq!(asked, 1, "the model was asked once");
}
