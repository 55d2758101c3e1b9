//! Watching by looking: for systems where the kernel would need a descriptor for every folder on the way.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// Between two looks. Whoever reads the file reads an answer that is being written, and a tenth of a second is not
/// felt.
const TICK: Duration = Duration::from_millis(100);

/// What tells a file from what it was: device, inode, length, and time of change in seconds and nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

#[derive(Debug)]
pub(super) struct Watch {
    path: PathBuf,
    seen: Option<Stamp>,
    ticks: Interval,
}

impl Watch {
    #[expect(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { seen: stamp(&path), path, ticks })
    }

    pub(super) async fn changed(&mut self) -> io::Result<()> {
        loop {
            self.ticks.tick().await;
            let now = stamp(&self.path);
            if now != self.seen {
                self.seen = now;
                return Ok(());
            }
        }
    }
}

fn stamp(path: &PathBuf) -> Option<Stamp> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}
