//! What only a claude in a terminal does: text as it is displayed, the `reply` tool, several of them beside each other.

use std::path::Path;

use tokio::task::JoinSet;

use super::{KEY, error_code, requests};
use crate::harness::{Claude, Daemon};

in_terminal!(
    text_arrives_while_the_answer_forms,
    what_is_said_by_the_reply_tool_is_said_once,
    thinking_is_no_part_of_the_answer,
    turns_that_follow_each_other_keep_their_answers_apart,
    nothing_of_the_conversation_lies_with_the_daemon,
    a_terminal_of_one_cell_changes_nothing,
);

/// The `::tool` directive for the plugin's own tool.
fn reply(text: &str) -> String {
    format!("::tool mcp__plugin_turnmux_turnmux__reply {}", serde_json::json!({"text": text}))
}

async fn text_arrives_while_the_answer_forms(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    let script = "::say \"one\\n\"\n::hold a\n::say \"two\\n\"\n::hold b\n::say three";
    let mut stream = session.stream(script).await;
    assert_eq!(stream.first_text().await, "one\n");
    daemon.model.release("a");
    assert_eq!(stream.first_text().await, "two\n");
    daemon.model.release("b");
    let (rest, chunks) = stream.rest().await;
    assert_eq!(rest, "three");
    assert!(chunks.iter().all(|chunk| chunk["turnmux"].is_null()), "the whole answer agreed with its pieces");
}

async fn what_is_said_by_the_reply_tool_is_said_once(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    let said_first = format!("{}\n::say Later.", reply("Right away."));
    assert_eq!(session.stream(&said_first).await.rest().await.0, "Right away.\n\nLater.");
    let between = format!("::say Before.\n{}\n::say After.", reply("Between."));
    assert_eq!(session.ask(&between).await.text(), "Before.\n\nBetween.\n\nAfter.");
    let repeated = format!("{}\n::say The answer.", reply("The answer."));
    assert_eq!(session.stream(&repeated).await.rest().await.0, "The answer.");
    assert_eq!(session.ask(&repeated).await.text(), "The answer.");
}

async fn thinking_is_no_part_of_the_answer(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let reply = daemon.client.session(KEY).ask("::think Let me see.\n::say It goes well.").await;
    assert_eq!(reply.text(), "It goes well.");
    assert!(reply.json()["choices"][0]["message"]["reasoning_content"].is_null(), "{:?}", reply.body);
}

async fn turns_that_follow_each_other_keep_their_answers_apart(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    let mut streams = Vec::new();
    for turn in 1..=5 {
        streams.push(session.stream(&format!("turn {turn}")).await);
    }
    for (turn, stream) in (1..).zip(&mut streams) {
        assert_eq!(stream.rest().await.0, format!("You said: turn {turn} [turn {turn}]"));
    }
    assert_eq!(requests(&daemon.model).len(), 5, "none was pushed twice, or merged with another");
}

async fn nothing_of_the_conversation_lies_with_the_daemon(claude: Claude) {
    // The store has it all, and is meant to.
    let daemon = Daemon::claude(claude).args(&["--ephemeral"]).start().await;
    let answer = daemon.client.session(KEY).ask("a word that nobody else says").await.text();
    assert!(answer.contains("a word that nobody else says"));
    let state = daemon.scratch().join("home/.local/state/turnmux");
    assert!(files(&state).iter().any(|(path, _)| path.ends_with("plugin.json")), "the plugin lies there");
    for (path, content) in files(&state) {
        assert!(!content.contains("nobody else says"), "{path}");
    }
    assert!(!daemon.log().contains("nobody else says"));
}

/// All regular files below a folder.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there").filter_map(Result::ok) {
        let (kind, path) = (entry.file_type().expect("a kind"), entry.path());
        if kind.is_dir() {
            found.extend(files(&path));
        } else if kind.is_file() {
            let content = std::fs::read(&path).unwrap_or_default();
            found.push((path.display().to_string(), String::from_utf8_lossy(&content).into_owned()));
        }
    }
    found
}

/// Resized behind the daemon's back, between turns and within one.
async fn a_terminal_of_one_cell_changes_nothing(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    assert_eq!(session.ask("as ever").await.text(), "You said: as ever [turn 1]");
    let terminal = std::fs::read_link(format!("/proc/{}/fd/0", daemon.agent(KEY).await)).expect("its terminal");
    resize(&terminal, 1, 1).await;
    assert_eq!(session.ask("in one cell").await.text(), "You said: in one cell [turn 2]");

    let mut stream =
        session.stream("::say \"one\\n\"\n::hold a\n::tool Bash {\"command\": \"echo two\"}\n::say three").await;
    assert_eq!(stream.first_text().await, "one\n");
    resize(&terminal, 40, 120).await;
    resize(&terminal, 1, 1).await;
    daemon.model.release("a");
    assert!(stream.rest().await.0.ends_with("three"));

    let mut stream = session.stream("::say \"begun\\n\"\n::hold b").await;
    stream.first_text().await;
    assert_eq!(daemon.client.post("/v1/chat/abort", &serde_json::json!({"session": KEY})).await.status, 200);
    assert_eq!(error_code(&stream.rest().await.1), "turn_interrupted");
    assert_eq!(session.ask("after it").await.text(), "You said: after it [turn 5]");
}

async fn resize(terminal: &Path, rows: u16, cols: u16) {
    let size = [rows.to_string(), cols.to_string()];
    let mut command = tokio::process::Command::new("stty");
    command.arg("-F").arg(terminal).args(["rows", &size[0], "cols", &size[1]]);
    assert!(command.status().await.expect("stty runs").success());
}

/// Once is enough, for eight of them take their time.
#[tokio::test]
async fn eight_sessions_side_by_side_get_their_own_answers() {
    let daemon = Daemon::claude(Claude::NewestInTerminal).start().await;
    let mut talks = JoinSet::new();
    for number in 1..=8 {
        let session = daemon.client.session(&format!("talk::{number}"));
        talks.spawn(async move {
            for turn in 1..=2 {
                let text = format!("word {turn} of talk {number}");
                assert_eq!(session.ask(&text).await.text(), format!("You said: {text} [turn {turn}]"));
            }
        });
    }
    while let Some(talk) = talks.join_next().await {
        talk.expect("its own answers");
    }
    assert_eq!(daemon.client.get("/health").await.json()["processes"], 8);
    assert!(daemon.stop().await.success());
}
