//! A plugin made of a plain WebSocket, which does only what it is told.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::harness::within;

/// See the module. Dropping it breaks the connection without a word.
pub(super) struct Plugin {
    pub(super) socket: WebSocketStream<TcpStream>,
}

impl Plugin {
    /// A WebSocket that has said nothing.
    pub(super) async fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address, "/bridge").await.expect("the upgrade is granted")
    }

    pub(super) async fn try_connect(address: SocketAddr, path: &str) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await?;
        // Two small frames in a row would wait for each other.
        stream.set_nodelay(true)?;
        let (socket, _) = within("an upgrade", client_async(format!("ws://{address}{path}"), stream)).await?;
        Ok(Self { socket })
    }

    /// Says hello in revision 2 and waits until that is acknowledged.
    pub(super) async fn greet(mut self, token: &str, received: u64) -> Self {
        self.say(&hello(token, received)).await;
        let answer = self.hear().await;
        assert_eq!((&answer["type"], &answer["protocol"]), (&json!("hello_ack"), &json!(2)), "{answer}");
        self
    }

    pub(super) async fn say(&mut self, frame: &Value) {
        self.send(Message::text(frame.to_string())).await;
    }

    /// Anything. The hub may have closed meanwhile; why, is for [`Plugin::closed`] to say.
    pub(super) async fn send(&mut self, message: Message) {
        let _ = within("a frame to be taken", self.socket.send(message)).await;
    }

    /// The next frame.
    pub(super) async fn hear(&mut self) -> Value {
        match self.next().await {
            Ok(frame) => frame,
            Err(close) => panic!("closed instead of a frame: {close:?}"),
        }
    }

    /// Frames until one of this type.
    pub(super) async fn hear_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.hear().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// The code that it is closed with, whatever comes before.
    pub(super) async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code.expect("a close frame");
            }
        }
    }

    /// The next frame, or the code of the close frame if there was one.
    async fn next(&mut self) -> Result<Value, Option<u16>> {
        loop {
            match within("a frame", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }
}

/// A hello of revision 2.
pub(super) fn hello(token: &str, received: u64) -> Value {
    json!({"type": "hello", "session": "main::test", "pid": 7, "token": token, "protocol": 2, "received": received})
}

/// A reply with a number.
pub(super) fn reply(seq: u64, content: &str) -> Value {
    json!({"type": "reply", "seq": seq, "content": content, "final": true})
}
