//! Whose session a request belongs to. The first rule that applies counts:
//!
//! 1. `x-turnmux-session` (the whole key), or `x-turnmux-agent-id` and `x-turnmux-chat-id`;
//! 2. OpenClaw's: `x-openclaw-agent-id` and `x-openclaw-chat-id`, its session affinity (`x-session-affinity`, `session_id`,
//!    the body's `prompt_cache_key`) as the chat;
//! 3. the body's `user`, as the agent;
//! 4. what the texts of a request of OpenClaw's say (`openclaw`);
//! 5. none: a fresh session that nobody has used before.
//!
//! The halves are looked for apart, so a chat from one rule can join an agent from a later one. With a key the session is
//! the truth: only what follows the last assistant message is sent.

use hyper::HeaderMap;

use super::openclaw::Reading;
use super::respond::ApiError;
use super::workspace::{self, Roots};
use crate::protocol::{Call, IdError, SessionKey, TenantId, ThreadId};

/// The headers that name a chat, in the order in which they count.
const CHAT_HEADERS: [&str; 2] = ["x-turnmux-chat-id", "x-openclaw-chat-id"];
/// What follows them. OpenClaw sends these with `compat.sendSessionAffinityHeaders`.
const AFFINITY_HEADERS: [&str; 2] = ["x-session-affinity", "session_id"];
/// The whole key.
const WHOLE: &str = "x-turnmux-session";
const AGENT_HEADERS: [&str; 2] = ["x-turnmux-agent-id", "x-openclaw-agent-id"];
const WORKSPACE_HEADER: &str = "x-turnmux-workspace";
/// OpenClaw's plugin sends it with every request, wherever its agents work: by default in a hidden folder.
const WORKSPACE_HINT_HEADER: &str = "x-openclaw-workspace";
const ISOLATION: &str = "x-turnmux-isolation";

/// The session, and whether anybody named it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) key: SessionKey,
    pub(super) unnamed: bool,
    /// The caller's count of its conversations under this name.
    pub(super) boundary: Option<u64>,
}

impl Identity {
    /// A session that nobody has used before.
    fn fresh(tenant: TenantId) -> Self {
        Self { key: SessionKey::fresh(tenant), unnamed: true, boundary: None }
    }

    /// The same, less what the turn is not to see.
    pub(super) fn isolated(self, isolation: Isolation) -> Self {
        match isolation {
            Isolation::Fresh => Self { key: self.key.beside(), unnamed: true, boundary: None },
            Isolation::Call => {
                Self { key: SessionKey::for_calls(self.key.tenant().clone()), unnamed: true, boundary: None }
            }
            Isolation::Session | Isolation::Clean => self,
        }
    }
}

