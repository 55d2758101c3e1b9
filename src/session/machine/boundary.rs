//! Where a conversation begins anew, by the caller's count or because a turn wants a clean context, and what of the session
//! is settled for the turns before and behind that.
//!
//! Turns of the old conversation that wait are still given to the old thread: the new one begins when the first turn of the
//! new conversation has come to the front of the queue.

use std::path::Path;

use super::{Denial, Effect, Job, Machine};
use crate::protocol::{ErrorKind, ThreadId, TurnEnding, TurnError};

/// What a turn must agree with to join a conversation.
pub(super) struct Settled<'a> {
    pub(super) thread: &'a ThreadId,
    pub(super) driver: &'a str,
    pub(super) directory: &'a Path,
}

impl Machine {
    /// What is settled for a job that comes in now; nothing for one that begins a conversation.
    ///
    /// # Errors
    /// When the job continues a conversation that was given up.
    pub(super) fn settled_for(&self, job: &Job) -> Result<Option<Settled<'_>>, Denial> {
        let mut boundary = self.record.boundary;
        let mut beginning = None;
        for waiting in &self.queue {
            if is_free(boundary, waiting) {
                beginning = Some(waiting);
            }
            boundary = waiting.request.boundary.or(boundary);
        }
        if let (Some(known), Some(wanted)) = (boundary, job.request.boundary)
            && wanted < known
            && !(begins(job) && boundary == self.record.boundary)
        {
            return Err(Denial::EarlierConversation { known });
        }
        if is_free(boundary, job) {
            return Ok(None);
        }
        Ok(match beginning {
            Some(first) => Some(Settled {
                thread: first.request.thread.as_ref().unwrap_or(&self.planned),
                driver: first.driver.name(),
                directory: &first.directory,
            }),
            None if self.bound() => Some(Settled { thread: self.thread(), ..self.recorded() }),
            None => None,
        })
    }

    /// Settles which thread the turn at the front belongs to; turns that fit none are ended. True when the thread is
    /// another one than before.
    pub(super) fn enter(&mut self) -> bool {
        while let Some(mut job) = self.queue.pop_front() {
            let crosses = crosses(self.record.boundary, &job);
            let is_free = is_free(self.record.boundary, &job);
            let renews = std::mem::take(&mut job.request.renew) && self.record.thread.is_some();
            // It was looked at when it came in; what was to begin a conversation before it may have been stopped since.
            if !is_free && let Some(denial) = self.recorded().refuse(&job) {
                self.end(job.turn, TurnEnding::Failed(TurnError::new(ErrorKind::Conflict, denial.to_string())));
                continue;
            }
            if crosses || renews {
                self.begin_anew();
            }
            if is_free {
                self.bind(&job);
                self.out.push(Effect::Save);
            }
            if job.request.boundary.is_some() && job.request.boundary != self.record.boundary {
                self.record.boundary = job.request.boundary;
                self.out.push(Effect::Save);
            }
            self.queue.push_front(job);
            return crosses || renews;
        }
        false
    }

    /// Gives the thread up. What comes in from now on belongs to the next one.
    pub(super) fn begin_anew(&mut self) {
        self.record.begin_anew();
        self.anew = None;
        if let Some(attached) = &mut self.attached {
            attached.thread = self.planned.clone();
        }
        self.out.push(Effect::Save);
    }

    /// Makes thread, driver and directory those that the job wants.
    pub(super) fn bind(&mut self, job: &Job) {
        self.record.thread.clone_from(&job.request.thread);
        // Whoever names a thread means one with something in it.
        self.record.answered = job.request.thread.is_some();
        self.record.first_turn = None;
        self.record.directory.clone_from(&job.directory);
        job.driver.name().clone_into(&mut self.record.driver);
    }

    /// Whether the session's thread, driver and directory are settled: it has a thread, or is about to.
    pub(super) fn bound(&self) -> bool {
        // A process whose context was cleared binds nobody: it is ended where it does not suit.
        let is_held = self.attached.as_ref().is_some_and(|attached| !attached.cleared) || self.active().is_some();
        self.record.thread.is_some() || is_held || !self.queue.is_empty()
    }

    /// The thread that a turn at the front finds.
    fn held(&self) -> &ThreadId {
        self.resumable().or(self.attached.as_ref().map(|attached| &attached.thread)).unwrap_or(&self.planned)
    }

    fn recorded(&self) -> Settled<'_> {
        Settled { thread: self.held(), driver: &self.record.driver, directory: &self.record.directory }
    }
}

impl Settled<'_> {
    /// Why the job cannot join, if it cannot.
    pub(super) fn refuse(&self, job: &Job) -> Option<Denial> {
        if job.request.thread.as_ref().is_some_and(|wanted| wanted != self.thread) {
            return Some(Denial::OtherThread { bound: self.thread.clone() });
        }
        if job.driver.name() != self.driver {
            return Some(Denial::OtherDriver {
                bound: self.driver.to_owned(),
                wanted: job.spec.id.to_string(),
                driver: job.driver.name().to_owned(),
            });
        }
        if job.request.workspace.as_ref().is_some_and(|wanted| wanted != self.directory) {
            return Some(Denial::OtherDirectory { bound: self.directory.to_owned() });
        }
        None
    }
}

/// Whether the job's conversation is another one than that of the boundary. Callers that do not count have one only.
pub(super) fn crosses(boundary: Option<u64>, job: &Job) -> bool {
    match (boundary, job.request.boundary) {
        (Some(known), Some(wanted)) => wanted < known || (wanted > known && !job.request.keeps_thread),
        _ => false,
    }
}

/// Whether the job need not agree with what is settled: its conversation is another one, or it is a call for which nothing
/// counts that was there before, which runs where it wants to, and over what.
fn is_free(boundary: Option<u64>, job: &Job) -> bool {
    crosses(boundary, job) || (job.request.renew && job.request.call.is_some())
}

/// Whether nothing came before the job in its caller's conversation. One that begins with a lower count is a new one, for
/// the count starts again with each of the caller's sessions; one that goes on is left over from before.
fn begins(job: &Job) -> bool {
    job.request.history.is_empty() && !job.request.keeps_thread && job.request.retry.is_none()
}
