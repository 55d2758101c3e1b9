//! The session's one timer: the earliest of the limits that its state is under.

use std::time::Instant;

use super::Machine;
use super::core::State;

impl Machine {
    /// When [`super::Input::Tick`] is due. While a reader presses back, the limits on the agent's silence rest.
    pub fn deadline(&self) -> Option<Instant> {
        let limits = &self.policy.limits;
        match &self.state {
            State::NotLoaded | State::Closed => None,
            State::Backoff { until } => Some(*until),
            State::Waiting { since } => Some(*since + limits.capacity),
            State::Starting { since } => Some(*since + limits.ready),
            State::Idle { since } => Some(*since + self.idle_timeout()),
            State::Interrupting { since, .. } => Some(*since + limits.interrupt),
            State::Stopping { since } => Some(*since + self.stop_limit()),
            State::Active(active) => [
                (!active.begun && !self.held).then(|| active.since + limits.first_event),
                limits.silence.filter(|_| !self.held).map(|limit| active.last + limit),
                limits.turn.map(|limit| active.since + limit),
                active.reader_gone.map(|gone| gone + self.policy.disconnect_grace),
            ]
            .into_iter()
            .flatten()
            .min(),
        }
    }
}
