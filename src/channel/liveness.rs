//! Whether anybody is still there: silence, then a ping, then silence again means no.

use std::time::Duration;

use tokio::time::Instant;

/// See the module.
#[derive(Debug)]
pub(super) struct Liveness {
    /// Longest silence.
    every: Duration,
    deadline: Instant,
    pinged: bool,
}

/// What a silence means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// One has to ask.
    Ping,
    /// One has asked.
    Dead,
}

impl Liveness {
    pub(super) fn new(every: Duration, now: Instant) -> Self {
        Self { every, deadline: now + every, pinged: false }
    }

    /// Something has come.
    pub(super) fn heard(&mut self, now: Instant) {
        *self = Self::new(self.every, now);
    }

    /// When [`Liveness::silent`] is to be called, unless something comes.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The deadline is over.
    pub(super) fn silent(&mut self, now: Instant) -> Silence {
        if self.pinged {
            return Silence::Dead;
        }
        *self = Self { pinged: true, ..Self::new(self.every, now) };
        Silence::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_missed_pong_is_enough_and_any_frame_is_one() {
        let every = Duration::from_secs(30);
        let start = Instant::now();
        let mut alive = Liveness::new(every, start);
        assert_eq!(alive.deadline(), start + every);
        assert_eq!(alive.silent(start + every), Silence::Ping);
        assert_eq!(alive.deadline(), start + 2 * every);
        alive.heard(start + every + Duration::from_secs(1));
        assert_eq!(alive.deadline(), start + 2 * every + Duration::from_secs(1));
        assert_eq!(alive.silent(start + 3 * every), Silence::Ping);
        assert_eq!(alive.silent(start + 4 * every), Silence::Dead);
    }
}
