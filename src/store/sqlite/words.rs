//! The words by which enums stand in the database. A word that was ever written is never given another meaning.

use crate::protocol::{AnsweredBy, ErrorKind, FileChangeKind, FinishReason, InterruptCause, WaitReason};
use crate::store::TurnStatus;

/// What stands in the database as one word.
pub(super) trait Word: Sized {
    /// The word for it.
    fn word(self) -> &'static str;
    /// What the word means.
    fn of(word: &str) -> Option<Self>;
}

macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl Word for $type {
            fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }

            fn of(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

words!(TurnStatus {
    Queued = "queued",
    InProgress = "in_progress",
    Completed = "completed",
    Interrupted = "interrupted",
    Failed = "failed",
});

words!(WaitReason { Queued = "queued", Capacity = "capacity", Starting = "starting" });

words!(FinishReason { Stop = "stop", Length = "length", ContentFilter = "content_filter" });

words!(FileChangeKind { Created = "created", Modified = "modified" });

words!(AnsweredBy {
    Client = "client",
    Session = "session",
    Limit = "limit",
    Terminal = "terminal",
    NobodyThere = "nobody_there",
    Interrupted = "interrupted",
});

words!(InterruptCause {
    Request = "request",
    ClientGone = "client_gone",
    Reset = "reset",
    Closed = "closed",
    Shutdown = "shutdown",
    ShutdownBeforeStart = "shutdown_before_start",
    Agent = "agent",
});

words!(ErrorKind {
    NotInstalled = "not_installed",
    NotSignedIn = "not_signed_in",
    StartFailed = "start_failed",
    Misconfigured = "misconfigured",
    AgentLost = "agent_lost",
    TimedOut = "timed_out",
    NoCapacity = "no_capacity",
    UpstreamAuth = "upstream_auth",
    UpstreamRateLimit = "upstream_rate_limit",
    UpstreamOverloaded = "upstream_overloaded",
    UpstreamFailed = "upstream_failed",
    UpstreamRejected = "upstream_rejected",
    ThreadNotFound = "thread_not_found",
    Conflict = "conflict",
    ModelRefused = "model_refused",
    ToolsUnreachable = "tools_unreachable",
    TurnLost = "turn_lost",
    StoreUnavailable = "store_unavailable",
});
