//! A WebSocket to the daemon.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::Upgraded;
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{Client, ClientError};

/// A WebSocket, this program's end.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

impl Client {
    /// Opens a WebSocket.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn socket(&self, path: &str) -> Result<Socket, ClientError> {
        let key = generate_key();
        let mut headers = HeaderMap::new();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        let unusable = |error: &dyn std::fmt::Display| self.unreadable(&error.to_string());
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::try_from(&key).map_err(|error| unusable(&error))?);
        let request: hyper::Request<Full<Bytes>> = self.request(Method::GET, path, headers, Bytes::new())?;
        let (response, _connection) = self.send(request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            self.checked(response).await?;
            return Err(self.unreadable("it opens no WebSocket"));
        }
        let accepted = response.headers().get(SEC_WEBSOCKET_ACCEPT);
        if accepted.is_none_or(|accepted| *accepted != *derive_accept_key(key.as_bytes())) {
            return Err(self.unreadable("its WebSocket is another's"));
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(|error| self.closed(&error))?;
        Ok(WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await)
    }
}
