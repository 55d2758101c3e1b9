//! What a driver hears of its agent.

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::oneshot;

/// Something happened on the channel of one member.
#[derive(Debug)]
pub enum ChannelEvent {
    /// A plugin has said hello with the member's token. It may come again without a [`ChannelEvent::Cut`] between: then the
    /// new connection took the place of the old one.
    Connected {
        /// The plugin's process, 0 if it does not say.
        pid: u32,
    },
    /// The connection is gone. It may come back within [`super::HubConfig::grace`]; what was pushed waits.
    Cut,
    /// It did not come back in time, or never will: the token opens no connection any more. Hooks still come as long as the
    /// listener runs.
    Lost,
    /// The agent says something by its `reply` tool. Whether there is a turn that it belongs to is for the driver to judge.
    Reply {
        /// What it says; may be empty with `is_final`.
        content: String,
        /// Nothing more comes for this turn.
        is_final: bool,
    },
    /// The agent asks whether a tool may run; the answer goes by [`super::Member::permission`].
    PermissionRequest {
        /// The agent's id of the question.
        request_id: String,
        /// The tool that wants to run.
        tool_name: String,
        /// What it is for, in the agent's words.
        description: String,
        /// The beginning of its arguments.
        input_preview: String,
    },
    /// A hook of the agent was called, and waits for its output.
    Hook(HookCall),
}

/// A hook that waits for its output. Dropped unanswered, it answers `{}`: no opinion.
pub struct HookCall {
    /// The hook's input: a JSON object in UTF-8, of at most [`super::HubConfig::hook_bytes`].
    pub body: Bytes,
    answer: oneshot::Sender<Value>,
}

impl HookCall {
    pub(super) fn new(body: Bytes) -> (Self, oneshot::Receiver<Value>) {
        let (answer, answered) = oneshot::channel();
        (Self { body, answer }, answered)
    }

    /// Gives the hook its output. If the asker is gone, nobody hears it.
    pub fn answer(self, output: Value) {
        // An asker that left is no fault.
        let _ = self.answer.send(output);
    }

    /// Whether the asker is still there.
    pub fn is_waiting(&self) -> bool {
        !self.answer.is_closed()
    }

    /// Waits until the asker is gone.
    pub async fn abandoned(&mut self) {
        self.answer.closed().await;
    }
}

/// What a hook was called with is a conversation's, and not for printing.
impl std::fmt::Debug for HookCall {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "HookCall({} bytes)", self.body.len())
    }
}
