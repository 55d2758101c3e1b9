//! Turns that stop, processes that end, sessions that finish.

use std::time::Instant;

use super::core::State;
use super::{After, Effect, Machine};
use crate::driver::CommandKind;
use crate::protocol::{InterruptCause, TurnEnding, TurnId};

impl Machine {
    pub(super) fn interrupt(&mut self, now: Instant, turn: Option<TurnId>, ending: TurnEnding) {
        let Some(turn) = turn.or_else(|| self.current()) else { return };
        if let Some(at) = self.queue.iter().position(|job| job.turn == turn) {
            self.queue.remove(at);
            self.end(turn, ending);
            if self.queue.is_empty()
                && matches!(self.state, State::Recalling { .. } | State::Waiting { .. } | State::Backoff { .. })
            {
                self.unwait(now);
            }
            return;
        }
        if let Some((_, stopped)) = self.behind.as_mut().filter(|(behind, _)| behind.turn == turn) {
            stopped.get_or_insert(ending);
            return;
        }
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Active(active) if active.turn == turn => {
                self.state = State::Active(active.clone());
                self.command(CommandKind::Interrupt);
                self.close_questions(true);
                self.state = State::Interrupting { active, since: now, ending, dropped: false };
            }
            other => self.state = other,
        }
    }

    pub(super) fn reader_gone(&mut self, now: Instant, turn: TurnId) {
        if let State::Active(active) = &mut self.state
            && active.turn == turn
            && !self.policy.grace(active.lingers).is_zero()
        {
            active.reader_gone.get_or_insert(now);
            return;
        }
        let waiting = self.queue.iter_mut().find(|job| job.turn == turn && job.request.lingers);
        if let Some(job) = waiting.filter(|_| !self.policy.linger.is_zero()) {
            job.reader_gone.get_or_insert(now);
            return;
        }
        self.interrupt(now, Some(turn), TurnEnding::Interrupted(InterruptCause::ClientGone));
    }

    pub(super) fn reader_back(&mut self, turn: TurnId) {
        if let State::Active(active) = &mut self.state
            && active.turn == turn
        {
            active.reader_gone = None;
        }
        self.queue.iter_mut().filter(|job| job.turn == turn).for_each(|job| job.reader_gone = None);
    }

    /// Another message has come: nobody comes back for what lingers.
    pub(super) fn end_lingering(&mut self, now: Instant) {
        let waiting = self.queue.iter().filter(|job| job.reader_gone.is_some()).map(|job| job.turn);
        let running = match &self.state {
            State::Active(active) if active.lingers && active.reader_gone.is_some() => Some(active.turn),
            _ => None,
        };
        for turn in waiting.chain(running).collect::<Vec<_>>() {
            self.interrupt(now, Some(turn), TurnEnding::Interrupted(InterruptCause::ClientGone));
        }
    }

    pub(super) fn finish(&mut self, now: Instant, after: After) {
        let (running, waiting) = match after {
            After::Reset => (InterruptCause::Reset, InterruptCause::Reset),
            After::Close | After::Seal => (InterruptCause::Closed, InterruptCause::Closed),
            After::Shutdown | After::ShutdownNow => (InterruptCause::Shutdown, InterruptCause::ShutdownBeforeStart),
        };
        self.after = Some(self.after.map_or(after, |before| before.max_of(after)));
        for job in std::mem::take(&mut self.queue) {
            if waiting == InterruptCause::ShutdownBeforeStart && self.policy.lasting && job.reruns() {
                self.out.push(Effect::PutOff(job.turn));
            } else {
                self.end(job.turn, TurnEnding::Interrupted(waiting));
            }
        }
        if after != After::Shutdown
            && let Some((_, stopped)) = &mut self.behind
        {
            stopped.get_or_insert(TurnEnding::Interrupted(running));
        }
        match self.state {
            State::Active(_) if after != After::Shutdown => self.interrupt(now, None, TurnEnding::Interrupted(running)),
            State::Recalling { .. } | State::Waiting { .. } | State::Backoff { .. } => self.unwait(now),
            State::Starting { .. } => self.stop(now),
            State::Clearing { .. } if self.after != Some(After::Reset) => self.stop(now),
            State::Closed => self.out.push(Effect::Finished),
            _ => self.settle(now),
        }
    }

    /// Leaves the line for a place, or stops putting the start off, or wants nothing recalled any more.
    pub(super) fn unwait(&mut self, now: Instant) {
        if matches!(std::mem::replace(&mut self.state, State::NotLoaded), State::Waiting { .. }) {
            self.out.push(Effect::ReleasePlace);
        }
        self.settle(now);
    }

    /// Ends the process; the thread stays. An idle one remains marked as such until it is gone: its place is on the way
    /// to whoever waits for one, so that no second process is ended for the same newcomer.
    pub(super) fn stop(&mut self, now: Instant) {
        self.command(CommandKind::Detach);
        self.state = State::Stopping { since: now };
    }

    pub(super) fn finished(&mut self, now: Instant) {
        let Some(after) = self.after.take() else { return };
        match after {
            After::Reset => self.was_reset(now),
            After::Seal | After::Close | After::Shutdown | After::ShutdownNow => {
                self.record.closed |= after == After::Seal;
                self.state = State::Closed;
                self.forgotten = after == After::Close;
                self.out.push(if self.forgotten { Effect::Remove } else { Effect::Save });
                self.out.push(Effect::Finished);
            }
        }
    }
}

impl After {
    /// The one that goes further.
    fn max_of(self, other: Self) -> Self {
        let rank = |after: Self| match after {
            // Of these two the later one counts.
            Self::Reset | Self::Seal => 0,
            Self::Close => 1,
            Self::Shutdown => 2,
            Self::ShutdownNow => 3,
        };
        if rank(other) >= rank(self) { other } else { self }
    }
}
