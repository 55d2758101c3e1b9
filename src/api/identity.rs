//! Whose session a request belongs to. The first rule that applies counts:
//!
//! 1. `x-turnmux-session` (the whole key), or `x-turnmux-agent-id` and `x-turnmux-chat-id`;
//! 2. OpenClaw's: `x-openclaw-agent-id` and `x-openclaw-chat-id`, its session affinity (`x-session-affinity`, `session_id`,
//!    the body's `prompt_cache_key`) as the chat;
//! 3. the body's `user`, as the agent;
//! 4. none: a fresh session that nobody has used before.
//!
//! The halves are looked for apart, so a chat from one rule can join an agent from a later one. With a key the session is
//! the truth: only what follows the last assistant message is sent.

use hyper::HeaderMap;

use super::respond::ApiError;
use super::workspace::{self, Roots};
use crate::protocol::{IdError, SessionKey, TenantId, ThreadId};

/// The headers that name a chat, in the order in which they count. OpenClaw sends the last two with
/// `compat.sendSessionAffinityHeaders`: `<session id>:<n>`, where n grows with each `/new`, which is a new conversation.
const CHAT_HEADERS: [&str; 4] = ["x-turnmux-chat-id", "x-openclaw-chat-id", "x-session-affinity", "session_id"];
const AGENT_HEADERS: [&str; 2] = ["x-turnmux-agent-id", "x-openclaw-agent-id"];
const WORKSPACE_HEADERS: [&str; 2] = ["x-turnmux-workspace", "x-openclaw-workspace"];

/// What of a request's body says whose session it is.
pub(super) struct BodyHints<'a> {
    /// `user`.
    pub(super) user: Option<&'a str>,
    /// `prompt_cache_key`.
    pub(super) prompt_cache_key: Option<&'a str>,
}

/// The session, and whether anybody named it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) key: SessionKey,
    pub(super) unnamed: bool,
}

/// Finds the session.
pub(super) fn identify(tenant: TenantId, headers: &HeaderMap, body: &BodyHints<'_>) -> Result<Identity, ApiError> {
    const WHOLE: &str = "x-turnmux-session";
    let invalid = |what: &str, error: &IdError| ApiError::field(what, "invalid_session", format!("`{what}`: {error}"));
    if let Some(whole) = header(headers, WHOLE)? {
        let key = SessionKey::parse(tenant, whole).map_err(|error| invalid(WHOLE, &error))?;
        return Ok(Identity { key, unnamed: false });
    }
    let given = |text: Option<&'_ str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let chat = first(headers, &CHAT_HEADERS)?.or(given(body.prompt_cache_key).map(|key| ("prompt_cache_key", key)));
    let agent = first(headers, &AGENT_HEADERS)?.or(given(body.user).map(|user| ("user", user)));
    if chat.is_none() && agent.is_none() {
        return Ok(Identity { key: SessionKey::fresh(tenant), unnamed: true });
    }
    let what = chat.as_ref().or(agent.as_ref()).map_or("user", |(what, _)| what);
    let text = |half: &Option<(&'static str, String)>| half.as_ref().map(|(_, text)| text.clone());
    let key = SessionKey::new(tenant, text(&agent).as_deref(), text(&chat).as_deref())
        .map_err(|error| invalid(what, &error))?;
    Ok(Identity { key, unnamed: false })
}

/// The workspace that the request names.
pub(super) fn workspace(headers: &HeaderMap, roots: Roots<'_>) -> Result<Option<std::path::PathBuf>, ApiError> {
    first(headers, &WORKSPACE_HEADERS)?.map(|(what, path)| workspace::allowed(&path, what, roots)).transpose()
}

/// How much of a session a turn is to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isolation {
    /// All of it.
    Session,
    /// Nothing: the session begins a new thread with it.
    Clean,
    /// Nothing, and nobody comes back to it: a session of its own.
    Fresh,
}

/// How much of its session the request's turn is to see.
pub(super) fn isolation(headers: &HeaderMap) -> Result<Isolation, ApiError> {
    const ISOLATION: &str = "x-turnmux-isolation";
    let is_named = thread(headers)?.is_some();
    match header(headers, ISOLATION)? {
        None | Some("session") => Ok(Isolation::Session),
        Some("clean" | "fresh") if is_named => {
            let message = format!(
                "`{ISOLATION}`: a turn that is to find nothing cannot go on with a thread (`x-turnmux-thread`)"
            );
            Err(ApiError::field(ISOLATION, "invalid_isolation", message))
        }
        Some("clean") => Ok(Isolation::Clean),
        Some("fresh") => Ok(Isolation::Fresh),
        Some(other) => {
            let message = format!("`{ISOLATION}`: `{other}` is none of `session`, `clean` and `fresh`");
            Err(ApiError::field(ISOLATION, "invalid_isolation", message))
        }
    }
}