/// Finds the session. `user` is the body's.
pub(super) fn identify(
    tenant: TenantId,
    headers: &HeaderMap,
    user: Option<&str>,
    reading: &Reading,
) -> Result<Identity, ApiError> {
    let invalid = |what: &str, error: &IdError| ApiError::field(what, "invalid_session", format!("`{what}`: {error}"));
    if let Some(whole) = header(headers, WHOLE)? {
        let key = SessionKey::parse(tenant, whole).map_err(|error| invalid(WHOLE, &error))?;
        return Ok(Identity { key, unnamed: false, boundary: None });
    }
    let affinity = reading.affinity.as_ref();
    let chat =
        first(headers, &CHAT_HEADERS)?.or_else(|| affinity.map(|affinity| (affinity.source, affinity.id.clone())));
    let user = user.filter(|user| !user.is_empty()).map(|user| ("user", user.to_owned()));
    let agent = first(headers, &AGENT_HEADERS)?.or(user);
    // A chat that the operator names has its own life, whatever OpenClaw counts.
    let counted = affinity.filter(|_| chat.as_ref().is_some_and(|(what, _)| *what != CHAT_HEADERS[0]));
    let boundary = counted.and_then(|affinity| affinity.boundary);

    let what = chat.as_ref().or(agent.as_ref()).map_or("user", |(what, _)| what);
    let text = |half: Option<(&'static str, String)>| half.map(|(_, text)| text);
    let (agent, chat) = (text(agent), text(chat));
    let hinted =
        |said: Option<String>, hint: &Option<String>| said.or_else(|| hint.clone().filter(|hint| is_half(hint)));
    let (agent, chat) = (hinted(agent, &reading.agent), hinted(chat, &reading.chat));
    if chat.is_none() && agent.is_none() {
        return Ok(Identity::fresh(tenant));
    }
    let key = SessionKey::new(tenant, agent.as_deref(), chat.as_deref()).map_err(|error| invalid(what, &error))?;
    Ok(Identity { key, unnamed: false, boundary })
}

/// What the client calls its session for the sake of caches, and which header or field says so.
pub(super) fn affinity(
    headers: &HeaderMap,
    prompt_cache_key: Option<&str>,
) -> Result<Option<(&'static str, String)>, ApiError> {
    let key = prompt_cache_key.filter(|key| !key.is_empty());
    Ok(first(headers, &AFFINITY_HEADERS)?.or_else(|| key.map(|key| ("prompt_cache_key", key.to_owned()))))
}

/// The workspace that the request names.
pub(super) fn workspace(headers: &HeaderMap, roots: Roots<'_>) -> Result<Option<std::path::PathBuf>, ApiError> {
    header(headers, WORKSPACE_HEADER)?.map(|path| workspace::allowed(path, WORKSPACE_HEADER, roots)).transpose()
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
    /// Nothing, and nothing is left of it: any session that serves calls.
    Call,
}

/// How much of its session the request's turn is to see.
pub(super) fn isolation(headers: &HeaderMap) -> Result<Isolation, ApiError> {
    let is_named = thread(headers)?.is_some();
    match header(headers, ISOLATION)? {
        None | Some("session") => Ok(Isolation::Session),
        Some("call") if header(headers, WHOLE)?.is_some() => {
            let message = format!("`{ISOLATION}`: a call has no session of its own that `{WHOLE}` could name");
            Err(ApiError::field(ISOLATION, "invalid_isolation", message))
        }
        Some("clean" | "fresh" | "call") if is_named => {
            let message = format!(
                "`{ISOLATION}`: a turn that is to find nothing cannot go on with a thread (`x-turnmux-thread`)"
            );
            Err(ApiError::field(ISOLATION, "invalid_isolation", message))
        }
        Some("clean") => Ok(Isolation::Clean),
        Some("fresh") => Ok(Isolation::Fresh),
        Some("call") => Ok(Isolation::Call),
        Some(other) => {
            let message = format!("`{ISOLATION}`: `{other}` is none of `session`, `clean`, `fresh` and `call`");
            Err(ApiError::field(ISOLATION, "invalid_isolation", message))
        }
    }
}

/// What is particular to the request as a call; none when it is no call.
pub(super) fn call(headers: &HeaderMap, isolation: Isolation) -> Result<Option<Call>, ApiError> {
    const KEEP: &str = "x-turnmux-keep";
    let keep = flag(headers, KEEP)?;
    if isolation == Isolation::Call {
        return Ok(Some(Call { keep: keep.unwrap_or(false) }));
    }
    if keep.is_none() {
        return Ok(None);
    }
    let message = format!("`{KEEP}` says something about a call, which this is not: `{ISOLATION}: call` is missing");
    Err(ApiError::field(KEEP, "invalid_isolation", message))
}

/// The agent's name for the language model that the request wants.
pub(super) fn model(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    Ok(header(headers, "x-turnmux-model")?.map(str::to_owned))
}

/// Where OpenClaw's agent works, by its plugin or by the request's text, where that may be used: neither is a wish of
/// anybody's, and no reason for a refusal.
pub(super) fn workspace_hint(
    headers: &HeaderMap,
    reading: &Reading,
    roots: Roots<'_>,
) -> Result<Option<std::path::PathBuf>, ApiError> {
    let said = header(headers, WORKSPACE_HINT_HEADER)?.or(reading.workspace.as_deref());
    Ok(said.and_then(|path| workspace::allowed(path, WORKSPACE_HINT_HEADER, roots).ok()))
}

/// The agent's thread that the session is to go on with.
pub(super) fn thread(headers: &HeaderMap) -> Result<Option<ThreadId>, ApiError> {
    const THREAD: &str = "x-turnmux-thread";
    let parse = |text: &str| {
        ThreadId::parse(text).map_err(|error| ApiError::field(THREAD, "invalid_thread", format!("`{THREAD}`: {error}")))
    };
    header(headers, THREAD)?.map(parse).transpose()
}

/// What the caller is to be told of inside a stream, beside the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing.
    Nothing,
    /// Events; and it counts as somebody who could answer a question.
    Events,
    /// Events, which it only looks at.
    Passively,
    /// Likewise, and the pieces of the answer are events, too.
    All,
}

