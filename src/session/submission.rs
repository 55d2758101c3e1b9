//! Turns that are wanted, until the session has said whether it takes them.

use tokio::sync::oneshot;

use super::machine::{Denial, Job};
use super::registry::{Accepted, Submitted};
use crate::protocol::{BackendId, TurnId};

/// The answer to a submission.
pub(super) enum Reply<T> {
    /// Yes.
    Taken(T),
    /// No.
    Denied(Denial),
    /// The task was about to end: ask the next one.
    Moved(Box<Job>),
}

/// Whoever waits for that answer.
pub(super) enum Submitter {
    /// To read the turn.
    Reads(oneshot::Sender<Reply<Accepted>>),
    /// Only for the answer: the turn runs whether or not anybody reads it.
    Leaves(oneshot::Sender<Reply<Submitted>>),
}

/// A turn that the machine has not answered yet.
pub(super) struct Waiting {
    pub(super) turn: TurnId,
    pub(super) backend: BackendId,
    pub(super) input: String,
    pub(super) submitter: Submitter,
}

impl Submitter {
    /// No. Whoever asked may have left.
    pub(super) fn deny(self, denial: Denial) {
        match self {
            Self::Reads(reply) => drop(reply.send(Reply::Denied(denial))),
            Self::Leaves(reply) => drop(reply.send(Reply::Denied(denial))),
        }
    }

    /// The job goes back, to be given to the next task.
    pub(super) fn give_back(self, job: Box<Job>) {
        match self {
            Self::Reads(reply) => drop(reply.send(Reply::Moved(job))),
            Self::Leaves(reply) => drop(reply.send(Reply::Moved(job))),
        }
    }
}
