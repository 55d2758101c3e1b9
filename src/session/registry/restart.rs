//! Turns that a daemon before this one left without an ending. One that its agent had, or may have had, is never run again.

use tokio::sync::oneshot;

use super::{Registry, until_kept};
use crate::protocol::{ErrorKind, Event, EventKind, InterruptCause, Logged, SessionKey, TurnEnding, TurnError, TurnId};
use crate::session::compose::Composer;
use crate::session::machine::Job;
use crate::session::submission::Submitter;
use crate::store::{Rerun, SessionRecord, StoreError, TurnRecord, Unfinished, Write};

/// Events that are read at a time.
const PAGE: usize = 1_000;

/// What became of them, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restarted {
    /// An agent had them: they have failed.
    pub lost: usize,
    /// They wait again.
    pub queued: usize,
    /// Their clients will ask again, or they cannot run any more.
    pub ended: usize,
}

impl Registry {
    /// Ends such turns, or has them wait again. Before anything else is asked of the sessions. `job` says what a turn needs
    /// to run, as for one that comes in now.
    ///
    /// # Errors
    /// When the store does not have or keep it.
    pub async fn restart(
        &self,
        job: impl Fn(&SessionKey, TurnId, Rerun) -> Result<Job, TurnError>,
    ) -> Result<Restarted, StoreError> {
        let mut done = Restarted::default();
        let (mut waiting, mut number) = (Vec::new(), 0);
        for Unfinished { turn, given, rerun } in self.inner.config.store.unfinished()? {
            #[cfg(feature = "broken")]
            if given && crate::broken::has(crate::broken::Fault::LostEnding) {
                continue;
            }
            let ending = match rerun {
                _ if given => {
                    done.lost += 1;
                    TurnEnding::Failed(lost())
                }
                Some(rerun) => match job(&turn.session, turn.id, rerun) {
                    Ok(job) => {
                        waiting.push((turn, job));
                        continue;
                    }
                    Err(error) => {
                        done.ended += 1;
                        TurnEnding::Failed(error)
                    }
                },
                None => {
                    done.ended += 1;
                    TurnEnding::Interrupted(InterruptCause::ClientGone)
                }
            };
            number = self.end(&turn, ending)?;
        }
        until_kept(&*self.inner.config.store, number).await?;
        // Only now: a session that has a task numbers its events itself.
        for (turn, job) in waiting {
            let restored = |reply: oneshot::Sender<_>| Submitter::Restored { turn: Box::new(turn.clone()), reply };
            match self.give(&turn.session, job, restored).await {
                Ok(()) => done.queued += 1,
                Err(denial) => tracing::error!(turn = %turn.id, %denial, "a turn that waited is not taken again"),
            }
        }
        Ok(done)
    }

    /// Ends a turn whose session has no task: what was said of a message without an end is its end.
    fn end(&self, turn: &TurnRecord, ending: TurnEnding) -> Result<u64, StoreError> {
        let store = &self.inner.config.store;
        let Some(record) = store.session(&turn.session)? else { return Ok(0) };
        let mut composer = Composer::default();
        let (mut after, last) = (turn.first_seq - 1, turn.last_seq.unwrap_or(0));
        while after < last {
            let page = store.events(&turn.session, after, PAGE)?;
            let Some(newest) = page.last() else { break };
            after = newest.seq;
            for logged in page.iter().filter(|logged| logged.turn == turn.id) {
                // The whole messages among these are there already.
                drop(composer.before(turn.id, &logged.kind));
            }
        }
        let ended = EventKind::Ended(ending);
        let mut kinds = composer.before(turn.id, &ended);
        kinds.push(ended);
        let mut seq = record.last_seq();
        let mut writes: Vec<_> = kinds
            .into_iter()
            .map(|kind| {
                seq += 1;
                Write::Event(Logged::now(Event { seq, turn: turn.id, kind }))
            })
            .collect();
        writes.insert(0, Write::Session(Box::new(SessionRecord { seq, reserved: seq, ..record })));
        Ok(store.write(writes))
    }
}

fn lost() -> TurnError {
    TurnError::new(
        ErrorKind::TurnLost,
        "turnmux ended while the agent had this turn; what the agent did until then is done, and was not done again: look at \
         it before you ask again",
    )
}
