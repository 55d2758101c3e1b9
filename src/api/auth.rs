//! Who asks, and whether through a door that is ours.

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HOST, HeaderValue, ORIGIN};
use subtle::ConstantTimeEq as _;

use super::respond::ApiError;
use crate::protocol::TenantId;
use crate::wire::loopback::{ip, is_loopback};

/// An API key and whose it is.
#[derive(Clone)]
pub struct Key {
    /// Whose sessions it opens.
    pub tenant: TenantId,
    /// What the client sends.
    pub secret: String,
}

/// Who may come in.
#[derive(Clone, Default)]
pub struct Access {
    /// The keys; with none, whoever reaches the socket is `local`.
    pub keys: Vec<Key>,
    /// Hosts beside loopback that may stand in `Host` and `Origin`: `name`, or `name:port`; in lower case.
    pub allowed_hosts: Vec<String>,
    /// The address that is listened on, which may stand there too.
    pub address: Option<IpAddr>,
}

impl Access {
    /// Refuses requests for other hosts and from other sites' pages: a page can make a browser send requests here, and a
    /// name that resolves to 127.0.0.1 makes them look local ("DNS rebinding").
    pub(super) fn check_door(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        // HTTP/1.0 clients may leave Host out; browsers never do.
        if let Some(host) = headers.get(HOST).map(text)
            && !self.is_ours(&host)
        {
            return Err(ApiError::misdirected(&host));
        }
        if let Some(origin) = headers.get(ORIGIN).map(text) {
            let host = origin.split_once("://").map_or(&*origin, |(_, host)| host);
            if !self.is_ours(host) {
                return Err(ApiError::foreign_origin(&origin));
            }
        }
        Ok(())
    }

    /// The tenant of the request's API key.
    pub(super) fn tenant(&self, headers: &HeaderMap) -> Result<TenantId, ApiError> {
        if self.keys.is_empty() {
            return Ok(TenantId::local());
        }
        let bearer = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).and_then(|value| {
            let (scheme, token) = value.split_at_checked(7)?;
            scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
        });
        let sent = bearer.or_else(|| headers.get("x-api-key").map(HeaderValue::as_bytes)).unwrap_or_default();
        // All are compared, each in constant time, so that the time tells neither how much fits nor which one.
        let mut found = None;
        for key in &self.keys {
            if bool::from(key.secret.as_bytes().ct_eq(sent)) {
                found = Some(key.tenant.clone());
            }
        }
        found.ok_or_else(ApiError::unauthorized)
    }

    fn is_ours(&self, host_and_port: &str) -> bool {
        let host_and_port = host_and_port.to_ascii_lowercase();
        let host = without_port(&host_and_port);
        is_loopback(host)
            || ip(host).is_some_and(|ip| Some(ip) == self.address)
            || self.allowed_hosts.iter().any(|allowed| *allowed == host_and_port || allowed == host)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // Colons inside brackets belong to an IPv6 address.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(keys: &[(&str, &str)], hosts: &[&str]) -> Access {
        let key =
            |(name, secret): &(&str, &str)| Key { tenant: TenantId::new(name).unwrap(), secret: (*secret).into() };
        Access {
            keys: keys.iter().map(key).collect(),
            allowed_hosts: hosts.iter().map(ToString::to_string).collect(),
            address: None,
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_loopback_and_named_hosts_are_ours() {
        let access = access(&[], &["mux.example", "other.example:8443"]);
        for ours in [
            "localhost:7433",
            "127.0.0.1",
            "127.0.0.1:1",
            "[::1]:7433",
            "[::1]",
            "MUX.example:99",
            "other.example:8443",
        ] {
            assert!(access.check_door(&headers(&[("host", ours)])).is_ok(), "{ours}");
        }
        for foreign in [
            "evil.example",
            "evil.example:7433",
            "127.0.0.1.evil.example",
            "other.example:1",
            "localhost.evil.example",
            "192.168.1.2:7433",
        ] {
            assert!(access.check_door(&headers(&[("host", foreign)])).is_err(), "{foreign}");
        }
        let listening = Access { address: Some([192, 168, 1, 2].into()), ..access.clone() };
        assert!(listening.check_door(&headers(&[("host", "192.168.1.2:7433")])).is_ok());
        assert!(listening.check_door(&headers(&[("host", "192.168.1.3:7433")])).is_err());
        let page = |origin| headers(&[("host", "localhost"), ("origin", origin)]);
        assert!(access.check_door(&page("http://localhost:3000")).is_ok());
        assert!(access.check_door(&page("https://evil.example")).is_err());
        assert!(access.check_door(&page("null")).is_err());
    }

    #[test]
    fn a_key_opens_its_tenants_sessions_and_no_others() {
        let access = access(&[("alice", "key-of-alice"), ("bob", "key-of-bob")], &[]);
        let tenant = |value: &str| access.tenant(&headers(&[("authorization", value)]));
        assert_eq!(tenant("Bearer key-of-bob").unwrap().as_str(), "bob");
        assert_eq!(tenant("bearer key-of-alice").unwrap().as_str(), "alice");
        assert_eq!(access.tenant(&headers(&[("x-api-key", "key-of-bob")])).unwrap().as_str(), "bob");
        for wrong in ["Bearer key-of-bobb", "Bearer ", "key-of-bob", "Basic key-of-bob", "Bearer"] {
            assert!(tenant(wrong).is_err(), "{wrong}");
        }
        assert!(access.tenant(&HeaderMap::new()).is_err());
    }

    #[test]
    fn without_keys_any_is_accepted() {
        assert_eq!(
            access(&[], &[]).tenant(&headers(&[("authorization", "Bearer unused")])).unwrap(),
            TenantId::local()
        );
    }
}
