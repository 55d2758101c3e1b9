//! What goes into the machine and what comes out.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::acting::{Act, Acted, AskId, Refused};
use crate::driver::{Command, Driver, DriverEvent, OpenRequest};
use crate::protocol::{
    BackendId, BackendSpec, EventKind, HistoryMessage, Limits, LostThread, ThreadId, TurnError, TurnId, TurnRequest,
};
use crate::store::StoreError;

/// The numbers that a session goes by.
#[derive(Debug, Clone)]
pub struct Policy {
    /// How long waits may last.
    pub limits: Limits,
    /// After this long without a turn the process is ended; the thread stays.
    pub idle_timeout: Duration,
    /// The same for a session that nobody named.
    pub unnamed_idle_timeout: Duration,
    /// Turns that may wait.
    pub queue_max: usize,
    /// How long a turn goes on after its reader has left.
    pub disconnect_grace: Duration,
    /// The same for a turn whose client may come back for its answer.
    pub linger: Duration,
    /// What becomes of a session whose agent does not know its thread any more.
    pub lost_thread: LostThread,
    /// Sessions outlive the daemon, and turns that wait in them may.
    pub lasting: bool,
}

/// A turn that somebody wants, with everything that it needs.
#[derive(Clone)]
pub struct Job {
    /// Its id.
    pub turn: TurnId,
    /// What is wanted.
    pub request: TurnRequest,
    /// By whom.
    pub spec: Arc<BackendSpec>,
    /// Over what.
    pub driver: Arc<dyn Driver>,
    /// Where a new session's agent runs: the request's workspace, or the default for it.
    pub directory: PathBuf,
    /// Since when nobody reads it.
    pub reader_gone: Option<Instant>,
    /// It may become a steer of the running turn instead, where the driver can do that.
    pub steers: bool,
    /// It runs whether or not anybody reads it.
    pub detached: bool,
    /// Whoever submitted it was told the thread that the session has planned, and not that it may become another.
    pub promised: bool,
}

impl Job {
    /// A turn that somebody reads.
    pub fn new(request: TurnRequest, spec: Arc<BackendSpec>, driver: Arc<dyn Driver>, directory: PathBuf) -> Self {
        let turn = TurnId::generate();
        Self {
            turn,
            request,
            spec,
            driver,
            directory,
            reader_gone: None,
            steers: false,
            detached: false,
            promised: false,
        }
    }

    /// Whether it runs after a restart, should the daemon go down before its time has come. Who reads any other is told, and
    /// asks again. One whose caller offers tools does not: their keys are kept nowhere.
    pub fn reruns(&self) -> bool {
        (self.detached || self.request.idempotency.is_some()) && self.request.mcp.is_empty()
    }
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What people say is nobody else's to read in a log.
        f.debug_struct("Job").field("turn", &self.turn).field("backend", &self.spec.id).finish_non_exhaustive()
    }
}

/// Why a turn is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// As many turns wait as may.
    #[error("{queue_max} turns of this session wait already (`sessions.queue_max`); try again when some are done")]
    QueueFull {
        /// The bound.
        queue_max: usize,
    },
    /// A request that repeats another by name says something else.
    #[error(
        "the Idempotency-Key `{key}` belongs to another request; repeat that one exactly, or give this one a key of its own"
    )]
    OtherRequest {
        /// The name.
        key: String,
    },
    /// The session is being closed.
    #[error("this session is being closed")]
    Closing,
    /// The store keeps nothing at present.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The session was closed, and is kept as it was.
    #[error(
        "this session was closed; reset it (POST /v1/sessions/KEY/reset) to open it again, or forget it (DELETE \
         /v1/sessions/KEY)"
    )]
    Closed,
    /// The daemon is going down.
    #[error("turnmux is shutting down")]
    ShuttingDown,
    /// The thread belongs to another kind of agent.
    #[error(
        "this session's conversation is held by driver `{bound}`, and model `{wanted}` needs driver `{driver}`; reset the \
         session (POST /v1/chat/session/reset) to start anew with it, or name another session"
    )]
    OtherDriver {
        /// The session's driver.
        bound: String,
        /// The backend that was asked for.
        wanted: String,
        /// Its driver.
        driver: String,
    },
    /// The thread belongs to another directory.
    #[error(
        "this session's agent runs in {bound}, and a conversation cannot move; reset the session (POST \
         /v1/chat/session/reset) to start anew in another workspace, or name another session"
    )]
    OtherDirectory {
        /// The session's directory.
        bound: PathBuf,
    },
    /// The session's conversation has begun anew since.
    #[error(
        "this session is at boundary {known} of its caller's conversation, and the request continues an earlier one; name \
         another session for it"
    )]
    EarlierConversation {
        /// The newest boundary that was seen.
        known: u64,
    },
    /// The session has another thread.
    #[error(
        "this session already has thread {bound}; reset it (POST /v1/chat/session/reset) before it takes up another"
    )]
    OtherThread {
        /// The session's thread.
        bound: ThreadId,
    },
}

