//! Where the daemon is, and who we are to it: environment variables that the agent passes on to its MCP servers.

use std::ffi::OsString;
use std::fmt;

/// The variables that `turnmux channel` reads: the daemon's `ws://127.0.0.1:PORT/bridge`, the secret of this agent process,
/// and the session's key. Whoever starts an agent sets them.
pub const VARIABLES: [&str; 3] = ["TURNMUX_CHANNEL_URL", "TURNMUX_CHANNEL_TOKEN", "TURNMUX_CHANNEL_SESSION"];

/// Where to connect, and as whom.
#[derive(Clone)]
pub(super) struct Place {
    /// `ws://127.0.0.1:PORT/bridge`.
    pub(super) url: String,
    /// The secret of this agent process.
    pub(super) token: String,
    /// The session's key, for the daemon's log.
    pub(super) session: String,
}

/// The variables do not say it.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Somebody typed the verb, or the agent keeps its environment from its MCP servers.
    #[error("{0} is not set: `turnmux channel` is started by an agent that `turnmux serve` has started, not by hand")]
    Missing(&'static str),
    /// Its bytes are no text.
    #[error("{0} is not UTF-8")]
    NotUnicode(&'static str),
    /// It is no address of a WebSocket.
    #[error("TURNMUX_CHANNEL_URL is `{0}`, which is no ws:// URL")]
    NoUrl(String),
}

impl Place {
    /// Reads the variables by their names.
    ///
    /// # Errors
    /// When one is missing or empty, no text, or the URL is not one of a WebSocket.
    pub(super) fn from_variables(value_of: impl Fn(&str) -> Option<OsString>) -> Result<Self, PlaceError> {
        let text = |name| match value_of(name).map(OsString::into_string) {
            Some(Ok(text)) if !text.is_empty() => Ok(text),
            Some(Err(_)) => Err(PlaceError::NotUnicode(name)),
            _ => Err(PlaceError::Missing(name)),
        };
        let [url, token, session] = VARIABLES;
        let place = Self { url: text(url)?, token: text(token)?, session: text(session)? };
        if !place.url.starts_with("ws://") {
            return Err(PlaceError::NoUrl(place.url));
        }
        Ok(place)
    }
}

impl fmt::Debug for Place {
    /// Leaves the token out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("url", &self.url).field("session", &self.session).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_token() {
        let place = Place::from_variables(|name| Some(format!("ws://value-of-{name}").into())).unwrap();
        let shown = format!("{place:?}");
        assert!(shown.contains("value-of-TURNMUX_CHANNEL_URL"), "{shown}");
        assert!(!shown.contains("value-of-TURNMUX_CHANNEL_TOKEN"), "{shown}");
    }
}
