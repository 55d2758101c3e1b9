//! Faults on purpose, for one check alone: that the checker of `tests/it/crash` finds them. No other build than one with the
//! feature `broken` has any of this.

use std::sync::OnceLock;
use std::time::Duration;

/// How long each commit is put off under [`Fault::AckBeforeCommit`], so that a daemon is killed before it.
const COMMIT: Duration = Duration::from_millis(20);

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing waits until it is kept.
    AckBeforeCommit,
    /// That an agent was given a turn is not kept, so that it is given again after a restart.
    RerunLost,
    /// What was accepted last begins first.
    Lifo,
    /// Turns that were lost get no ending.
    LostEnding,
}

/// Whether this daemon has that fault: `TURNMUX_BROKEN` names it.
pub(crate) fn has(fault: Fault) -> bool {
    static CHOSEN: OnceLock<Option<Fault>> = OnceLock::new();
    *CHOSEN.get_or_init(|| match &*std::env::var("TURNMUX_BROKEN").ok()? {
        "ack_before_commit" => Some(Fault::AckBeforeCommit),
        "rerun_lost" => Some(Fault::RerunLost),
        "lifo" => Some(Fault::Lifo),
        "lost_ending" => Some(Fault::LostEnding),
        _ => None,
    }) == Some(fault)
}

/// Puts a commit off where that is the fault.
pub(crate) fn put_off_commit() {
    if has(Fault::AckBeforeCommit) {
        #[expect(clippy::disallowed_methods, reason = "a thread of the store's own, in a build that nobody uses")]
        std::thread::sleep(COMMIT);
    }
}
