//! Servers of tools that a caller offers to the agent of its turn, over MCP.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

/// The servers of one turn, by name. Cheap to clone. Their headers are keys, so they are written nowhere: not to the store, not
/// to a log, and not among an agent's arguments.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct McpServers(Arc<BTreeMap<String, McpServer>>);

/// One server.
#[derive(Clone, PartialEq, Eq)]
pub struct McpServer {
    /// How it is spoken with.
    pub transport: McpTransport,
    /// Where it is: always on this machine.
    pub url: String,
    /// What is sent along with every request to it.
    pub headers: BTreeMap<String, String>,
    /// The model is shown its tools from the beginning, and need not look for them.
    pub always_load: bool,
    /// How long a call of one of its tools may take; none is the agent's own limit.
    pub call_timeout: Option<Duration>,
    /// The caller says yes beforehand to all of its tools, as it could by an answer to each question.
    pub allowed: bool,
}

/// How a server is spoken with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum McpTransport {
    /// Streamable HTTP.
    Http,
    /// The older HTTP with server-sent events.
    Sse,
}

impl McpServers {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &McpServer)> {
        self.0.iter().map(|(name, server)| (name.as_str(), server))
    }

    /// Whether the caller has said yes beforehand to a tool, by the name that agents have for it: `mcp__SERVER__TOOL`.
    pub fn allow(&self, tool: &str) -> bool {
        let server = tool.strip_prefix("mcp__").and_then(|rest| rest.split_once("__")).map(|(server, _)| server);
        server.and_then(|server| self.0.get(server)).is_some_and(|server| server.allowed)
    }

    /// A text without anything that is among the servers' headers: what an agent says of a server may quote them.
    pub fn redact(&self, text: &str) -> String {
        let values = self.0.values().flat_map(|server| server.headers.values());
        // A scheme such as `Bearer` stands before the key itself.
        let keys = values.flat_map(|value| value.split_whitespace()).filter(|key| key.len() >= 8);
        keys.fold(text.to_owned(), |text, key| text.replace(key, "…"))
    }
}

impl FromIterator<(String, McpServer)> for McpServers {
    fn from_iter<I: IntoIterator<Item = (String, McpServer)>>(servers: I) -> Self {
        Self(Arc::new(servers.into_iter().collect()))
    }
}

impl fmt::Debug for McpServers {
    /// Names alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Debug for McpServer {
    /// Leaves out the headers, and the address, whose query may be a key too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transport, allowed, .. } = self;
        f.debug_struct("McpServer").field("transport", transport).field("allowed", allowed).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(allowed: bool) -> McpServer {
        let headers = [("Authorization".to_owned(), "Bearer key-of-the-server".to_owned())].into();
        let url = "http://127.0.0.1:1/mcp?key=2".to_owned();
        McpServer { transport: McpTransport::Http, url, headers, always_load: false, call_timeout: None, allowed }
    }

    #[test]
    fn only_tools_of_a_server_that_says_so_are_allowed() {
        let servers: McpServers = [("own".into(), server(true)), ("other".into(), server(false))].into_iter().collect();
        assert!(servers.allow("mcp__own__echo") && servers.allow("mcp__own__a__b"));
        for tool in ["mcp__other__echo", "mcp__ow__echo", "mcp__own", "Bash", "own__echo", "mcp__"] {
            assert!(!servers.allow(tool), "{tool}");
        }
    }

    #[test]
    fn keys_are_shown_to_nobody() {
        let servers: McpServers = [("own".into(), server(true))].into_iter().collect();
        let shown = format!("{servers:?} {:?}", server(true));
        assert!(shown.contains("own") && !shown.contains("key"), "{shown}");
        assert_eq!(servers.redact("key-of-the-server was refused: Bearer"), "… was refused: Bearer");
    }
}
