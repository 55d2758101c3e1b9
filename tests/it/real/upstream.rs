//! A model service that fails. What is to be seen: the right error, the same process, a next turn as if nothing had been.

use super::{KEY, aside, error_code, requests};
use crate::harness::{Claude, Daemon};

on_all!(each_failure_has_its_error, what_succeeds_later_is_no_error, a_cut_stream_is_not_doubled);

/// What the service says, and what becomes of it.
const FAILURES: [(&str, u16, &str); 6] = [
    ("401", 503, "upstream_auth"),
    ("402", 503, "upstream_auth"),
    ("403", 503, "upstream_auth"),
    ("429 retry-after 1", 429, "upstream_rate_limit"),
    ("500", 502, "upstream_failed"),
    ("529", 503, "upstream_overloaded"),
];

async fn each_failure_has_its_error(claude: Claude) {
    // Without claude's own attempts, for they take their time.
    let daemon = Daemon::claude(claude).env("CLAUDE_CODE_MAX_RETRIES", "0").start().await;
    let session = daemon.client.session(KEY);
    assert_eq!(session.ask("one").await.text(), "You said: one [turn 1]");
    let pid = daemon.agent(KEY).await;
    for (said, status, code) in FAILURES {
        let reply = session.ask(&format!("::status {said}")).await;
        assert_eq!((reply.status.as_u16(), &*reply.code()), (status, code), "{said}");
        let limited = ["429", "529"].iter().any(|limit| said.starts_with(limit));
        assert_eq!(reply.header("retry-after").is_some(), limited, "{said}: {:?}", reply.headers);
        let (text, chunks) = session.stream(&format!("::status {said}")).await.rest().await;
        assert_eq!((&*text, error_code(&chunks)), ("", code), "{said}");
        assert_eq!(daemon.agent(KEY).await, pid, "{said}: the process is kept");
    }
    let next = session.ask("and on").await.text();
    assert!(next.starts_with("You said: and on"), "{next}");
    assert_eq!(daemon.agent(KEY).await, pid);
}

async fn what_succeeds_later_is_no_error(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    let (text, chunks) = session.stream("::status-times 1 529\none").await.rest().await;
    assert_eq!(text, "You said: one [turn 1]");
    let asides: Vec<_> = chunks.iter().map(aside).filter(|aside| !aside.0.is_empty()).collect();
    // Of its attempts claude tells nobody in a terminal.
    let told: &[_] = if claude.in_terminal() { &[] } else { &[("retry", "529")] };
    assert_eq!(asides, told);
    assert_eq!(requests(&daemon.model).len(), 2);
}

async fn a_cut_stream_is_not_doubled(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    let (text, chunks) = session.stream("::say \"One\\n\"\n::say two\n::cut 1\n::say , three.").await.rest().await;
    assert_eq!(text, "One\ntwo, three.");
    assert_eq!(chunks.last(), Some(&"[DONE]".into()));
    let whole = session.ask("::say \"Four\\n\"\n::say five\n::cut 1\n::say , six.").await;
    assert_eq!(whole.text(), "Four\nfive, six.");
    // For good: an error, and the process is kept.
    let pid = daemon.agent(KEY).await;
    let (_, chunks) = session.stream("::say Seven\n::cut").await.rest().await;
    assert_eq!(error_code(&chunks), "upstream_failed");
    assert!(session.ask("and on").await.text().starts_with("You said: and on"));
    assert_eq!(daemon.agent(KEY).await, pid);
}
