//! The opening handshake of RFC 6455, section 4.2.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use hyper::{Method, Request, Response, StatusCode, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::door::Refused;

/// The answer that makes a WebSocket of this request's connection.
pub(super) fn accept<B>(request: &Request<B>) -> Result<Response<Full<Bytes>>, Refused> {
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, "a WebSocket begins with GET").with("allow", "GET"));
    }
    if request.version() < Version::HTTP_11
        || !names(headers, &UPGRADE, "websocket")
        || !names(headers, &CONNECTION, "upgrade")
    {
        return Err(
            Refused::new(StatusCode::UPGRADE_REQUIRED, "here one speaks WebSocket").with("upgrade", "websocket")
        );
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Refused::new(StatusCode::UPGRADE_REQUIRED, "WebSocket's version must be 13")
            .with("sec-websocket-version", "13"));
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None) = (keys.next().filter(|key| is_key(key)), keys.next()) else {
        return Err(Refused::new(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in Base64"));
    };
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()))
        .map_err(|_| Refused::new(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key cannot be answered"))?;
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
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

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 4] = [
        ("upgrade", "WebSocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn answer(method: &str, headers: &[(&str, &str)]) -> Result<Response<Full<Bytes>>, StatusCode> {
        let mut request = Request::builder().method(method).uri("/bridge");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        accept(&request.body(()).unwrap()).map_err(|refused| refused.status)
    }

    #[test]
    fn a_good_request_is_answered_as_the_rfc_says() {
        let response = answer("GET", &GOOD).unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn each_header_counts() {
        assert_eq!(answer("POST", &GOOD).unwrap_err(), StatusCode::METHOD_NOT_ALLOWED);
        for (left_out, status) in [(0, 426), (1, 426), (2, 426), (3, 400)] {
            let mut headers = GOOD.to_vec();
            headers.remove(left_out);
            assert_eq!(answer("GET", &headers).unwrap_err(), status, "without {:?}", GOOD[left_out]);
        }
        for (wrong, value, status) in [
            (0, "h2c", 426),
            (1, "keep-alive", 426),
            (2, "8", 426),
            (3, "short==", 400),
            (3, "dGhlIHNhbXBsZSBub25jZQ=!", 400),
            (3, "dGhlIHNhbXBsZSBub25jZ!==", 400),
        ] {
            let mut headers = GOOD;
            headers[wrong].1 = value;
            assert_eq!(answer("GET", &headers).unwrap_err(), status, "with {:?}", headers[wrong]);
        }
        let twice = [&GOOD[..], &GOOD[3..]].concat();
        assert_eq!(answer("GET", &twice).unwrap_err(), 400);
    }
}
