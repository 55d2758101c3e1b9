//! Names of things: tenants, sessions, turns, threads and backends.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The agent's half of a session key when a caller names none.
const AGENT_DEFAULT: &str = "default";

/// The agent's half of the keys of sessions that serve calls.
const AGENT_CALL: &str = "call";

/// Longest accepted half of a session key, in bytes. Keys stand in headers, paths and logs.
const HALF_MAX: usize = 512;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty.
    #[error("it is empty")]
    Empty,
    /// The text is longer than an id may be.
    #[error("it is longer than {HALF_MAX} bytes")]
    TooLong,
    /// The text has a control character, which could break a header or a log line.
    #[error("it has a control character")]
    Control,
    /// A thread id that is not of its CLI's form.
    #[error("a thread id is a UUID such as 10f2dd14-c48b-42b9-9394-b47f7f075b6a")]
    NotUuid,
}

fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        Err(IdError::Empty)
    } else if text.len() > HALF_MAX {
        Err(IdError::TooLong)
    } else if text.chars().any(char::is_control) {
        Err(IdError::Control)
    } else {
        Ok(())
    }
}

/// Whose sessions these are: the API key's name, or `local` when no keys are configured.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// The tenant of a daemon that has no API keys.
    pub fn local() -> Self {
        Self("local".into())
    }

    /// The tenant that an API key is named after.
    pub fn new(name: &str) -> Result<Self, IdError> {
        check(name)?;
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One conversation of one tenant: `agent::chat`, or `agent` alone where no chat is named.
///
/// Two keys are the same only if tenant, agent and chat are; the text form leaves the tenant out, for it is never a
/// caller's to choose.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey {
    tenant: TenantId,
    agent: Arc<str>,
    chat: Option<Arc<str>>,
}

impl SessionKey {
    /// Builds a key from its halves; no agent means `default`.
    pub fn new(tenant: TenantId, agent: Option<&str>, chat: Option<&str>) -> Result<Self, IdError> {
        let agent = agent.unwrap_or(AGENT_DEFAULT);
        check(agent)?;
        chat.map_or(Ok(()), check)?;
        // `a::b` + none and `a` + `b` must be one key, for they have one text form.
        let (agent, chat) = match (agent.split_once("::"), chat) {
            (Some((agent, chat)), None) if !agent.is_empty() && !chat.is_empty() => (agent, Some(chat)),
            _ => (agent, chat),
        };
        Ok(Self { tenant, agent: agent.into(), chat: chat.map(Into::into) })
    }

    /// Reads the text form `agent::chat` or `agent`.
    pub fn parse(tenant: TenantId, text: &str) -> Result<Self, IdError> {
        match text.split_once("::") {
            Some((agent, chat)) if !agent.is_empty() && !chat.is_empty() => Self::new(tenant, Some(agent), Some(chat)),
            _ => Self::new(tenant, Some(text), None),
        }
    }

    /// A key that nobody has used before, for a request without any identity.
    pub fn fresh(tenant: TenantId) -> Self {
        let chat = uuid::Uuid::new_v4().to_string();
        Self { tenant, agent: AGENT_DEFAULT.into(), chat: Some(chat.as_str().into()) }
    }

    /// The key of one of the tenant's sessions that serve calls, which are numbered from 1.
    pub fn for_call(tenant: TenantId, number: usize) -> Self {
        Self { chat: Some(number.to_string().into()), ..Self::for_calls(tenant) }
    }

    /// What the keys of all of them have in common.
    pub fn for_calls(tenant: TenantId) -> Self {
        Self { tenant, agent: AGENT_CALL.into(), chat: None }
    }

    /// A key of the same caller's agent that nobody has used before.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self { agent: self.agent.clone(), ..Self::fresh(self.tenant.clone()) }
    }

    /// Whose session it is.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The calling agent's id: the first half.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// The conversation's id: the second half, where there is one.
    pub fn chat(&self) -> Option<&str> {
        self.chat.as_deref()
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.chat {
            Some(chat) => write!(f, "{}::{chat}", self.agent),
            None => f.write_str(&self.agent),
        }
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{self}", self.tenant.0)
    }
}

