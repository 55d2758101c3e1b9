//! claude without an account, and secrets in no text.

use super::{KEY, error_code};
use crate::harness::{Claude, Daemon};

on_all!(not_signed_in_says_to_sign_in, a_secret_is_in_no_text);

async fn not_signed_in_says_to_sign_in(claude: Claude) {
    let daemon = Daemon::claude(claude).without("ANTHROPIC_API_KEY").start().await;
    let session = daemon.client.session(KEY);
    let reply = session.ask("one").await;
    assert_eq!((reply.status.as_u16(), &*reply.code()), (503, "agent_not_signed_in"));
    let said = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(said.contains("/login") && said.contains("ANTHROPIC_API_KEY"), "{said}");
    let (text, chunks) = session.stream("two").await.rest().await;
    assert_eq!((&*text, error_code(&chunks)), ("", "agent_not_signed_in"), "no error text as an answer");
}

async fn a_secret_is_in_no_text(claude: Claude) {
    // A word of claude's that holds the key: its complaint about a setting that it is given.
    let key = "sk-ant-a-secret-of-the-user";
    let config = format!("[backends.odd]\nargs = [\"--no-such-flag={key}\"]");
    let daemon = Daemon::claude(claude).env("ANTHROPIC_API_KEY", key).config(&config).start().await;
    let session = daemon.client.session(KEY);
    let mut texts = Vec::new();
    for text in ["one", "::status 401", "::status 403"] {
        let reply = session.ask(text).await;
        texts.push(String::from_utf8_lossy(&reply.body).into_owned());
    }
    let body = serde_json::json!({"model": "odd", "messages": [{"role": "user", "content": "two"}]});
    let odd = daemon.client.session("odd::1").post("/v1/chat/completions", &body).await;
    assert_eq!((odd.status.as_u16(), &*odd.code()), (503, "agent_start_failed"));
    texts.push(String::from_utf8_lossy(&odd.body).into_owned());
    assert!(texts[3].contains("--no-such-flag"), "claude's words are there: {}", texts[3]);
    texts.push(daemon.log());
    for text in texts {
        assert!(!text.contains(key), "{text}");
    }
}
