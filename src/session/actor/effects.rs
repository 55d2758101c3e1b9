//! What the machine says is to be done, carried out; and what waited for the store, handed out.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Actor;
use crate::driver::{Command, CommandKind, OpenRequest};
use crate::protocol::{
    BackendId, ErrorKind, Event, EventKind, InterruptCause, Logged, ThreadId, TurnEnding, TurnError, TurnId,
};
use crate::session::machine::{Effect, Input};
use crate::session::outbox::{Need, Out, Start};
use crate::session::recall;
use crate::session::registry::{Accepted, Status, Submitted};
use crate::session::submission::{Reply, Submitter, Waiting};
use crate::store::{AcceptedTurn, TurnRecord, Write};

impl Actor {
    pub(super) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Accept { turn, thread, is_provisional } => {
                tracing::debug!(session = %self.machine.record().key, %turn, "turn accepted");
                self.accept(turn, thread, is_provisional);
            }
            Effect::Deny { turn, denial } => {
                match self.take_waiting(turn).map(|waiting| waiting.submitter) {
                    // It was accepted once, so it has an ending.
                    Some(submitter @ Submitter::Restored { .. }) => {
                        let ending = TurnEnding::Failed(TurnError::new(ErrorKind::Conflict, denial.to_string()));
                        self.emit(turn, EventKind::Ended(ending));
                        submitter.deny(denial);
                    }
                    Some(submitter) => submitter.deny(denial),
                    None => {}
                }
            }
            Effect::Joined { turn, into, thread } => {
                if let Some(Submitter::Leaves(reply)) = self.take_waiting(turn).map(|waiting| waiting.submitter) {
                    let submitted = Submitted { status: Status::Steered, turn: into, thread, depth: 0 };
                    let _ = reply.send(Reply::Taken(submitted));
                }
            }
            Effect::Typed { turn, backend, thread, text } => self.typed(turn, backend, thread, text),
            // Only when the rest is done, or what it brings about would come before what it follows.
            Effect::Again(job) => self.next.push_back(Input::Submit(job)),
            Effect::Reply { ask, result } => {
                if let Some(at) = self.asks.iter().position(|(waiting, _)| *waiting == ask) {
                    // Whoever asked may have left.
                    let _ = self.asks.swap_remove(at).1.send(result);
                }
            }
            Effect::AcquirePlace => match self.member.acquire() {
                Ok(place) => {
                    self.place = Some(place);
                    self.step(Input::PlaceGranted);
                }
                Err(ticket) => {
                    self.ticket = Some(ticket);
                    self.step(Input::PlaceBusy);
                }
            },
            Effect::ReleasePlace => {
                // In this order: the line is shorter by one when the others are looked at.
                self.place = None;
                self.ticket = None;
                self.member.mark_idle(false);
            }
            Effect::MarkIdle(idle) => self.member.mark_idle(idle),
            Effect::Open { driver, request } => {
                let request = OpenRequest { raw: self.journal.raw(), terminal: self.terminal.clone(), ..request };
                self.attachment = Some(driver.0.open(request));
                self.attachments += 1;
            }
            Effect::DropAttachment => {
                tracing::error!(session = %self.machine.record().key, "a driver did not end its process within its bounds");
                self.attachment = None;
            }
            Effect::Command(command) => {
                let mut need = Need::Nothing;
                if let CommandKind::StartTurn { turn, .. } = &command.kind {
                    self.writes.now(Write::Given(*turn));
                    if self.outbox.begins(*turn) {
                        // Behind the write, so that the disk and the agent work at the same time.
                        self.begins = Some(command);
                        return;
                    }
                    need = Need::Batch;
                }
                self.outbox.push(need, Out::Command { attachment: self.attachments, command });
            }
            Effect::Emit(turn, kind) => self.emit(turn, kind),
            Effect::PutOff(turn) => {
                let ending = TurnEnding::Interrupted(InterruptCause::ShutdownBeforeStart);
                let logged = Logged::now(Event { seq: self.seq, turn, kind: EventKind::Ended(ending) });
                self.outbox.push(Need::Nothing, Out::PutOff(logged));
            }
            Effect::Recall { number, first } => {
                tracing::warn!(session = %self.machine.record().key, "the agent does not know the session's thread any more");
                // What it rests on is written by then: the number of this write says so.
                self.writes.save();
                self.outbox.push(Need::Batch, Out::Recall { number, first });
            }
            Effect::Save => self.writes.save(),
            Effect::Remove => self.writes.forget(),
            Effect::Finished => {
                // It waits for what is on its way, though nothing may be new.
                self.writes.at_once();
                self.outbox.push(Need::Batch, Out::Finished);
            }
        }
    }

    pub(super) fn put_out(&mut self, out: Out) {
        match out {
            Out::Accepted { turn, submitter, said, is_provisional, start: _ } => {
                self.accepted(*turn, submitter, said, is_provisional);
            }
            Out::Event { logged, is_unread } => {
                if is_unread {
                    self.journal.unread(logged.turn);
                }
                self.journal.append(&logged);
                self.deliver(logged);
            }
            Out::PutOff(logged) => self.deliver(logged),
            // Of an attachment that is gone by now nobody wants anything.
            Out::Command { attachment, command } if attachment == self.attachments => self.command(command),
            Out::Command { .. } => {}
            Out::Recall { number, first } => {
                let (store, key) = (self.writes.store(), self.machine.record().key.clone());
                self.recalling = Some((number, Box::pin(recall::read(store, key, first))));
            }
            Out::Finished => {
                for reply in self.finishing.drain(..) {
                    let _ = reply.send(());
                }
            }
        }
    }

    pub(super) fn command(&mut self, command: Command) {
        let Some(attachment) = &self.attachment else { return };
        let detach = command.kind == CommandKind::Detach;
        if command.kind == CommandKind::Interrupt {
            tracing::debug!(session = %self.machine.record().key, "interrupting");
        }
        if attachment.commands.try_send(command).is_err() && !detach {
            // Either the attachment is ending, and its last event is on its way, or a driver takes no commands: then the
            // limits of the running turn end it.
            tracing::debug!(session = %self.machine.record().key, "a command found no taker");
        }
    }

    fn emit(&mut self, turn: TurnId, kind: EventKind) {
        for kind in self.composer.before(turn, &kind) {
            self.log(turn, kind);
        }
        if matches!(kind, EventKind::Started { .. }) {
            tracing::debug!(session = %self.machine.record().key, %turn, "turn began");
        }
        if let EventKind::Ended(ending) = &kind {
            let session = &self.machine.record().key;
            match ending {
                TurnEnding::Completed { usage, .. } => {
                    tracing::info!(%session, %turn, output_tokens = usage.output_tokens, "turn completed");
                }
                TurnEnding::Interrupted(cause) => tracing::info!(%session, %turn, %cause, "turn interrupted"),
                TurnEnding::Failed(error) => tracing::warn!(%session, %turn, %error, "turn failed"),
            }
        }
        self.log(turn, kind);
    }

    /// Numbers an event and has it kept; who reads it gets it in its time, an ending only when it is kept.
    fn log(&mut self, turn: TurnId, kind: EventKind) {
        self.seq += 1;
        let is_ending = matches!(kind, EventKind::Ended(_));
        let is_unread = is_ending && !self.readers.has_any(turn) && !self.outbox.has_begun(turn);
        let logged = Logged::now(Event { seq: self.seq, turn, kind });
        if is_unread {
            self.writes.now(Write::Unread(turn));
        }
        let need = if is_ending { Need::Batch } else { self.writes.need(self.seq) };
        self.writes.event(&logged);
        self.outbox.push(need, Out::Event { logged, is_unread });
    }

    /// Gives an event to the readers of its turn.
    fn deliver(&mut self, logged: Arc<Logged>) {
        let turn = logged.turn;
        let is_ending = matches!(logged.kind, EventKind::Ended(_));
        // Who asks for lines watches; the reader of the turn gets what the turn is.
        if !matches!(logged.kind, EventKind::Raw(_)) {
            self.readers.deliver(logged);
        }
        if is_ending {
            for (_, ended) in self.watching.extract_if(.., |(watched, _)| *watched == turn) {
                let _ = ended.send(());
            }
        }
    }

    fn accept(&mut self, turn: TurnId, thread: ThreadId, is_provisional: bool) {
        let Some(waiting) = self.take_waiting(turn) else { return };
        if let Submitter::Restored { turn, .. } = &waiting.submitter {
            let turn = Box::new(TurnRecord { thread, ..(**turn).clone() });
            let (submitter, start) = (waiting.submitter, Start::Kept);
            return self
                .outbox
                .push(Need::Nothing, Out::Accepted { turn, submitter, said: None, is_provisional, start });
        }
        self.take(waiting, thread, is_provisional);
    }

    /// A turn that nobody asked for: a person began it, and the agent has it already.
    fn typed(&mut self, turn: TurnId, backend: BackendId, thread: ThreadId, text: String) {
        tracing::debug!(session = %self.machine.record().key, %turn, "a person began a turn in the terminal");
        let (tags, submitter) = (BTreeMap::new(), Submitter::Nobody);
        self.take(
            Waiting { turn, backend, said: text.into(), tags, name: None, rerun: None, submitter },
            thread,
            false,
        );
        self.writes.now(Write::Given(turn));
    }

    /// A turn that is new to the store.
    fn take(&mut self, waiting: Waiting, thread: ThreadId, is_provisional: bool) {
        let Waiting { turn, backend, said, tags, name, rerun, submitter } = waiting;
        let start = match submitter {
            Submitter::Nobody => Start::Begun,
            Submitter::Reads(_) if name.is_none() && rerun.is_none() => Start::Soon,
            _ => Start::Kept,
        };
        let key = &self.machine.record().key;
        self.seq += 1;
        let record = TurnRecord { tags, ..TurnRecord::accepted(turn, key.clone(), backend, thread, self.seq) };
        let said = Logged::now(Event { seq: self.seq, turn, kind: EventKind::UserText(said) });
        self.writes.now(Write::Accepted(Box::new(AcceptedTurn { turn: record.clone(), name, rerun })));
        self.writes.event(&said);
        let (turn, said) = (Box::new(record), Some(said));
        self.outbox.push(Need::Batch, Out::Accepted { turn, submitter, said, is_provisional, start });
    }

    fn accepted(&mut self, record: TurnRecord, submitter: Submitter, said: Option<Arc<Logged>>, is_provisional: bool) {
        let (turn, thread) = (record.id, record.thread.clone());
        self.journal.accepted(record);
        // Before what was said: it is the first that a reader gets.
        let reader = matches!(submitter, Submitter::Reads(_)).then(|| self.readers.open(turn));
        if let Some(said) = said {
            self.journal.append(&said);
            self.deliver(said);
        }
        match (submitter, reader) {
            // A submitter that has left drops its reader with the answer, which the next round notices.
            (Submitter::Reads(reply), Some(reader)) => {
                drop(reply.send(Reply::Taken(Accepted { turn, thread, reader, is_provisional, is_joined: false })));
            }
            (Submitter::Leaves(reply), _) => {
                let depth = self.machine.ahead(turn);
                let status = if depth == 0 { Status::Started } else { Status::Queued };
                drop(reply.send(Reply::Taken(Submitted { status, turn, thread, depth })));
            }
            (Submitter::Restored { reply, .. }, _) => drop(reply.send(Reply::Taken(()))),
            (Submitter::Reads(_), None) | (Submitter::Nobody, _) => {}
        }
    }

    pub(super) fn take_waiting(&mut self, turn: TurnId) -> Option<Waiting> {
        let at = self.waiting.iter().position(|waiting| waiting.turn == turn)?;
        Some(self.waiting.swap_remove(at))
    }
}
