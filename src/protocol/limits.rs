//! How long each wait may last. Every one is on unless its comment says otherwise.

use std::time::Duration;

/// The bounds that sessions and drivers keep; all from `[limits]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// From starting a process to its readiness.
    pub ready: Duration,
    /// From giving a turn to the agent to its first sign of life.
    pub first_event: Duration,
    /// From an interrupt to the end of its turn; then the process is ended.
    pub interrupt: Duration,
    /// From a control command (model, permission) to its acknowledgement.
    pub command: Duration,
    /// Without any event inside a turn; none is no limit, for tools may run for hours.
    pub silence: Option<Duration>,
    /// A whole turn; none is no limit.
    pub turn: Option<Duration>,
    /// A turn's wait for a process while `max_live` others are busy.
    pub capacity: Duration,
    /// A question's wait for its answer, while somebody listens who can give it.
    pub answer: Duration,
    /// A reader that takes nothing; then the turn goes on without it.
    pub reader_stall: Duration,
    /// From closing an agent's stdin to SIGTERM.
    pub stop_eof: Duration,
    /// From SIGTERM to SIGKILL.
    pub stop_term: Duration,
    /// One line of an agent's output, in bytes.
    pub line_bytes: usize,
    /// One request body, in bytes.
    pub body_bytes: usize,
    /// Events of all sessions that stand ready in memory for those who watch, in bytes, about; with nothing kept on disk, all.
    pub events_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // claude takes 0.4 s on a quiet machine and 2.5 s on a busy one; a cold disk takes far longer.
            ready: Duration::from_mins(1),
            // claude opens a turn within milliseconds, but reads a 10 MB prompt or a long history first.
            first_event: Duration::from_mins(2),
            // measured: tens of milliseconds, 1.5 s while a tool runs.
            interrupt: Duration::from_secs(10),
            // claude asks its service about a model name before it takes it.
            command: Duration::from_secs(30),
            silence: None,
            turn: None,
            capacity: Duration::from_mins(10),
            // long enough to take out a phone; claude itself waits for an hour.
            answer: Duration::from_mins(5),
            reader_stall: Duration::from_mins(1),
            stop_eof: Duration::from_secs(2),
            stop_term: Duration::from_secs(5),
            // peers fail at 1 MiB; a tool result with an image is tens of MiB.
            line_bytes: 64 << 20,
            body_bytes: 64 << 20,
            events_bytes: 32 << 20,
        }
    }
}
