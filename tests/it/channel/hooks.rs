//! `POST /hooks`.

use futures_util::FutureExt as _;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use turnmux::channel::{ChannelEvent, HookCall, HubConfig, Member};

use super::world::{World, event, heard, patient};
use crate::harness::within;

async fn call(member: &mut Member) -> HookCall {
    match event(member).await {
        ChannelEvent::Hook(call) => call,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_hook_is_answered_by_the_driver() {
    let world = World::new().await;
    let mut member = world.hub.enlist("main::test");
    let asker = world.asker(&member);
    let input = json!({"hook_event_name": "PermissionRequest", "tool_name": "Bash"});
    let asked = tokio::spawn(async move { asker.post("/hooks", &input).await });
    let call = call(&mut member).await;
    assert!(call.is_waiting());
    assert_eq!(&*call.body, br#"{"hook_event_name":"PermissionRequest","tool_name":"Bash"}"#);
    let output = json!({"hookSpecificOutput": {"decision": {"behavior": "allow"}}});
    call.answer(output.clone());
    let reply = within("the output", asked).await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, Some("application/json")));
    assert_eq!(reply.json(), output);
}

#[tokio::test]
async fn an_unanswered_hook_has_no_opinion() {
    let world = World::new().await;
    let mut member = world.hub.enlist("main::test");
    let asker = world.asker(&member);
    let asked = tokio::spawn(async move { asker.post("/hooks", &json!({})).await });
    drop(call(&mut member).await);
    assert_eq!(within("the output", asked).await.unwrap().body, "{}");
}

#[tokio::test]
async fn the_asker_may_leave() {
    let world = World::new().await;
    let mut member = world.hub.enlist("main::test");
    let stream = open(&world, &member, "content-length: 2\r\n\r\n{}").await;
    let mut call = call(&mut member).await;
    assert!(call.is_waiting() && call.abandoned().now_or_never().is_none());
    drop(stream);
    within("the asker to be missed", call.abandoned()).await;
    assert!(!call.is_waiting());
    call.answer(json!({}));
}

/// The token comes before the body: a stranger's is not waited for.
#[tokio::test]
async fn strangers_are_refused_before_their_body() {
    let world = World::new().await;
    let member = world.hub.enlist("main::test");
    let token = member.token.expose().to_owned();
    let refused = async |authorization: String| {
        let head = format!("POST /hooks HTTP/1.1\r\nhost: localhost\r\n{authorization}content-length: 99\r\n\r\n");
        world.client().raw(head.as_bytes()).await.status
    };
    for authorization in ["", "authorization: Bearer 1.2\r\n", "authorization: Bearer \r\n"] {
        assert_eq!(refused(authorization.into()).await, 401, "{authorization}");
    }
    assert_eq!(refused(format!("authorization: Basic {token}\r\n")).await, 401);
    assert_eq!(refused(format!("authorization: Bearer {token}0\r\n")).await, 401);
    drop(member);
    assert_eq!(refused(format!("authorization: Bearer {token}\r\n")).await, 401, "void");
}

#[tokio::test]
async fn bodies_have_a_form_and_a_limit() {
    let world = World::with(HubConfig { hook_bytes: 100, ..patient() }).await;
    let mut member = world.hub.enlist("main::test");
    let asker = world.asker(&member);
    for body in ["", "[]", "7", "{", "{} {}", "\"text\"", "{\"a\": nan}"] {
        let reply = asker.request(hyper::Method::POST, "/hooks", body.into()).await;
        assert_eq!(reply.status, 400, "{body}");
    }
    let reply = asker.request(hyper::Method::POST, "/hooks", b"{\"a\":\"\xff\"}".as_slice().into()).await;
    assert_eq!(reply.status, 400, "not UTF-8");
    let authorization = format!("authorization: Bearer {}\r\n", member.token.expose());
    let head = format!("POST /hooks HTTP/1.1\r\nhost: localhost\r\n{authorization}");
    let announced = format!("{head}content-length: 101\r\n\r\n");
    assert_eq!(world.client().raw(announced.as_bytes()).await.status, 413);
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n65\r\n{}\r\n0\r\n\r\n", "x".repeat(101));
    assert_eq!(world.client().raw(chunked.as_bytes()).await.status, 413);
    let cut = format!("{head}content-length: 90\r\n\r\n{{");
    assert_eq!(world.client().raw_cut(cut.as_bytes()).await.status, 400);
    // None of these came through, and the largest that may does.
    let largest = format!(" {{\"a\":\"{}\"}}", "x".repeat(91));
    let asked = tokio::spawn(async move { asker.request(hyper::Method::POST, "/hooks", largest.into()).await });
    assert_eq!(call(&mut member).await.body.len(), 100);
    assert_eq!(within("the output", asked).await.unwrap().status, 200);
}

/// A driver that takes nothing makes hooks wait; none is lost, and none is read into memory beyond the events' bound.
#[tokio::test]
async fn hooks_wait_for_a_busy_driver() {
    let world = World::new().await;
    let mut member = world.hub.enlist("main::test");
    let asker = world.asker(&member);
    let asking = (0..100).map(|n| {
        let asker = asker.clone();
        async move { asker.post("/hooks", &json!({"n": n})).await.status }
    });
    let asked = tokio::spawn(futures_util::future::join_all(asking));
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 100 {
        assert!(member.events.len() <= turnmux::channel::EVENTS_MAX);
        assert!(seen.insert(heard(&mut member).await), "twice");
    }
    assert!(within("all outputs", asked).await.unwrap().iter().all(|status| *status == 200));
}

/// Whoever keeps its hooks open without end cannot open ever more; others' are served.
#[tokio::test]
async fn open_hooks_are_counted() {
    let world = World::new().await;
    let (mut member, mut other) = (world.hub.enlist("main::test"), world.hub.enlist("main::other"));
    let mut open_ones = Vec::new();
    for _ in 0..256 {
        let stream = open(&world, &member, "content-length: 2\r\n\r\n{}").await;
        open_ones.push((stream, call(&mut member).await));
    }
    assert_eq!(world.asker(&member).post("/hooks", &json!({})).await.status, 503);
    let asker = world.asker(&other);
    let asked = tokio::spawn(async move { asker.post("/hooks", &json!({})).await.status });
    drop(call(&mut other).await);
    assert_eq!(within("the other's output", asked).await.unwrap(), 200);
}

/// A request with this after its headers, still open.
async fn open(world: &World, member: &Member, rest: &str) -> TcpStream {
    let mut stream = TcpStream::connect(world.hub.address()).await.unwrap();
    let token = member.token.expose();
    let head = format!("POST /hooks HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n");
    stream.write_all(format!("{head}{rest}").as_bytes()).await.unwrap();
    stream
}
