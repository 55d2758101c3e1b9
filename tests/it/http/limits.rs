//! Bodies over the limit, and bodies that never come.

use crate::harness::{Daemon, ask};

const LIMIT: usize = 4096;

async fn daemon() -> Daemon {
    Daemon::stand_in().config(&format!("limits.body_bytes = {LIMIT}")).start().await
}

/// A request whose body has exactly so many bytes.
fn body_of(bytes: usize) -> String {
    let empty = ask("").to_string().len();
    let body = ask(&"x".repeat(bytes - empty)).to_string();
    assert_eq!(body.len(), bytes);
    body
}

fn chunked(body: &str) -> Vec<u8> {
    let mut request = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
        transfer-encoding: chunked\r\n\r\n"
        .to_vec();
    for piece in body.as_bytes().chunks(1000) {
        request.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        request.extend_from_slice(piece);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_however_it_comes() {
    let daemon = daemon().await;
    let send = async |bytes: usize| {
        daemon.client.request(hyper::Method::POST, "/v1/chat/completions", body_of(bytes).into()).await
    };
    assert!(send(LIMIT).await.text().starts_with("You said: xxx"), "the limit itself is allowed");
    let refusal = send(LIMIT + 1).await.refused(413, "request_too_large");
    assert!(refusal.message.contains("4096") && refusal.message.contains("limits.body_bytes"), "{refusal:?}");

    assert!(daemon.client.raw(&chunked(&body_of(LIMIT))).await.status.is_success());
    daemon.client.raw(&chunked(&body_of(LIMIT + 1))).await.refused(413, "request_too_large");
    assert_eq!(daemon.stand_in_turns().len(), 2, "what is too large reaches no agent");
}

/// Clients send on while the answer is on its way; it must reach them all the same, and no connection error instead.
#[tokio::test]
async fn a_body_far_over_the_limit_is_refused_and_the_client_hears_of_it() {
    let daemon = daemon().await;
    for bytes in [100_000, 3_000_000, 20_000_000] {
        let body = body_of(bytes);
        let reply = daemon.client.request(hyper::Method::POST, "/v1/chat/completions", body.clone().into()).await;
        reply.refused(413, "request_too_large");
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {bytes}\r\n\r\n"
        );
        daemon.client.raw(&[head.as_bytes(), body.as_bytes()].concat()).await.refused(413, "request_too_large");
        daemon.client.raw(&chunked(&body)).await.refused(413, "request_too_large");
    }
}

#[tokio::test]
async fn control_bodies_have_the_same_limit() {
    let daemon = daemon().await;
    for path in ["/v1/chat/abort", "/v1/chat/session/reset"] {
        let body = serde_json::json!({"session": "x".repeat(LIMIT)});
        daemon.client.post(path, &body).await.refused(413, "request_too_large");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_reaches_no_agent() {
    let daemon = daemon().await;
    let whole = ask("hello").to_string();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
    let request = format!("{head}content-length: {}\r\n\r\n{}", whole.len(), &whole[..20]);
    daemon.client.raw_cut(request.as_bytes()).await.refused(400, "body_incomplete");
    let request = format!("{head}transfer-encoding: chunked\r\n\r\n14\r\n{}", &whole[..10]);
    daemon.client.raw_cut(request.as_bytes()).await.refused(400, "body_incomplete");
    assert!(daemon.stand_in_turns().is_empty());
    assert_eq!(daemon.client.ask("still there").await.text(), "You said: still there [turn 1]");
}
