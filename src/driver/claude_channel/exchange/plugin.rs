//! What becomes of the plugin, and what it passes on.

use super::{Act, Exchange, QUESTIONS_MAX};
use crate::driver::claude_channel::turn::Stage;
use crate::driver::{Answer, DriverEvent};
use crate::protocol::{ErrorKind, TurnError};

impl Exchange {
    /// The plugin is there.
    pub(in crate::driver::claude_channel) fn connected(&mut self) {
        self.connected = true;
        self.become_ready();
    }

    /// claude takes messages from the plugin.
    pub(in crate::driver::claude_channel) fn registered(&mut self) {
        self.registered = true;
        self.become_ready();
    }

    /// The plugin is gone and does not come back.
    pub(in crate::driver::claude_channel) fn plugin_lost(&mut self) {
        self.plugin_gone = true;
        if self.turn.as_ref().is_none_or(|turn| turn.stage == Stage::Given) {
            self.give_up();
        }
    }

    /// Nothing more is heard of the agent, not even by its hooks: no turn of it can end.
    pub(in crate::driver::claude_channel) fn deaf(&mut self) {
        self.give_up();
    }

    /// The agent said something by its `reply` tool.
    pub(in crate::driver::claude_channel) fn replied(&mut self, content: &str) {
        let Some(turn) = self.ours() else {
            tracing::warn!(pid = self.pid, bytes = content.len(), "a reply came with no turn; it is dropped");
            return;
        };
        let shown = turn.displayed.reply(content);
        self.show(shown);
    }

    /// The plugin passes on that a tool asks: the same question that the hook asks, under another id.
    pub(in crate::driver::claude_channel) fn asked_by_plugin(&mut self, request: String, tool: &str) {
        // The oldest question of this tool comes first, and that is one that was answered already.
        if let Some(at) = self.undelivered.iter().position(|(asked, _)| asked == tool)
            && let Some((tool, answer)) = self.undelivered.remove(at)
        {
            let question = String::new();
            self.acts.push_back(Act::Decide { question, tool, answer, request: Some(request) });
            return;
        }
        let open = self.questions.values_mut().find(|asked| asked.tool == tool && asked.request.is_none());
        match open {
            Some(asked) => asked.request = Some(request),
            None if self.requests.len() < QUESTIONS_MAX => self.requests.push_back((request, tool.to_owned())),
            None => {}
        }
    }

    /// An answer found nobody who waits for it: whoever asked by hook is gone, and the plugin has not asked yet. It will, for
    /// claude shows the question.
    pub(in crate::driver::claude_channel) fn not_delivered(&mut self, tool: String, answer: Answer) {
        if self.turn.is_some() && self.undelivered.len() < QUESTIONS_MAX {
            self.undelivered.push_back((tool, answer));
        }
    }

    fn become_ready(&mut self) {
        if self.connected && self.registered && !self.ready {
            self.ready = true;
            self.events.push_back(DriverEvent::Ready { pid: Some(self.pid) });
        }
    }

    pub(super) fn give_up(&mut self) {
        let message = format!("{}: the plugin inside the agent ended or lost its connection", self.spec.id);
        self.broken = Some(TurnError::new(ErrorKind::AgentLost, message));
    }
}
