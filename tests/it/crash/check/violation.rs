//! What can be wrong.

use std::fmt;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::crash) struct Violation {
    pub(in crate::crash) kind: Kind,
    /// The turn, the text or the session that it is about.
    pub(in crate::crash) about: String,
    /// What was found.
    pub(in crate::crash) found: String,
}

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::crash) enum Kind {
    /// A client was told that its turn was accepted, and nothing is known of it.
    AcceptedLost,
    /// One request is two turns.
    AcceptedTwice,
    /// Another text than the client's.
    OtherText,
    /// An accepted turn has no ending.
    NoEnding,
    /// A turn has two endings, or goes on behind its ending.
    BehindEnding,
    /// A client saw another ending than the one that is kept.
    OtherEnding,
    /// A client saw another answer than the one that is kept.
    OtherAnswer,
    /// A turn that should run after a restart was ended in its place.
    NotRun,
    /// An agent was given a turn twice.
    RunTwice,
    /// An agent was given what was never accepted.
    RunUnknown,
    /// A turn ran after a restart though nobody waited for it any more.
    RunUnwanted,
    /// A turn is said to have completed, and no agent ran it to its end.
    NeverRun,
    /// Turns of a session began in another order than that of their acceptance.
    OutOfOrder,
    /// Two turns of a session ran at the same time.
    Overlap,
    /// Two events have one number, or numbers do not rise.
    NumberTwice,
    /// Events are left out where nothing was killed, or without a word.
    Gap,
    /// An event that a client relied on is not kept.
    EventLost,
    /// A watcher that comes back is told that it has seen the future.
    Denied,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {}: {}", self.kind, self.about, self.found)
    }
}