/// Something that happened to the session.
#[derive(Debug)]
pub enum Input {
    /// A turn is wanted.
    Submit(Box<Job>),
    /// A client wants something done, and an answer.
    Act {
        /// Named in the answer.
        ask: AskId,
        /// What.
        act: Act,
    },
    /// Somebody who can answer questions listens, or nobody does any more.
    Listening(bool),
    /// The place for a process that was asked for is there.
    PlaceGranted,
    /// No place is free; the session stands in line for one.
    PlaceBusy,
    /// The attachment says something.
    Driver(DriverEvent),
    /// Somebody wants the running turn, or the one named, stopped.
    Interrupt {
        /// Which; none is the running one.
        turn: Option<TurnId>,
    },
    /// Nobody reads this turn any more.
    ReaderGone(TurnId),
    /// Somebody reads this turn again.
    ReaderBack(TurnId),
    /// A slow reader holds up the agent, or does no longer.
    Held(bool),
    /// The place is wanted by another session.
    Retire,
    /// The session is to end, in one way or another.
    Finish(After),
    /// The conversation that was asked for, or why it cannot be had.
    Recalled {
        /// As in [`Effect::Recall`].
        number: u64,
        /// What was kept of it.
        result: Result<Recalled, TurnError>,
    },
    /// The store did not keep that the turn was accepted: it never was.
    Unkept {
        /// Which turn.
        turn: TurnId,
        /// Why.
        error: TurnError,
    },
    /// The deadline has come.
    Tick,
}

/// A conversation as it was kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recalled {
    /// Its newest messages, oldest first.
    pub messages: Vec<HistoryMessage>,
    /// There were more before them.
    pub is_cut: bool,
}

/// What follows when the process is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The session goes on with a new thread.
    Reset,
    /// The session takes nothing more until it is reset; it is not forgotten.
    Seal,
    /// The session is forgotten.
    Close,
    /// The daemon goes down: the running turn may finish.
    Shutdown,
    /// The daemon goes down now.
    ShutdownNow,
}

/// Something that the session's task is to do.
#[derive(Debug)]
pub enum Effect {
    /// Tell the submitter yes.
    Accept {
        /// Which turn.
        turn: TurnId,
        /// The thread that it will belong to, as far as is known.
        thread: ThreadId,
        /// The agent is yet to say that it knows that thread: it may become another when the turn begins, which it is the
        /// next to do.
        is_provisional: bool,
    },
    /// Tell the submitter no.
    Deny {
        /// Which turn.
        turn: TurnId,
        /// Why.
        denial: Denial,
    },
    /// Tell the submitter that its turn became a steer of another.
    Joined {
        /// The turn that is none.
        turn: TurnId,
        /// The one that it steers.
        into: TurnId,
        /// The thread of that.
        thread: ThreadId,
    },
    /// A person has begun this turn in the agent's own terminal.
    Typed {
        /// Which turn.
        turn: TurnId,
        /// Whose agent it is.
        backend: BackendId,
        /// Its thread.
        thread: ThreadId,
        /// What was typed.
        text: String,
    },
    /// It became none: submit it once more, when all other effects are carried out.
    Again(Box<Job>),
    /// Tell whoever asked what came of it.
    Reply {
        /// Who asked.
        ask: AskId,
        /// What came of it.
        result: Result<Acted, Refused>,
    },
    /// Ask for a place for a process.
    AcquirePlace,
    /// Give the place back, or leave the line for one.
    ReleasePlace,
    /// Tell the capacity whether this session's process could be ended for another's.
    MarkIdle(bool),
    /// Open an attachment.
    Open {
        /// Over this driver.
        driver: DriverRef,
        /// To this.
        request: OpenRequest,
    },
    /// Let go of an attachment that does not end.
    DropAttachment,
    /// Give the attachment a command.
    Command(Command),
    /// Give the turn's reader an event.
    Emit(TurnId, EventKind),
    /// The turn is not run now but when the daemon runs again: its reader ends.
    PutOff(TurnId),
    /// Find out what was said from this turn on, and say so by [`Input::Recalled`].
    Recall {
        /// Counted up: only the last answer counts.
        number: u64,
        /// The turn with which the conversation began.
        first: TurnId,
    },
    /// Keep the record as it is now.
    Save,
    /// Forget the record.
    Remove,
    /// Tell whoever waits that the end asked for is reached.
    Finished,
}

/// A driver inside an effect.
#[derive(Clone)]
pub struct DriverRef(pub Arc<dyn Driver>);

impl std::fmt::Debug for DriverRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name())
    }
}
