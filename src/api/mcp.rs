//! `turnmux.mcp_servers`: servers of tools that a caller offers to the agent of its turn.
//!
//! Only servers on this machine: whoever can make the daemon's agents connect elsewhere could reach what only this machine
//! reaches. Only HTTP: a server that is a command would be run. And nothing that looks like a variable: claude 2.1.197 puts its
//! own environment in its place, keys included.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use hyper::http::Uri;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::respond::ApiError;
use crate::protocol::{McpServer, McpServers, McpTransport};
use crate::wire::loopback::ip;

/// The field's name in errors.
pub(super) const FIELD: &str = "turnmux.mcp_servers";

/// Servers of one turn.
const SERVERS_MAX: usize = 8;
/// A server's name, which is part of the names of its tools; in bytes.
const NAME_MAX: usize = 64;
/// An address, and a header's value; in bytes.
const TEXT_MAX: usize = 4 << 10;
/// Headers of one server.
const HEADERS_MAX: usize = 16;
/// The whole field, in bytes.
const FIELD_MAX: usize = 32 << 10;

/// The field `turnmux` of a body.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    #[serde(default)]
    mcp_servers: Option<BTreeMap<String, Server>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    #[serde(rename = "type")]
    transport: McpTransport,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// As `.mcp.json` has it.
    #[serde(default, rename = "alwaysLoad")]
    always_load: bool,
    /// As `.mcp.json` has it: how long a call may take, in milliseconds.
    #[serde(default)]
    timeout: Option<u32>,
    #[serde(default)]
    allowed: bool,
}

/// Reads the field `turnmux` of a request's body.
///
/// # Errors
/// When it has anything else, or servers that are not on this machine, or too many or too large ones. What is quoted is no key.
pub(super) fn read(raw: Option<&RawValue>) -> Result<McpServers, ApiError> {
    let Some(raw) = raw else { return Ok(McpServers::default()) };
    if raw.get().len() > FIELD_MAX {
        return Err(refuse("", &format!("it has more than {FIELD_MAX} bytes")));
    }
    // serde's own words quote what they dislike, which may be a key.
    let own: Option<Own> = serde_json::from_str(raw.get()).map_err(|_| {
        let wanted = "{\"mcp_servers\": {\"NAME\": {\"type\": \"http\", \"url\": \"http://127.0.0.1:PORT/\", \"headers\": {}, \
                      \"allowed\": false}}} is wanted; `type` is `http` or `sse`";
        ApiError::field("turnmux", "invalid_mcp_servers", format!("`turnmux`: {wanted}"))
    })?;
    let servers = own.unwrap_or_default().mcp_servers.unwrap_or_default();
    if servers.len() > SERVERS_MAX {
        return Err(refuse("", &format!("a turn has at most {SERVERS_MAX}")));
    }
    servers.into_iter().map(checked).collect()
}

fn checked((name, server): (String, Server)) -> Result<(String, McpServer), ApiError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(is_plain) || name.contains("__") {
        return Err(refuse("", &format!("a name is 1 to {NAME_MAX} letters, digits, `-` and `_`, without `__`")));
    }
    let Server { transport, url, headers, always_load, timeout, allowed } = server;
    if url.len() > TEXT_MAX || !is_on_this_machine(&url) || url.contains("${") {
        let why = "its `url` is none on this machine; write `http://127.0.0.1:PORT/PATH`, with no variable in it";
        return Err(refuse(&name, why));
    }
    if headers.len() > HEADERS_MAX {
        return Err(refuse(&name, &format!("it has more than {HEADERS_MAX} headers")));
    }
    if !headers.iter().all(|(header, value)| is_header(header, value)) {
        let why = format!("a header is no header, has more than {TEXT_MAX} bytes, or has a variable (`${{…}}`) in it");
        return Err(refuse(&name, &why));
    }
    let call_timeout = timeout.filter(|ms| *ms > 0).map(|ms| Duration::from_millis(ms.into()));
    Ok((name, McpServer { transport, url, headers, always_load, call_timeout, allowed }))
}

fn is_on_this_machine(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    // Userinfo would be a key in an address, and `http://127.0.0.1@elsewhere/` is elsewhere.
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let Some(host) = uri.host().filter(|_| uri.scheme_str() == Some("http") && !authority.contains('@')) else {
        return false;
    };
    // No name below `localhost`: it is the agent that connects, and its resolver may ask elsewhere for such a one.
    host == "localhost" || ip(host).is_some_and(|ip| ip.is_loopback())
}

fn is_header(name: &str, value: &str) -> bool {
    let is_text = value.len() <= TEXT_MAX && !value.contains("${") && HeaderValue::from_str(value).is_ok();
    is_text && HeaderName::from_bytes(name.as_bytes()).is_ok()
}

