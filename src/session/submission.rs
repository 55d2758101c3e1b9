//! Turns that are wanted, until the session has said whether it takes them.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::machine::{Denial, Job};
use super::registry::{Accepted, Submitted};
use crate::protocol::{BackendId, Idempotency, TurnId, UserText};
use crate::store::{Rerun, TurnRecord};

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
    /// Nobody waits: a person has begun the turn in the agent's own terminal.
    Nobody,
    /// The turn was accepted before a restart.
    Restored { turn: Box<TurnRecord>, reply: oneshot::Sender<Reply<()>> },
}

/// A turn that the machine has not answered yet.
pub(super) struct Waiting {
    pub(super) turn: TurnId,
    pub(super) backend: BackendId,
    pub(super) said: UserText,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) name: Option<Idempotency>,
    pub(super) rerun: Option<Rerun>,
    pub(super) submitter: Submitter,
}

impl Waiting {
    pub(super) fn new(job: &Job, submitter: Submitter) -> Self {
        let Job { turn, request, directory, .. } = job;
        Self {
            turn: *turn,
            backend: job.spec.id.clone(),
            said: request.said(),
            tags: request.tags.clone(),
            name: request.idempotency.clone(),
            rerun: job.reruns().then(|| Rerun { request: request.clone(), directory: directory.clone() }),
            submitter,
        }
    }
}

impl Submitter {
    /// No. Whoever asked may have left.
    pub(super) fn deny(self, denial: Denial) {
        match self {
            Self::Nobody => {}
            Self::Reads(reply) => drop(reply.send(Reply::Denied(denial))),
            Self::Leaves(reply) => drop(reply.send(Reply::Denied(denial))),
            Self::Restored { reply, .. } => drop(reply.send(Reply::Denied(denial))),
        }
    }

    /// The job goes back, to be given to the next task.
    pub(super) fn give_back(self, job: Box<Job>) {
        match self {
            Self::Nobody => {}
            Self::Reads(reply) => drop(reply.send(Reply::Moved(job))),
            Self::Leaves(reply) => drop(reply.send(Reply::Moved(job))),
            Self::Restored { reply, .. } => drop(reply.send(Reply::Moved(job))),
        }
    }
}