/// What the caller wants to be told of inside the answer.
pub(super) fn told(headers: &HeaderMap) -> Result<Told, ApiError> {
    const EVENTS: &str = "x-turnmux-events";
    match header(headers, EVENTS)? {
        None | Some("false") => Ok(Told::Nothing),
        Some("true") => Ok(Told::Events),
        Some("passive") => Ok(Told::Passively),
        Some("all") => Ok(Told::All),
        Some(other) => {
            let message = format!("`{EVENTS}`: `{other}` is none of `true`, `false`, `passive` and `all`");
            Err(ApiError::field(EVENTS, "invalid_header", message))
        }
    }
}

/// What a header says that is `true` or `false`.
fn flag(headers: &HeaderMap, name: &str) -> Result<Option<bool>, ApiError> {
    match header(headers, name)? {
        None => Ok(None),
        Some("false") => Ok(Some(false)),
        Some("true") => Ok(Some(true)),
        Some(other) => {
            let message = format!("`{name}`: `{other}` is neither `true` nor `false`");
            Err(ApiError::field(name, "invalid_header", message))
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

/// Whether a text that nobody vouches for could be half of a key, and nothing else.
fn is_half(text: &str) -> bool {
    !text.contains("::") && SessionKey::new(TenantId::local(), Some(text), None).is_ok()
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
    use super::super::openclaw::Affinity;
    use super::*;

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| ((*n).parse().unwrap(), v.parse().unwrap())).collect()
    }

    fn found(pairs: &[(&'static str, &str)], user: Option<&str>, cache: Option<&str>, hints: Reading) -> Identity {
        let headers = map(pairs);
        let affinity = affinity(&headers, cache).unwrap();
        let affinity = affinity.map(|(source, value)| Affinity::read(source, value, hints.turn));
        identify(TenantId::local(), &headers, user, &Reading { affinity, ..hints }).unwrap()
    }

    fn key(pairs: &[(&'static str, &str)], user: Option<&str>, cache: Option<&str>) -> String {
        let found = found(pairs, user, cache, Reading::default());
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

    /// A turn of OpenClaw's whose texts say this.
    fn said(agent: &str, chat: &str) -> Reading {
        Reading { turn: true, agent: Some(agent.into()), chat: Some(chat.into()), ..Reading::default() }
    }

    #[test]
    fn what_a_text_says_counts_only_where_no_header_says_so() {
        let key = |pairs: &[(&'static str, &str)], user, hints| found(pairs, user, None, hints).key.to_string();
        assert_eq!(key(&[], None, said("ops", "agent:ops:main")), "ops::agent:ops:main");
        assert_eq!(key(&[], Some("u"), said("ops", "chat")), "u::chat");
        let headers = [("x-turnmux-agent-id", "a"), ("x-session-affinity", "id:0")];
        assert_eq!(key(&headers, None, said("ops", "chat")), "a::id");
        assert_eq!(key(&headers[1..], None, said("ops", "chat")), "ops::id");
        assert_eq!(key(&[("x-turnmux-session", "a::b")], None, said("ops", "chat")), "a::b");
    }

    #[test]
    fn a_text_that_could_be_no_key_is_no_hint() {
        assert!(found(&[], None, None, said(&"x".repeat(600), "a::b")).unnamed);
        assert_eq!(found(&[], None, None, said("a\u{7}", "chat")).key.to_string(), "default::chat");
    }

    #[test]
    fn the_count_is_no_part_of_the_name() {
        let at = |pairs: &[(&'static str, &str)]| {
            let found = found(pairs, None, None, Reading { turn: true, ..Reading::default() });
            (found.key.to_string(), found.boundary)
        };
        assert_eq!(at(&[("x-session-affinity", "id:3")]), ("default::id".into(), Some(3)));
        assert_eq!(at(&[("x-openclaw-chat-id", "c"), ("session_id", "id:3")]), ("default::c".into(), Some(3)));
        // What the operator names may serve several of OpenClaw's sessions, each with a count of its own.
        assert_eq!(at(&[("x-turnmux-chat-id", "c"), ("session_id", "id:3")]), ("default::c".into(), None));
        assert_eq!(at(&[("x-turnmux-session", "a::c"), ("session_id", "id:3")]), ("a::c".into(), None));
    }

    #[test]
    fn nameless_requests_do_not_share_a_session() {
        let fresh = || found(&[], None, None, Reading::default());
        assert_ne!(fresh().key, fresh().key);
    }

    #[test]
    fn what_is_no_key_is_refused_by_name() {
        let headers = map(&[("x-turnmux-session", &"x".repeat(600))]);
        let error = identify(TenantId::local(), &headers, None, &Reading::default()).unwrap_err();
        assert_eq!(error.body().error.param, Some("x-turnmux-session"));
    }
}
