//! Requests that OpenClaw makes beside the conversation: titles, summaries, what to remember.
//!
//! They come to the same address, some under the conversation's own name. Fed to its agent they would stand in its memory for
//! ever, so each gets a session of its own that nobody comes back to.

use hyper::HeaderMap;

use super::affinity::Affinity;
use super::runtime::Runtime;

/// How the system prompts begin that OpenClaw has for them.
const PROMPTS: [&str; 2] = ["Generate a concise session title", "You are a context summarization assistant."];
/// The mark of sessions that OpenClaw keeps for itself, in a session's key and id.
const INTERNAL: &str = "internal-session-effects";
/// Any of these says which session is meant.
const NAMES: [&str; 5] =
    ["x-turnmux-session", "x-turnmux-chat-id", "x-turnmux-agent-id", "x-openclaw-chat-id", "x-openclaw-agent-id"];
const OPENCLAWS: &str = "x-openclaw-";
const SESSION_ID: &str = "x-openclaw-session-id";

/// What of a request's headers tells whose it is.
#[derive(Debug, Clone, Default)]
pub(in crate::api) struct Signs {
    /// It comes from OpenAI's SDK for JavaScript, as OpenClaw's do.
    sdk: bool,
    /// It has a header of an OpenClaw plugin's.
    pub(super) plugin: bool,
    /// A header says which session is meant.
    named: bool,
    /// OpenClaw's id of the session, as the plugin says.
    session_id: Option<String>,
}

impl Signs {
    /// Reads the headers.
    pub(in crate::api) fn of(headers: &HeaderMap) -> Self {
        let value = |name: &str| headers.get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty());
        Self {
            sdk: value("user-agent").is_some_and(|agent| agent.starts_with("OpenAI/JS ")),
            plugin: headers.keys().any(|name| name.as_str().starts_with(OPENCLAWS) && value(name.as_str()).is_some()),
            named: NAMES.iter().any(|name| value(name).is_some()),
            session_id: value(SESSION_ID).map(str::to_owned),
        }
    }

    /// Whether the request has one of OpenClaw's own purposes, by its system prompt.
    pub(super) fn is_errand(&self, prompt: Option<&str>) -> bool {
        self.sdk && prompt.is_some_and(|prompt| PROMPTS.iter().any(|known| prompt.starts_with(known)))
    }

    /// Whether a request of OpenClaw's, which is no errand by its prompt, is one by what it says of its session.
    pub(super) fn are_beside(&self, affinity: Option<&Affinity>, runtime: Option<&Runtime>) -> bool {
        if affinity.is_some_and(|affinity| affinity.boundary.is_none()) {
            // Turns have the count behind the name.
            return true;
        }
        let Some(runtime) = runtime else { return affinity.is_none() && !self.named };
        let internal = |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains(INTERNAL));
        if internal(&runtime.session) || internal(&runtime.session_id) {
            return true;
        }
        let other = |id: &String| runtime.session_id.as_ref().is_some_and(|said| said != id);
        affinity.is_some_and(|affinity| other(&affinity.id)) || self.session_id.as_ref().is_some_and(other)
    }
}
