//! Paths and methods that there are not.

use bytes::Bytes;
use hyper::Method;

use crate::harness::Daemon;

#[tokio::test]
async fn unknown_paths_are_404() {
    let daemon = Daemon::stand_in().start().await;
    for path in [
        "/",
        "/v1",
        "/v2/models",
        "/v1/completions",
        "/v1/chat",
        "/v1/chat/completions/1",
        "/v1/embeddings",
        "/v1/sessions/a/b",
        "/health/x",
        "/..%2f..%2fetc/passwd",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let reply = daemon.client.request(method.clone(), path, Bytes::new()).await;
            let refusal = reply.refused(404, "unknown_route");
            assert!(refusal.message.contains("/v1/chat/completions"), "{method} {path}: {refusal:?}");
        }
    }
}

#[tokio::test]
async fn wrong_methods_are_405_and_name_the_right_one() {
    let daemon = Daemon::stand_in().start().await;
    for (path, allow) in [
        ("/v1/chat/completions", "POST"),
        ("/chat/completions", "POST"),
        ("/v1/chat/abort", "POST"),
        ("/v1/chat/session/reset", "POST"),
        ("/v1/models", "GET"),
        ("/v1/models/claude-code", "GET"),
        ("/v1/sessions", "GET"),
        ("/v1/sessions/a%3A%3Ab", "DELETE"),
        ("/health", "GET"),
        ("/openapi.json", "GET"),
    ] {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
            if method.as_str() == allow {
                continue;
            }
            let reply = daemon.client.request(method.clone(), path, Bytes::new()).await;
            reply.refused(405, "method_not_allowed");
            assert_eq!(reply.header("allow"), Some(allow), "{method} {path}");
        }
    }
    assert!(daemon.stand_in_turns().is_empty());
}

#[tokio::test]
async fn a_trailing_slash_and_a_query_change_nothing() {
    let daemon = Daemon::stand_in().start().await;
    let body = crate::harness::ask("hello");
    for path in ["/v1/chat/completions/", "/chat/completions", "/v1/chat/completions?api-version=1"] {
        assert_eq!(daemon.client.post(path, &body).await.text(), "You said: hello [turn 1]", "{path}");
    }
}

#[tokio::test]
async fn the_api_describes_itself() {
    let daemon = Daemon::stand_in().start().await;
    let reply = daemon.client.get("/openapi.json").await;
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.json()["openapi"], "3.1.0");
    assert_eq!(reply.json()["servers"], serde_json::json!([{"url": "/"}]), "wherever it is reached");
}
