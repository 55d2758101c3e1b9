//! A turn from its being wanted to its result: what it needs is brought about first, and claude is given it then.

use super::{Exchange, Pending, Phase, Prepared};
use crate::driver::claude::{failure as words, launch};
use crate::driver::claude_stream::turn::Turn;
use crate::driver::claude_stream::{failure, input};
use crate::driver::{CommandId, DriverEvent, TurnInput};
use crate::protocol::{ErrorKind, InterruptCause, ThreadId, TurnEnding, TurnError, TurnId, TurnOptions};
use crate::wire::claude::{InitLine, Request, ResultLine};

impl Exchange {
    pub(super) fn prepare(&mut self, command: CommandId, start: Option<(TurnId, TurnInput)>, wanted: TurnOptions) {
        self.phase = Phase::Preparing(Prepared { command, start, wanted, cancelled: false });
        self.advance();
    }

    /// Brings about what the prepared turn wants, one request after the other, and then gives it to claude.
    pub(super) fn advance(&mut self) {
        let Phase::Preparing(prepared) = &self.phase else { return };
        let prepares = |pending: &Pending| matches!(pending, Pending::Model | Pending::Permission | Pending::Servers);
        if self.own_turn || self.pending.values().any(prepares) {
            return;
        }
        if !prepared.cancelled && prepared.wanted.model != self.options.model {
            let model = prepared.wanted.model.clone();
            return self.request(Pending::Model, Request::SetModel { model: model.as_deref() });
        }
        if !prepared.cancelled && prepared.wanted.permission != self.options.permission {
            let mode = launch::permission_mode(prepared.wanted.permission);
            return self.request(Pending::Permission, Request::SetPermissionMode { mode });
        }
        if !prepared.cancelled && prepared.wanted.mcp != self.options.mcp {
            let wanted = prepared.wanted.mcp.clone();
            return self.set_servers(wanted);
        }
        let Phase::Preparing(prepared) = std::mem::replace(&mut self.phase, Phase::Idle) else { return };
        self.options.system_prompt = prepared.wanted.system_prompt;
        self.ack(prepared.command, Ok(()));
        match prepared.start {
            Some(_) if prepared.cancelled => self.events.push_back(DriverEvent::TurnEnded(interrupted())),
            Some((turn, text)) => {
                input::user(&mut self.out, turn.uuid(), &text, self.spec.commands);
                self.began = None;
                self.phase = Phase::Running(Turn::new(turn));
            }
            None => {}
        }
    }

    pub(super) fn init(&mut self, line: &InitLine<'_>) {
        if matches!(self.phase, Phase::Clearing(_)) {
            return self.clear_begins();
        }
        let ours = match &self.phase {
            Phase::Running(turn) if self.says_what_began => turn.goes_on || self.began == Some(turn.id.uuid()),
            Phase::Running(_) => !std::mem::take(&mut self.own_turn_due),
            _ => false,
        };
        self.own_turn_due = false;
        self.own_turn = !ours;
        let permission = self.options.permission;
        let Some(turn) = self.turn() else {
            tracing::debug!(pid = self.pid, "claude began a turn of its own");
            return;
        };
        if turn.begun {
            return;
        }
        let is_told = std::mem::replace(&mut turn.told, true);
        turn.go_on();
        let interrupted = turn.interrupted;
        if let Some(mode) = &line.permission_mode
            && launch::laxer(mode, permission)
        {
            self.broken = Some(words::laxer(&self.spec, mode, permission));
            return;
        }
        match ThreadId::parse(&line.session_id) {
            Ok(_) if is_told => {}
            Ok(thread) => {
                self.thread = Some(thread.clone());
                self.events.push_back(DriverEvent::Began { thread });
            }
            Err(error) => {
                let message = format!("{} gave a session id that cannot be used: {error}", self.spec.id);
                self.broken = Some(TurnError::new(ErrorKind::AgentLost, message));
            }
        }
        if interrupted {
            self.interrupt_now();
        }
    }

    pub(super) fn result(&mut self, line: &ResultLine<'_>) {
        let total = line.total_cost_usd.unwrap_or(self.cost_usd);
        let cost = (total - self.cost_usd).max(0.0);
        self.cost_usd = total;
        self.began = None;
        if std::mem::take(&mut self.own_turn) {
            return self.advance();
        }
        if matches!(self.phase, Phase::Clearing(_)) {
            return self.clear_ended(line);
        }
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Running(turn) if !turn.begun && (turn.told || !line.is_error) => {
                // Every turn begins with `system/init`: this is a second result of what was before.
                self.noise += 1;
                self.phase = Phase::Running(turn);
            }
            Phase::Running(mut turn) => {
                self.questions.clear();
                let cost = line.total_cost_usd.map(|_| cost);
                let (steps, ending) = turn.finish(line, &self.spec, cost, self.retry_at.take());
                self.events.extend(steps.into_iter().map(DriverEvent::Step));
                turn.begun = false;
                turn.held = Some(ending);
                self.phase = Phase::Running(turn);
                self.settle();
            }
            Phase::Starting => {
                // It could not take up the thread, says why and ends.
                self.phase = Phase::Starting;
                self.broken = Some(failure::of_result(line, &self.spec, None));
            }
            other => self.phase = other,
        }
    }

    pub(super) fn interrupt(&mut self, id: CommandId) {
        match &mut self.phase {
            Phase::Running(turn) if !turn.interrupted => {
                turn.interrupted = true;
                let begun = turn.begun;
                self.take_back();
                // Before claude has begun the turn an interrupt would meet nothing, and the turn would run on.
                if begun {
                    self.request(Pending::Interrupt(Some(id)), Request::Interrupt);
                } else {
                    self.ack(id, Ok(()));
                }
            }
            Phase::Preparing(prepared) => {
                prepared.cancelled = true;
                self.ack(id, Ok(()));
                if self.own_turn {
                    // The turn waits for one of claude's own: it need not any more.
                    self.cancel_prepared();
                } else {
                    self.advance();
                }
            }
            _ => self.ack(id, Ok(())),
        }
    }

    pub(super) fn cancel_prepared(&mut self) {
        if let Phase::Preparing(prepared) = std::mem::replace(&mut self.phase, Phase::Idle) {
            self.ack(prepared.command, Ok(()));
            if prepared.start.is_some() {
                self.events.push_back(DriverEvent::TurnEnded(interrupted()));
            }
        }
    }
}

fn interrupted() -> TurnEnding {
    TurnEnding::Interrupted(InterruptCause::Agent)
}
