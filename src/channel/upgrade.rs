//! Which requests open a socket.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, Response, StatusCode, Version};

use super::door::Refused;
use crate::wire::websocket::{self, NoWebSocket};

/// The answer that makes a WebSocket of this request's connection.
pub(super) fn accept<B>(request: &Request<B>) -> Result<Response<Full<Bytes>>, Refused> {
    if request.method() != Method::GET {
        return Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, "a WebSocket begins with GET").with("allow", "GET"));
    }
    let accepted = if request.version() < Version::HTTP_11 {
        Err(NoWebSocket::NotAsked)
    } else {
        websocket::accept(request.headers())
    };
    let headers = accepted.map_err(|why| match why {
        NoWebSocket::NotAsked => {
            Refused::new(StatusCode::UPGRADE_REQUIRED, "here one speaks WebSocket").with("upgrade", "websocket")
        }
        NoWebSocket::Version => Refused::new(StatusCode::UPGRADE_REQUIRED, "WebSocket's version must be 13")
            .with("sec-websocket-version", "13"),
        NoWebSocket::Key => Refused::new(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in Base64"),
    })?;
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = headers;
    Ok(response)
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
