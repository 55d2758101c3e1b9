//! Errors of the model's service: the agent lives on, and a 401 of the service's is no 401 of ours.

use super::goes_on;
use crate::harness::Daemon;

/// Status of the service, status of ours, code, whether SDKs may repeat it, and whether it says when.
const STATUSES: [(u16, u16, &str, bool, bool); 12] = [
    (400, 400, "upstream_rejected", false, false),
    (401, 503, "upstream_auth", false, false),
    (402, 503, "upstream_auth", false, false),
    (403, 503, "upstream_auth", false, false),
    (404, 400, "upstream_rejected", false, false),
    (413, 400, "upstream_rejected", false, false),
    (429, 429, "upstream_rate_limit", true, true),
    (500, 502, "upstream_failed", false, false),
    (502, 502, "upstream_failed", false, false),
    (503, 503, "upstream_overloaded", true, true),
    (504, 502, "upstream_failed", false, false),
    (529, 503, "upstream_overloaded", true, true),
];

#[tokio::test]
async fn each_status_has_its_answer_and_the_process_is_kept() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    session.ask("first").await;
    let pid = daemon.agent("a::b").await;
    for (upstream, ours, code, repeatable, waits) in STATUSES {
        let reply = session.ask(&format!("::status {upstream}")).await;
        let refusal = reply.refused(ours, code);
        assert!(refusal.message.contains("claude-code"), "{refusal:?}");
        assert_eq!(reply.header("x-should-retry"), (!repeatable).then_some("false"), "{upstream}");
        let wait = reply.header("retry-after").map(|wait| wait.parse::<u32>().unwrap());
        assert_eq!(wait.is_some_and(|wait| wait >= 1), waits, "{upstream}");
        assert_eq!(daemon.agent("a::b").await, pid, "{upstream}");
    }
    goes_on(&daemon, "a::b", STATUSES.len() + 2).await;
}

#[tokio::test]
async fn a_refused_sign_in_says_what_to_do() {
    let daemon = Daemon::stand_in().start().await;
    let refusal = daemon.client.ask("::status 401").await.refused(503, "upstream_auth");
    assert!(refusal.message.contains("/login") && refusal.message.contains("ANTHROPIC_API_KEY"), "{refusal:?}");
}

#[tokio::test]
async fn a_status_in_the_middle_of_a_stream_is_an_error_event() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    for (upstream, _, code, ..) in STATUSES {
        let mut stream = session.stream(&format!("::say some\n::silent 0\n::status {upstream}")).await;
        let (text, _) = stream.refused(code).await;
        assert_eq!(text, "some", "{upstream}: the error's text is no part of the answer");
    }
    goes_on(&daemon, "a::b", STATUSES.len() + 1).await;
}
