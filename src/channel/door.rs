//! Which requests come in at all, and where they go.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use hyper::http::uri::Authority;
use hyper::{Request, Response, StatusCode};
use percent_encoding::percent_decode_str;

use super::greeting::greet;
use super::hub::Shared;
use super::listener::Newcomer;
use super::{hooks, upgrade};
use crate::wire::loopback::is_loopback;

/// Why a request is not served.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    reason: &'static str,
    header: Option<(&'static str, &'static str)>,
}

/// Answers a connection's one request.
pub(super) async fn handle(hub: Arc<Shared>, request: Request<Incoming>, newcomer: Newcomer) -> Response<Full<Bytes>> {
    let peer = newcomer.peer;
    // Without the query, which may hold a token.
    let path = request.uri().path().chars().take(40).collect::<String>();
    route(hub, request, newcomer).await.unwrap_or_else(|refused| {
        let Refused { status, reason, .. } = refused;
        tracing::warn!(%peer, path, %status, reason, "refused a request to the channel");
        refused.into_response()
    })
}

async fn route(
    hub: Arc<Shared>,
    mut request: Request<Incoming>,
    newcomer: Newcomer,
) -> Result<Response<Full<Bytes>>, Refused> {
    check(request.headers(), request.uri().authority())?;
    match request.uri().path() {
        "/bridge" => {
            let response = upgrade::accept(&request)?;
            let waiting = hub.waiting.clone().try_acquire_owned().map_err(|_| {
                Refused::new(StatusCode::SERVICE_UNAVAILABLE, "too many connections have not said hello")
            })?;
            let url_token = request.uri().query().and_then(token_in);
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(greet(hub, upgrade, url_token, waiting, newcomer));
            Ok(response)
        }
        "/hooks" => hooks::call(&hub, request, newcomer).await,
        _ => Err(Refused::new(StatusCode::NOT_FOUND, "there are /bridge and /hooks here")),
    }
}

/// Refuses browsers' pages, and names that were made to point to this machine ("DNS rebinding"). Plugins and hooks are no pages.
fn check(headers: &HeaderMap, authority: Option<&Authority>) -> Result<(), Refused> {
    if headers.contains_key(ORIGIN) {
        return Err(Refused::new(StatusCode::FORBIDDEN, "this is not for web pages: no Origin may be there"));
    }
    let mut hosts = headers.get_all(HOST).iter().peekable();
    let ours = hosts.peek().is_some()
        && hosts.all(|host| Authority::try_from(host.as_bytes()).is_ok_and(|host| is_ours(&host)))
        && authority.is_none_or(is_ours);
    if !ours {
        return Err(Refused::new(StatusCode::FORBIDDEN, "Host must be this machine's own: 127.0.0.1 or localhost"));
    }
    Ok(())
}

fn is_ours(host: &Authority) -> bool {
    is_loopback(host.host()) && !host.as_str().contains('@')
}

/// The token of plugins of revision 1.
fn token_in(query: &str) -> Option<String> {
    let token = query.split('&').find_map(|pair| pair.strip_prefix("token="))?;
    Some(percent_decode_str(token).decode_utf8_lossy().into_owned())
}

impl Refused {
    pub(super) fn new(status: StatusCode, reason: &'static str) -> Self {
        Self { status, reason, header: None }
    }

    /// With a header that the status asks for.
    pub(super) fn with(self, name: &'static str, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(format!("{}\n", self.reason)));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(headers: &[(&'static str, &str)]) -> Option<StatusCode> {
        let headers = headers.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect();
        check(&headers, None).err().map(|refused| refused.status)
    }

    #[test]
    fn only_this_machine_comes_in() {
        for ours in ["127.0.0.1:1", "127.9.9.9", "localhost:99", "LOCALHOST", "a.localhost", "[::1]:80", "[::1]"] {
            assert_eq!(status(&[("host", ours)]), None, "{ours}");
        }
        for foreign in [
            "evil.example:80",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "localhost.evil.example",
            "x@localhost",
            "localhost@evil.example",
            "",
            "a b",
        ] {
            assert_eq!(status(&[("host", foreign)]), Some(StatusCode::FORBIDDEN), "{foreign}");
        }
        assert_eq!(status(&[]), Some(StatusCode::FORBIDDEN));
        assert_eq!(status(&[("host", "localhost"), ("origin", "http://localhost")]), Some(StatusCode::FORBIDDEN));
        let headers = [("host".parse().unwrap(), "localhost".parse().unwrap())].into_iter().collect();
        assert!(check(&headers, Some(&"evil.example".parse().unwrap())).is_err());
    }

    #[test]
    fn the_token_of_a_url_is_decoded() {
        assert_eq!(token_in("a=b&token=1%2e2&c=d").as_deref(), Some("1.2"));
        assert_eq!(token_in("atoken=1"), None);
    }
}
