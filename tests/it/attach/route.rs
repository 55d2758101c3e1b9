//! The route itself.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::KEY;
use crate::harness::{Claude, Daemon, within};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens it; else the status and the error's code.
async fn open(daemon: &Daemon, key: Option<&str>, query: &str) -> Result<Socket, (u16, String)> {
    let url = format!("ws://{}/v1/sessions/{KEY}/terminal{query}", daemon.client.address);
    let mut request = url.into_client_request().expect("a request");
    if let Some(key) = key {
        request.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    }
    match within("an answer", connect_async(request)).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => {
            let body: serde_json::Value =
                serde_json::from_slice(response.body().as_deref().unwrap_or_default()).unwrap_or_default();
            Err((response.status().as_u16(), body["error"]["code"].as_str().unwrap_or_default().to_owned()))
        }
        Err(other) => panic!("{other}"),
    }
}

async fn message(socket: &mut Socket) -> Message {
    within("a message", socket.next()).await.expect("the socket is open").expect("a message")
}

/// Reads up to the close, and gives its code.
async fn closed(socket: &mut Socket) -> u16 {
    loop {
        if let Message::Close(frame) = message(socket).await {
            return frame.expect("a reason").code.into();
        }
    }
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn it_is_the_tenants_own_and_nobody_elses() {
    let keys = "[keys.alice]\nkey = \"key-of-alice\"\n[keys.bob]\nkey = \"key-of-bob\"";
    let daemon = Daemon::claude(Claude::NewestInTerminal).keys(keys).start().await;
    daemon.client.key("key-of-alice").session(KEY).ask("alice's word").await;
    assert_eq!(open(&daemon, None, "").await.err(), Some(refused(401, "invalid_api_key")));
    assert_eq!(open(&daemon, Some("key-of-bob"), "").await.err(), Some(refused(404, "session_not_found")));
    let mut socket = open(&daemon, Some("key-of-alice"), "?rows=30&cols=100").await.expect("hers");
    assert_eq!(message(&mut socket).await, Message::text("{\"type\":\"size\",\"rows\":30,\"cols\":100}"));
    let Message::Binary(picture) = message(&mut socket).await else { panic!("the screen follows its size") };
    let mut screen = vt100::Parser::<()>::default();
    screen.process(&picture);
    drop(socket);

    // As many requests as a tenant may have are counted, this one for as long as it lasts.
    let plain = daemon.client.key("key-of-alice").get(&format!("/v1/sessions/{KEY}/terminal")).await;
    assert_eq!((plain.status.as_u16(), plain.header("upgrade")), (426, Some("websocket")), "{:?}", plain.body);
    for (query, code) in [
        ("?rows=30", "invalid_parameter"),
        ("?rows=0&cols=9", "invalid_parameter"),
        ("?keyboard=maybe", "invalid_parameter"),
        ("?size=9", "invalid_parameter"),
    ] {
        assert_eq!(open(&daemon, Some("key-of-alice"), query).await.err(), Some(refused(400, code)), "{query}");
    }
}

#[tokio::test]
async fn without_the_keyboard_nothing_can_be_typed_and_nonsense_ends_it() {
    let daemon = Daemon::claude(Claude::NewestInTerminal).start().await;
    daemon.client.session(KEY).ask("a word").await;
    let mut watch = open(&daemon, None, "").await.expect("a socket");
    watch.send(Message::Binary("typed\r".into())).await.unwrap();
    assert_eq!(closed(&mut watch).await, 4403);
    let mut nonsense = open(&daemon, None, "?keyboard=true").await.expect("a socket");
    nonsense.send(Message::text("{\"type\":\"dance\"}")).await.unwrap();
    assert_eq!(closed(&mut nonsense).await, 4400);
    assert_eq!(daemon.client.session(KEY).ask("another").await.text(), "You said: another [turn 2]");
    assert!(daemon.stop().await.success());
}

#[tokio::test]
async fn a_session_has_a_terminal_or_it_is_said_why_not() {
    let daemon = Daemon::stand_in().start().await;
    assert_eq!(open(&daemon, None, "").await.err(), Some(refused(404, "session_not_found")));
    daemon.client.session(KEY).ask("a word").await;
    assert_eq!(open(&daemon, None, "").await.err(), Some(refused(409, "no_terminal")));

    let daemon = Daemon::claude(Claude::NewestInTerminal).args(&["--permission", "deny"]).start().await;
    daemon.client.session(KEY).ask("a word").await;
    assert_eq!(open(&daemon, None, "?keyboard=true").await.err(), Some(refused(409, "keyboard_not_allowed")));
    let socket = open(&daemon, None, "?keyboard=false").await;
    assert!(socket.is_ok());
    let closed = daemon.client.post(&format!("/v1/sessions/{KEY}/close"), &serde_json::json!({})).await;
    assert_eq!(closed.status, 200);
    assert_eq!(open(&daemon, None, "").await.err(), Some(refused(409, "agent_not_running")));
}

/// Who reads nothing holds nobody up.
#[tokio::test]
async fn who_does_not_read_is_not_waited_for() {
    let daemon = Daemon::claude(Claude::NewestInTerminal).start().await;
    let session = daemon.client.session(KEY);
    session.ask("a word").await;
    let _silent = open(&daemon, None, "").await.expect("a socket");
    for turn in 2..=4 {
        let text = "many words ".repeat(400);
        assert_eq!(session.ask(&text).await.text(), format!("You said: {} [turn {turn}]", text.trim_end()));
    }
    assert!(daemon.stop().await.success(), "nor at the daemon's end");
}