fn refuse(server: &str, why: &str) -> ApiError {
    let field = if server.is_empty() { FIELD.to_owned() } else { format!("{FIELD}.{server}") };
    let message = format!("`{field}`: {why}");
    ApiError::field(field, "invalid_mcp_servers", message)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn servers(value: &Value) -> Result<McpServers, String> {
        let raw = RawValue::from_string(value.to_string()).unwrap();
        read(Some(&raw)).map_err(|error| error.body().error.message.to_owned())
    }

    fn one(server: &Value) -> Result<McpServers, String> {
        servers(&json!({"mcp_servers": {"own": server}}))
    }

    fn at(url: &str) -> Value {
        json!({"type": "http", "url": url})
    }

    #[test]
    fn servers_on_this_machine_are_taken() {
        for url in ["http://127.0.0.1:1/mcp", "http://127.9.9.9/", "http://localhost:1", "http://[::1]:1/mcp?a=b"] {
            let taken = one(&at(url)).unwrap();
            let (name, server) = taken.iter().next().unwrap();
            assert_eq!((name, &*server.url, server.allowed), ("own", url, false));
        }
        let full = json!({
            "type": "sse", "url": "http://127.0.0.1:1/", "headers": {"Authorization": "Bearer x"}, "alwaysLoad": true,
            "timeout": 5000, "allowed": true,
        });
        let taken = one(&full).unwrap();
        let server = taken.iter().next().unwrap().1;
        assert_eq!((server.transport, &*server.headers["Authorization"]), (McpTransport::Sse, "Bearer x"));
        assert_eq!((server.always_load, server.allowed), (true, true));
        assert_eq!(server.call_timeout, Some(Duration::from_secs(5)));
        for none in [json!(null), json!({}), json!({"mcp_servers": null}), json!({"mcp_servers": {}})] {
            assert!(servers(&none).unwrap().is_empty());
        }
        assert!(read(None).unwrap().is_empty());
    }

    #[test]
    fn no_other_machine_is_reached() {
        for url in [
            "http://10.0.0.1/",
            "https://127.0.0.1/",
            "http://127.0.0.1@evil.example/",
            "http://user@127.0.0.1/",
            "http://mcp.localhost/",
            "http://localhost.evil.example/",
            "http://127.0.0.1.evil.example/",
            "http://0.0.0.0/",
            "file:///etc/passwd",
            "/mcp",
            "127.0.0.1:80",
            "http://[::ffff:10.0.0.1]/",
            "http://2130706433/",
            "",
            "http://127.0.0.1:1/${HOME}",
        ] {
            assert!(one(&at(url)).unwrap_err().contains("none on this machine"), "{url}");
        }
    }

    #[test]
    fn nothing_is_run_or_read_for_a_caller() {
        let headers = |headers: &Value| one(&json!({"type": "http", "url": "http://127.0.0.1:1/", "headers": headers}));
        for wrong in [
            json!({"X": "${HOME}"}),
            json!({"X": "a\r\nY: b"}),
            json!({"X Y": "b"}),
            json!({"X": "x".repeat(TEXT_MAX + 1)}),
        ] {
            assert!(headers(&wrong).unwrap_err().contains("a header is no header"), "{wrong}");
        }
        for wrong in [
            json!({"type": "stdio", "command": "sh"}),
            json!({"type": "http", "url": "http://127.0.0.1:1/", "headersHelper": "sh"}),
            json!({"url": "http://127.0.0.1:1/"}),
            json!([]),
        ] {
            assert!(one(&wrong).unwrap_err().contains("is wanted"), "{wrong}");
        }
        assert!(servers(&json!({"mcp_server": {}})).unwrap_err().contains("is wanted"));
    }

    #[test]
    fn everything_has_a_bound_and_no_key_is_quoted() {
        let many = |count: usize| {
            (0..count).map(|i| (format!("s{i}"), at("http://127.0.0.1:1/"))).collect::<serde_json::Map<_, _>>()
        };
        assert!(servers(&json!({"mcp_servers": many(SERVERS_MAX)})).is_ok());
        assert!(servers(&json!({"mcp_servers": many(SERVERS_MAX + 1)})).unwrap_err().contains("at most 8"));
        for name in ["", "a__b", "a b", "ä", &"x".repeat(NAME_MAX + 1)] {
            assert!(servers(&json!({"mcp_servers": {name: at("http://127.0.0.1:1/")}})).is_err(), "{name}");
        }
        let many: serde_json::Map<_, _> = (0..=HEADERS_MAX).map(|i| (format!("x-{i}"), json!("secret"))).collect();
        let error = one(&json!({"type": "http", "url": "http://127.0.0.1:1/", "headers": many})).unwrap_err();
        assert!(error.contains("16 headers") && !error.contains("secret"), "{error}");
        let error = one(&json!({"type": "secret", "url": 1})).unwrap_err();
        assert!(!error.contains("secret"), "{error}");
        assert!(one(&at(&"x".repeat(FIELD_MAX))).unwrap_err().contains("bytes"));
    }
}
