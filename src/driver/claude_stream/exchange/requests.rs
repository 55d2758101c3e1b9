//! What claude asks and answers: leave for its tools, and what became of requests of ours.

use super::{Exchange, Pending, Phase};
use crate::driver::claude_stream::{input, turn};
use crate::driver::{Answer, CommandId, DriverEvent};
use crate::protocol::{ErrorKind, Question, TurnError};
use crate::wire::claude::{Cancelled, ControlRequestLine, ControlResponseLine, PermissionAnswer, RateLimitLine};

/// Questions that may wait for an answer: claude runs a handful of tools at once.
const QUESTIONS_MAX: usize = 256;

impl Exchange {
    pub(super) fn control_request(&mut self, line: &ControlRequestLine<'_>) {
        let id = line.request_id.to_string();
        let (Some(tool), Some(arguments)) = (&line.request.tool_name, line.request.input) else {
            return input::refuse(&mut self.out, &id);
        };
        if line.request.subtype != "can_use_tool" {
            return input::refuse(&mut self.out, &id);
        }
        if self.turn().is_none() || self.questions.len() >= QUESTIONS_MAX {
            // A turn of claude's own has nobody to ask.
            let message = "Permission denied: nobody is there to answer.";
            return input::answer(&mut self.out, &id, PermissionAnswer::Deny { message });
        }
        self.questions.insert(id.clone(), arguments.to_owned());
        let question = Question { id, tool: tool.to_string(), input: arguments.get().to_owned() };
        self.events.push_back(DriverEvent::Asked(question));
    }

    pub(super) fn answer(&mut self, command: CommandId, question: &str, answer: &Answer) {
        let Some(arguments) = self.questions.remove(question) else {
            return self.refuse(command, "there is no such question");
        };
        let response = match answer {
            Answer::Allow => PermissionAnswer::Allow { updated_input: &arguments },
            Answer::AllowWith { input } => match serde_json::from_str(input) {
                Ok(updated_input) => PermissionAnswer::Allow { updated_input },
                Err(_) => PermissionAnswer::Deny { message: "Permission denied: the answer could not be read." },
            },
            Answer::Deny { message } => PermissionAnswer::Deny { message },
        };
        input::answer(&mut self.out, question, response);
        self.ack(command, Ok(()));
    }

    pub(super) fn control_response(&mut self, line: &ControlResponseLine<'_>) {
        let Some(pending) = self.pending.remove(&*line.response.request_id) else { return };
        let refused = (line.response.subtype != "success")
            .then(|| line.response.error.as_deref().unwrap_or("no reason given").to_owned());
        match (pending, refused) {
            (Pending::Initialize, None) => {
                self.phase = Phase::Idle;
                self.events.push_back(DriverEvent::Ready { pid: Some(self.pid) });
            }
            (Pending::Initialize, Some(why)) => {
                let message = format!("{} refused to be initialised: {why}", self.spec.id);
                self.broken = Some(TurnError::new(ErrorKind::StartFailed, message));
            }
            (Pending::Interrupt(command), _) => {
                // Whatever it says: what counts is that the turn ends, and that is waited for.
                if let Some(command) = command {
                    self.ack(command, Ok(()));
                }
            }
            (Pending::Cancel(uuid), _) => {
                let said = line.response.response.and_then(|said| serde_json::from_str(said.get()).ok());
                self.taken_back(uuid, said.is_some_and(|Cancelled { cancelled }| cancelled));
            }
            (Pending::Servers, _) => self.servers_set(&line.response),
            (Pending::Model | Pending::Permission, None) => {
                if let Phase::Preparing(prepared) = &self.phase {
                    match pending {
                        Pending::Model => self.options.model.clone_from(&prepared.wanted.model),
                        _ => self.options.permission = prepared.wanted.permission,
                    }
                }
                self.advance();
            }
            (Pending::Model | Pending::Permission, Some(why)) => {
                let what = if pending == Pending::Model { "model" } else { "permission mode" };
                let message = format!("{} does not take this {what}: {why}", self.spec.id);
                if let Phase::Preparing(prepared) = std::mem::replace(&mut self.phase, Phase::Idle) {
                    self.ack(prepared.command, Err(TurnError::new(ErrorKind::ModelRefused, message)));
                }
            }
        }
    }

    pub(super) fn rate_limit(&mut self, line: &RateLimitLine<'_>) {
        if let Some(info) = &line.rate_limit_info
            && info.status == "rejected"
        {
            self.retry_at = info.resets_at.and_then(turn::time_of);
        }
    }
}