impl Identity {
    /// The same, less what the turn is not to see.
    pub(super) fn isolated(self, isolation: Isolation) -> Self {
        match isolation {
            Isolation::Fresh => Self { key: self.key.beside(), unnamed: true },
            Isolation::Session | Isolation::Clean => self,
        }
    }
}

/// The agent's thread that the session is to go on with.
pub(super) fn thread(headers: &HeaderMap) -> Result<Option<ThreadId>, ApiError> {
    const THREAD: &str = "x-turnmux-thread";
    let parse = |text: &str| {
        ThreadId::parse(text).map_err(|error| ApiError::field(THREAD, "invalid_thread", format!("`{THREAD}`: {error}")))
    };
    header(headers, THREAD)?.map(parse).transpose()
}

/// Whether the caller wants to be told of events inside the answer.
pub(super) fn wants_events(headers: &HeaderMap) -> Result<bool, ApiError> {
    const EVENTS: &str = "x-turnmux-events";
    match header(headers, EVENTS)? {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => {
            let message = format!("`{EVENTS}`: `{other}` is neither `true` nor `false`");
            Err(ApiError::field(EVENTS, "invalid_header", message))
        }
    }
}

fn first(headers: &HeaderMap, names: &[&'static str]) -> Result<Option<(&'static str, String)>, ApiError> {
    for name in names {
        if let Some(value) = header(headers, name)? {
            return Ok(Some((name, value.to_owned())));
        }
    }
    Ok(None)
}

/// A header's value; an empty one counts as none.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ApiError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes())
        .map_err(|_| ApiError::field(name, "invalid_header", format!("the header `{name}` is not UTF-8")))?;
    Ok(Some(text.trim()).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(pairs: &[(&'static str, &str)], user: Option<&str>, cache: Option<&str>) -> String {
        let headers: HeaderMap = pairs.iter().map(|(n, v)| ((*n).parse().unwrap(), v.parse().unwrap())).collect();
        let hints = BodyHints { user, prompt_cache_key: cache };
        let found = identify(TenantId::local(), &headers, &hints).unwrap();
        if found.unnamed { "unnamed".into() } else { found.key.to_string() }
    }

    #[test]
    fn the_first_rule_that_applies_counts() {
        let all = [
            ("x-turnmux-session", "a::b"),
            ("x-turnmux-agent-id", "c"),
            ("x-openclaw-chat-id", "d"),
            ("x-session-affinity", "e:0"),
        ];
        assert_eq!(key(&all, Some("u"), Some("p")), "a::b");
        assert_eq!(key(&all[1..], Some("u"), Some("p")), "c::d");
        assert_eq!(key(&all[2..], Some("u"), Some("p")), "u::d");
        assert_eq!(key(&all[3..], None, Some("p")), "default::e:0");
        assert_eq!(key(&[("session_id", "f:1")], None, None), "default::f:1");
        assert_eq!(key(&[], None, Some("p")), "default::p");
        assert_eq!(key(&[], Some("u"), None), "u");
        assert_eq!(key(&[("x-openclaw-agent-id", "main")], Some("u"), None), "main");
        assert_eq!(key(&[("x-turnmux-session", " ")], Some(""), Some("")), "unnamed");
    }

    #[test]
    fn a_higher_boundary_of_openclaw_is_another_conversation() {
        let at = |value| key(&[("x-openclaw-agent-id", "main"), ("x-session-affinity", value)], None, None);
        assert_ne!(at("20935dbb:0"), at("20935dbb:1"));
    }

    #[test]
    fn nameless_requests_do_not_share_a_session() {
        let headers = HeaderMap::new();
        let hints = BodyHints { user: None, prompt_cache_key: None };
        let fresh = || identify(TenantId::local(), &headers, &hints).unwrap();
        assert_ne!(fresh().key, fresh().key);
    }

    #[test]
    fn what_is_no_key_is_refused_by_name() {
        let headers: HeaderMap =
            [("x-turnmux-session".parse().unwrap(), "x".repeat(600).parse().unwrap())].into_iter().collect();
        let hints = BodyHints { user: None, prompt_cache_key: None };
        let error = identify(TenantId::local(), &headers, &hints).unwrap_err();
        assert_eq!(error.body().error.param, Some("x-turnmux-session"));
    }
}
