//! The daemon's side: a WebSocket server, one connection at a time.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::harness::within;

pub(super) struct Hub {
    listener: TcpListener,
}

/// A connection. Dropped, it is cut without a word.
pub(super) struct Wire(WebSocketStream<TcpStream>);

impl Hub {
    pub(super) async fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.expect("a port") }
    }

    pub(super) fn url(&self) -> String {
        format!("ws://{}/bridge", self.listener.local_addr().expect("an address"))
    }

    /// The next connection, before the WebSocket's handshake.
    pub(super) async fn tcp(&self) -> TcpStream {
        within("a connection of the sidecar", self.listener.accept()).await.expect("a connection").0
    }

    /// The next connection, and its `hello`.
    pub(super) async fn accept(&self) -> (Wire, Value) {
        let stream = within("the handshake", accept_async(self.tcp().await)).await.expect("a WebSocket");
        let mut wire = Wire(stream);
        let hello = wire.frame().await;
        (wire, hello)
    }

    /// The next connection, taken; the daemon has seen the plugin's frames up to `received`.
    pub(super) async fn greet(&self, received: u64) -> (Wire, Value) {
        let (mut wire, hello) = self.accept().await;
        wire.send(json!({ "type": "hello_ack", "protocol": 2, "received": received })).await;
        (wire, hello)
    }
}

impl Wire {
    pub(super) async fn send(&mut self, frame: Value) {
        self.put(Message::text(frame.to_string())).await;
    }

    pub(super) async fn inbound(&mut self, seq: u64, content: &str) {
        let meta = json!({ "chat_id": "c", "message_id": format!("m{seq}") });
        self.send(json!({ "type": "inbound", "seq": seq, "content": content, "meta": meta })).await;
    }

    pub(super) async fn put(&mut self, message: Message) {
        within("the sidecar to read", self.0.send(message)).await.expect("the connection stands");
    }

    /// The next frame of the sidecar.
    pub(super) async fn frame(&mut self) -> Value {
        match self.message().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("no text, but {other:?}"),
        }
    }

    /// The next message, or none when the connection is over.
    pub(super) async fn message(&mut self) -> Option<Message> {
        within("a message of the sidecar", self.0.next()).await.and_then(Result::ok)
    }

    pub(super) async fn close(&mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        within("the close", self.0.close(Some(frame))).await.expect("the connection stands");
    }
}
