//! What the exchange wants done: messages through the plugin, keys, and answers to what claude asks.

use std::time::SystemTime;

use super::Host;
use crate::channel::HookCall;
use crate::driver::Answer;
use crate::driver::claude_channel::exchange::Act;
use crate::protocol::{ErrorKind, TurnError};
use crate::wire::channel::Behavior;
use crate::wire::claude_hooks::{Decision, PermissionOutput};

impl Host<'_> {
    /// Does what the exchange wants done.
    pub(super) async fn act(&mut self) -> Result<(), TurnError> {
        while let Some(act) = self.exchange.acts.pop_front() {
            match act {
                Act::Push { id, content } => {
                    let meta = [
                        ("chat_id".to_owned(), self.label.clone()),
                        ("message_id".to_owned(), id.to_string()),
                        ("ts".to_owned(), humantime::format_rfc3339_seconds(SystemTime::now()).to_string()),
                    ];
                    self.member.push(content, meta.into()).map_err(|error| {
                        TurnError::new(ErrorKind::AgentLost, format!("{}: no message can be sent: {error}", self.name))
                    })?;
                }
                Act::Keys(keys) => self.terminal.write(keys).await.map_err(|error| {
                    TurnError::new(ErrorKind::AgentLost, format!("{}: its terminal takes no keys: {error}", self.name))
                })?,
                Act::Decide { question, tool, answer, request } => match (self.held.remove(&question), request) {
                    (Some(call), _) if call.is_waiting() => decide(call, &answer),
                    (_, Some(request)) => {
                        if let Err(error) = self.member.permission(&request, behavior(&answer)) {
                            tracing::warn!(session = self.label, %error, "an answer could not be sent");
                        }
                    }
                    _ => {
                        tracing::debug!(session = self.label, "an answer waits for the plugin to ask");
                        self.exchange.not_delivered(tool, answer);
                    }
                },
            }
        }
        self.held.retain(|question, _| self.exchange.asks(question));
        Ok(())
    }
}

/// Answers a held permission hook.
pub(super) fn decide(call: HookCall, answer: &Answer) {
    let decision = match answer {
        Answer::Allow => Decision::Allow { updated_input: None },
        Answer::AllowWith { input } => Decision::Allow { updated_input: serde_json::from_str(input).ok() },
        Answer::Deny { message } => Decision::Deny { message },
    };
    match serde_json::to_value(PermissionOutput::new(decision)) {
        Ok(output) => call.answer(output),
        // Serialising our own types into memory cannot fail.
        Err(_) => drop(call),
    }
}

/// What a decision is in the plugin's words.
fn behavior(answer: &Answer) -> Behavior {
    match answer {
        Answer::Allow => Behavior::Allow,
        // The plugin has no way to say with which arguments, and a question without its answer is none.
        Answer::AllowWith { .. } | Answer::Deny { .. } => Behavior::Deny,
    }
}
