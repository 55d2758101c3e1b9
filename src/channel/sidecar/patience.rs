//! When to try again, and when to give up.

use std::time::Duration;

use tokio::time::Instant;

/// The second attempt comes this much after the first, which is made at once.
const DELAY_MIN: Duration = Duration::from_millis(50);
/// No attempt comes later than this after the one before.
const DELAY_MAX: Duration = Duration::from_secs(2);
/// How long a daemon may be away: long enough for a restart, short enough for the agent to show a dead channel as one.
const AWAY_MAX: Duration = Duration::from_mins(1);
/// A connection that lasted this long was a good one. A daemon that closes each at once is not, or we would spin.
const LASTING: Duration = DELAY_MAX;

/// Attempts since the last good connection.
#[derive(Debug)]
pub(super) struct Patience {
    away_since: Instant,
    next_delay: Duration,
}

impl Patience {
    /// From now on the daemon is away; the first attempt is due at once.
    pub(super) fn new() -> Self {
        Self { away_since: Instant::now(), next_delay: Duration::ZERO }
    }

    /// How long to wait before the next attempt; none when it has been enough.
    pub(super) fn next(&mut self) -> Option<Duration> {
        let delay = self.next_delay;
        self.next_delay = (delay * 2).clamp(DELAY_MIN, DELAY_MAX);
        (self.away_since.elapsed() + delay < AWAY_MAX).then_some(delay)
    }

    /// A connection that was made at this moment has been cut now.
    pub(super) fn was_connected(&mut self, since: Instant) {
        if since.elapsed() >= LASTING {
            *self = Self::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_attempt_is_at_once_and_the_last_within_a_minute() {
        let mut patience = Patience::new();
        let mut delays = Vec::new();
        let start = Instant::now();
        while let Some(delay) = patience.next() {
            delays.push(delay.as_millis());
            tokio::time::sleep(delay).await;
        }
        assert_eq!(delays[..8], [0, 50, 100, 200, 400, 800, 1600, 2000]);
        assert!(delays[8..].iter().all(|delay| *delay == 2000));
        assert!((Duration::from_secs(57)..AWAY_MAX).contains(&start.elapsed()), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_lasting_connection_counts() {
        let mut patience = Patience::new();
        assert_eq!(patience.next(), Some(Duration::ZERO));
        patience.was_connected(Instant::now());
        assert_eq!(patience.next(), Some(DELAY_MIN), "cut at once");
        let connected = Instant::now();
        tokio::time::sleep(AWAY_MAX * 2).await;
        patience.was_connected(connected);
        assert_eq!(patience.next(), Some(Duration::ZERO), "cut after a while");
    }
}
