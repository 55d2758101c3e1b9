//! What comes by the side door: the plugin's frames, and claude's hooks.

use std::path::Path;

use bytes::Bytes;

use super::Host;
use super::acts::decide;
use crate::channel::{ChannelEvent, HookCall};
use crate::driver::Answer;
use crate::driver::claude_channel::exchange::Reply;
use crate::wire::claude_hooks::HookInput;

/// What the model is told when nobody can be asked.
const NOBODY: &str = "Permission denied: nobody is there to answer.";

impl Host<'_> {
    pub(super) fn frame(&mut self, frame: ChannelEvent) {
        match frame {
            ChannelEvent::Connected { pid } => {
                tracing::debug!(session = self.label, pid, "the plugin is connected");
                self.exchange.connected();
            }
            ChannelEvent::Cut => tracing::debug!(session = self.label, "the plugin's connection was cut"),
            ChannelEvent::Lost => self.exchange.plugin_lost(),
            ChannelEvent::Reply { content, .. } => self.exchange.replied(&content),
            ChannelEvent::PermissionRequest { request_id, tool_name, .. } => {
                tracing::debug!(session = self.label, "the plugin passes on a question");
                self.exchange.asked_by_plugin(request_id, &tool_name);
            }
            ChannelEvent::Hook(call) => self.hook(call),
        }
    }

    fn hook(&mut self, call: HookCall) {
        let body: Bytes = call.body.clone();
        self.exchange.events.extend(self.raw.step(&body));
        let input: HookInput<'_> = match serde_json::from_slice(&body) {
            Ok(input) => input,
            Err(error) => {
                // Not the body itself: it may be part of the conversation.
                tracing::debug!(session = self.label, %error, "skipped a hook that is none");
                return;
            }
        };
        if let Some(path) = input.transcript_path.as_deref() {
            self.follow_transcript(Path::new(path));
        }
        if matches!(&*input.name, "Stop" | "StopFailure") {
            // What is there already need not be waited for.
            self.read_transcript();
        }
        match self.exchange.hook(std::time::Instant::now(), &input) {
            Reply::Empty => drop(call),
            Reply::Deny => decide(call, &Answer::Deny { message: NOBODY.to_owned() }),
            Reply::Hold(question) => drop(self.held.insert(question, call)),
        }
    }
}
