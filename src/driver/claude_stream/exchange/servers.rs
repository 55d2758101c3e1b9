//! Servers of tools that a turn brings along: `mcp_set_servers`, while claude runs. It costs what connecting to them costs, some
//! 20 ms where they are quick, and only where they are others than before; so a key may change with every turn.
//!
//! claude answers when it has tried all of them, and listens to nothing meanwhile, for 30 s where one is silent. Where one
//! cannot be reached the turn is not begun, and claude is left with none: given the same ones again, it would not try them
//! again. Where the turn is stopped before claude has answered, it is not waited for as long as that: its process is ended.

use super::{Exchange, Pending, Phase};
use crate::protocol::{ErrorKind, McpServer, McpServers, McpTransport, TurnError};
use crate::wire::claude::{ControlResponse, McpServerIn, McpSet, Request};

/// How much of what claude says of a server is quoted, in characters.
const SAID_MAX: usize = 300;

impl Exchange {
    /// Gives claude these in place of those that it has.
    pub(super) fn set_servers(&mut self, wanted: McpServers) {
        let servers = wanted.iter().map(|(name, server)| {
            let kind = match server.transport {
                McpTransport::Http => "http",
                McpTransport::Sse => "sse",
            };
            let timeout = server.call_timeout.map(|limit| limit.as_millis());
            let McpServer { url, headers, always_load, .. } = server;
            (name, McpServerIn { kind, url, headers, always_load: *always_load, timeout })
        });
        self.request(Pending::Servers, Request::McpSetServers { servers: servers.collect() });
        self.servers = wanted;
    }

    /// Whether a turn that was stopped waits for claude to be done with them.
    pub(in crate::driver::claude_stream) fn waits_for_servers(&self) -> bool {
        self.is_stopped() && self.pending.values().any(|pending| *pending == Pending::Servers)
    }

    /// Whether the turn that is being prepared was stopped.
    fn is_stopped(&self) -> bool {
        matches!(&self.phase, Phase::Preparing(prepared) if prepared.cancelled)
    }

    /// It is not done. The turn ends with its process, or the next one would wait.
    pub(in crate::driver::claude_stream) fn give_up_servers(&mut self) {
        let names: Vec<&str> = self.servers.iter().map(|(name, _)| name).collect();
        let message = format!(
            "{} waits for a server of tools that does not answer ({}), for a turn that was stopped; its process is ended",
            self.spec.id,
            names.join(", ")
        );
        self.broken = Some(TurnError::new(ErrorKind::ToolsUnreachable, message));
    }

    /// claude has tried them. The turn that they were for may have been stopped since.
    pub(super) fn servers_set(&mut self, response: &ControlResponse<'_>) {
        let tried = std::mem::take(&mut self.servers);
        // That there are none any more cannot go wrong in a way that matters.
        let Some(trouble) = trouble(response).filter(|_| !tried.is_empty()) else {
            self.options.mcp = tried;
            return self.advance();
        };
        self.set_servers(McpServers::default());
        if self.is_stopped() {
            return self.cancel_prepared();
        }
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Preparing(prepared) if prepared.wanted.mcp == tried => {
                let trouble: String = tried.redact(&trouble).chars().take(SAID_MAX).collect();
                let message = format!(
                    "{} cannot use the servers of tools that the request offers (`turnmux.mcp_servers`): {trouble}",
                    self.spec.id
                );
                self.ack(prepared.command, Err(TurnError::new(ErrorKind::ToolsUnreachable, message)));
            }
            other => self.phase = other,
        }
    }
}

/// What is wrong, if anything is.
fn trouble(response: &ControlResponse<'_>) -> Option<String> {
    if response.subtype != "success" {
        return Some(response.error.as_deref().unwrap_or("no reason given").to_owned());
    }
    // An answer without a word about errors has none.
    let said = response.response.and_then(|said| serde_json::from_str(said.get()).ok());
    let McpSet { errors } = said.unwrap_or_default();
    let (name, why) = errors.first_key_value()?;
    Some(format!("{name}: {why}"))
}
