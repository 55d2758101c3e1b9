//! What the session wants.

use std::time::Instant;

use uuid::Uuid;

use super::{Act, ESCAPE, Exchange};
use crate::driver::claude_channel::turn::{Stage, Turn};
use crate::driver::{Answer, Command, CommandId, CommandKind, DriverEvent, TurnInput};
use crate::protocol::{ErrorKind, TurnError, TurnId, TurnOptions};

/// Steers of one turn that may wait for claude to take them; fewer than the plugin's queue has places.
const STEERS_MAX: usize = 32;

impl Exchange {
    /// Takes a command; `Detach` is the host's.
    pub(in crate::driver::claude_channel) fn command(&mut self, now: Instant, command: Command) {
        let id = command.id;
        match command.kind {
            CommandKind::StartTurn { turn, input, options } => match &self.turn {
                None if self.ready => self.start(now, id, turn, &input, options),
                Some(running) if running.typed && self.behind.is_none() => {
                    self.put_behind(now, id, turn, &input, options);
                }
                _ => self.refuse(id, "the agent is not ready for a turn"),
            },
            CommandKind::Configure { options } => {
                // Whatever takes more than this takes a restart, and is planned so.
                self.options.system_prompt = options.system_prompt;
                self.ack(id, Ok(()));
            }
            CommandKind::Interrupt => self.interrupt(id),
            CommandKind::Answer { question, answer } => self.answer(id, question, answer),
            CommandKind::Steer { text } => self.steer(id, text),
            CommandKind::Clear => self.refuse(id, "this driver does not clear a thread; open a new one"),
            CommandKind::Detach => self.ack(id, Ok(())),
        }
    }

    /// A command cannot be carried out.
    pub(in crate::driver::claude_channel) fn fail(&mut self, id: CommandId, error: TurnError) {
        self.ack(id, Err(error));
    }

    /// Stops what claude does, whosever turn that is.
    pub(in crate::driver::claude_channel) fn interrupt_now(&mut self) {
        if self.busy {
            self.acts.push_back(Act::Keys(ESCAPE));
        }
    }

    fn start(&mut self, now: Instant, id: CommandId, turn: TurnId, input: &TurnInput, options: TurnOptions) {
        self.options.system_prompt = options.system_prompt;
        let content = content(input);
        self.acts.push_back(Act::Push { id: turn.uuid(), content: content.clone() });
        self.turn = Some(Turn::given(turn, content, now));
        self.ack(id, Ok(()));
    }

    fn steer(&mut self, id: CommandId, text: String) {
        match self.turn.as_mut().filter(|turn| turn.stage == Stage::Running && !turn.interrupted) {
            Some(_) if self.plugin_gone => {
                self.refuse(id, "the plugin inside the agent is gone; the turn takes no more input");
            }
            Some(turn) if turn.steers.len() >= STEERS_MAX => {
                self.refuse(id, "the agent has not taken the input before this yet; say it again later");
            }
            Some(turn) => {
                let push = Uuid::new_v4();
                turn.steers.push((id, push));
                self.acts.push_back(Act::Push { id: push, content: text });
                self.ack(id, Ok(()));
            }
            None => self.refuse(id, "no turn runs that could be steered"),
        }
    }

    fn interrupt(&mut self, id: CommandId) {
        if let Some(turn) = &mut self.turn
            && !turn.interrupted
        {
            turn.interrupted = true;
            // Before claude has begun the turn the key would meet nothing, and the turn would run on.
            if turn.stage == Stage::Running {
                self.acts.push_back(Act::Keys(ESCAPE));
            }
        }
        self.ack(id, Ok(()));
    }

    fn answer(&mut self, id: CommandId, question: String, answer: Answer) {
        match self.questions.remove(&question) {
            Some(asked) => {
                self.acts.push_back(Act::Decide { question, tool: asked.tool, answer, request: asked.request });
                self.ack(id, Ok(()));
            }
            None => self.refuse(id, "there is no such question"),
        }
    }

    pub(super) fn ack(&mut self, command: CommandId, result: Result<(), TurnError>) {
        self.events.push_back(DriverEvent::Acked { command, result });
    }

    fn refuse(&mut self, command: CommandId, why: &str) {
        self.ack(command, Err(TurnError::new(ErrorKind::Conflict, why)));
    }
}

/// A turn's input as one message.
pub(super) fn content(input: &TurnInput) -> String {
    let mut content = input.preface.join("\n\n");
    if !content.is_empty() {
        content.push_str("\n\n");
    }
    content.push_str(&input.text);
    content
}
