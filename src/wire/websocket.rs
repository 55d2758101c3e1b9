//! The opening handshake of RFC 6455, section 4.2, as headers.

use hyper::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Why a request does not open a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoWebSocket {
    /// It asks for something else.
    #[error("here one speaks WebSocket")]
    NotAsked,
    /// It is of another time.
    #[error("WebSocket's version must be 13")]
    Version,
    /// It cannot be answered.
    #[error("Sec-WebSocket-Key must be 16 bytes in Base64")]
    Key,
}

/// The headers that answer a GET with 101 (Switching Protocols).
///
/// # Errors
/// When the request's headers ask for no WebSocket.
pub fn accept(headers: &HeaderMap) -> Result<HeaderMap, NoWebSocket> {
    if !names(headers, &UPGRADE, "websocket") || !names(headers, &CONNECTION, "upgrade") {
        return Err(NoWebSocket::NotAsked);
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(NoWebSocket::Version);
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None) = (keys.next().filter(|key| is_key(key)), keys.next()) else { return Err(NoWebSocket::Key) };
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).map_err(|_| NoWebSocket::Key)?;
    Ok([
        (UPGRADE, HeaderValue::from_static("websocket")),
        (CONNECTION, HeaderValue::from_static("upgrade")),
        (SEC_WEBSOCKET_ACCEPT, accept),
    ]
    .into_iter()
    .collect())
}

/// Whether a header's list has this word.
fn names(headers: &HeaderMap, header: &HeaderName, word: &str) -> bool {
    let lists = headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|name| name.trim().eq_ignore_ascii_case(word))
}

/// 16 bytes are 22 characters of Base64 and two of padding.
fn is_key(key: &HeaderValue) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    matches!(key.as_bytes().split_at_checked(22), Some((digits, b"==")) if digits.iter().all(is_digit))
}