/// One turn: `turn_` and a time-ordered UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TurnId(uuid::Uuid);

impl TurnId {
    /// A new id, later than all before it.
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7())
    }

    /// Reads the text form; none when the text is no turn id.
    pub fn parse(text: &str) -> Option<Self> {
        text.strip_prefix("turn_")?.parse().ok().map(Self)
    }

    /// The UUID alone, for agents that want one as a message id.
    pub fn uuid(&self) -> uuid::Uuid {
        self.0
    }
}

impl fmt::Display for TurnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "turn_{}", self.0.simple())
    }
}

/// Input that steers a turn: `steer_` and a time-ordered UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SteerId(uuid::Uuid);

impl SteerId {
    /// A new id, later than all before it.
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7())
    }

    /// Reads the text form; none when the text is no such id.
    pub fn parse(text: &str) -> Option<Self> {
        text.strip_prefix("steer_")?.parse().ok().map(Self)
    }
}

impl fmt::Display for SteerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "steer_{}", self.0.simple())
    }
}

/// A question from inside a turn, as clients name it: `req_` and a time-ordered UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId(uuid::Uuid);

impl RequestId {
    /// A new id, later than all before it.
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7())
    }

    /// Reads the text form; none when the text is no such id.
    pub fn parse(text: &str) -> Option<Self> {
        text.strip_prefix("req_")?.parse().ok().map(Self)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_{}", self.0.simple())
    }
}

/// The agent CLI's own id for a conversation: what resuming needs. Claude calls it "session id".
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ThreadId(Arc<str>);

impl ThreadId {
    /// A new id in the form that claude takes with `--session-id`.
    pub fn generate() -> Self {
        Self(uuid::Uuid::new_v4().to_string().into())
    }

    /// An id that a caller or an agent named. It reaches the agent's command line, so its form is checked.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        // Agents know none of the other forms that a UUID has: in braces, as a URN, without hyphens.
        let is_hyphenated = text.len() == uuid::fmt::Hyphenated::LENGTH;
        uuid::Uuid::try_parse(text).ok().filter(|_| is_hyphenated).ok_or(IdError::NotUuid)?;
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A configured backend's name, which requests give as `model`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BackendId(Arc<str>);

impl BackendId {
    /// Takes a name as it stands in the configuration.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_text_form() {
        let tenant = TenantId::local;
        let halves = SessionKey::new(tenant(), Some("main"), Some("telegram:1")).unwrap();
        assert_eq!(halves.to_string(), "main::telegram:1");
        assert_eq!(SessionKey::parse(tenant(), "main::telegram:1").unwrap(), halves);
        assert_eq!(SessionKey::new(tenant(), Some("main::telegram:1"), None).unwrap(), halves);
        assert_eq!(SessionKey::new(tenant(), None, None).unwrap().to_string(), "default");
        assert_ne!(SessionKey::new(TenantId::new("alice").unwrap(), Some("main"), Some("telegram:1")).unwrap(), halves);
    }

    #[test]
    fn what_could_break_a_header_or_a_log_is_no_key() {
        assert_eq!(SessionKey::parse(TenantId::local(), ""), Err(IdError::Empty));
        assert_eq!(SessionKey::parse(TenantId::local(), "a\r\nb"), Err(IdError::Control));
        assert_eq!(SessionKey::parse(TenantId::local(), &"x".repeat(513)), Err(IdError::TooLong));
        assert_eq!(ThreadId::parse("--help"), Err(IdError::NotUuid));
        let id = "01a1fcad-1344-73af-bfdc-1c8a8fe39932";
        assert_eq!(ThreadId::parse(&id.to_uppercase()).unwrap().as_str(), id);
        for other in [format!("{{{id}}}"), format!("urn:uuid:{id}"), id.replace('-', "")] {
            assert_eq!(ThreadId::parse(&other), Err(IdError::NotUuid), "{other} would reach a command line");
        }
    }

    #[test]
    fn a_turn_id_reads_back() {
        let id = TurnId::generate();
        assert_eq!(TurnId::parse(&id.to_string()), Some(id));
        assert_eq!(TurnId::parse("turn_x"), None);
    }
}
