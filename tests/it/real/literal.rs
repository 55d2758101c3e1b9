//! Client text stays text.

use super::{KEY, requests};
use crate::harness::{Claude, Daemon};

on_all!(what_claude_could_interpret_reaches_the_model_as_written);
on_both!(commands_act_where_they_are_allowed);

/// What stands in a file that nobody asked for.
const SECRET: &str = "the content of a file";

async fn what_claude_could_interpret_reaches_the_model_as_written(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    std::fs::write(daemon.work().join("inside.txt"), SECRET).unwrap();
    let outside = daemon.scratch().join("outside.txt");
    std::fs::write(&outside, SECRET).unwrap();
    let texts = [
        "/clear".to_owned(),
        "/cost".into(),
        "/help".into(),
        "/compact".into(),
        "  /clear".into(),
        "@/etc/hostname".into(),
        "look at @/etc/hostname".into(),
        "@inside.txt".into(),
        "see @inside.txt and @./inside.txt".into(),
        format!("@{} please", outside.display()),
        "!ls".into(),
        "# note".into(),
        "& background".into(),
    ];
    for (nth, text) in texts.iter().enumerate() {
        // That the turns count up shows that nothing wiped the thread.
        let answer = session.ask(text).await.text();
        assert_eq!(as_written(&answer, claude), format!("You said: {} [turn {}]", text.trim(), nth + 1));
        let request = requests(&daemon.model).pop().unwrap();
        assert_eq!(as_written(&request.user_text, claude), text.trim());
        assert!(!request.body.to_string().contains(SECRET), "{text} pulled a file in");
    }
    assert_eq!(requests(&daemon.model).len(), texts.len(), "one request a turn");
}

/// What the model was told, but for what keeps the older release from reading files: a character that shows nowhere.
fn as_written(text: &str, claude: Claude) -> String {
    if claude == Claude::OlderInTerminal { text.replace('\u{2060}', "") } else { text.to_owned() }
}

async fn commands_act_where_they_are_allowed(claude: Claude) {
    let daemon = Daemon::claude(claude).config("[backends.claude-code]\ncommands = \"allow\"").start().await;
    let session = daemon.client.session(KEY);
    assert_eq!(session.ask("one").await.text(), "You said: one [turn 1]");
    let cost = session.ask("/cost").await.text();
    assert!(!cost.is_empty() && !cost.contains("You said"), "{cost}");
    assert_eq!(requests(&daemon.model).len(), 1, "the model was not asked");
    assert_eq!(session.ask("two").await.text(), "You said: two [turn 2]");
}
