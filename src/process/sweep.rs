//! Ending what daemons that were killed have left running.

use std::fs;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;

use super::descendants::{self, Identity, Mark};
use super::error::ProcessError;
use super::os;
use super::records::{self, Found};

/// What a sweep found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Daemons that had died without cleaning up.
    pub dead_daemons: usize,
    /// Processes of theirs that were running and are ended.
    pub processes_ended: usize,
    /// Pids that could not be ended. Their records stay, for the next sweep to try.
    pub left: Vec<i32>,
}

/// Sweeps all dead daemons that have records below `root`, at the same time.
pub(super) async fn run(root: &Path, patience: Duration) -> Result<SweepReport, ProcessError> {
    let root = root.to_owned();
    let of_the_dead = tokio::task::spawn_blocking(move || records::of_the_dead(&root)).await;
    // The task fails only if the runtime ends, and then nobody sees what is returned here.
    let found = of_the_dead.unwrap_or_else(|_| Ok(Vec::new()))?;
    let mut report = SweepReport { dead_daemons: found.len(), ..SweepReport::default() };
    let boot_id = os::boot_id();
    let swept = found.into_iter().map(|found| sweep_one(found, &boot_id, patience));
    for ended in join_all(swept).await {
        report.processes_ended += ended.count;
        report.left.extend(ended.left);
    }
    Ok(report)
}

async fn sweep_one(found: Found, boot_id: &str, patience: Duration) -> descendants::Ended {
    let of_this_boot = found.children.iter().filter(|(_, record)| record.boot_id == boot_id);
    for (id, record) in of_this_boot.clone() {
        tracing::debug!(pid = id.pid, label = record.label, host = record.host_id, "recorded by a dead daemon");
    }
    let seeds: Vec<Identity> = of_this_boot.map(|(id, _)| *id).collect();
    // The mark finds those too that were never recorded, or whose record went with their parent.
    let mark = found.daemon.filter(|daemon| daemon.boot_id == boot_id);
    let mark = mark.map(|daemon| Mark::of_daemon(&daemon.instance));
    let ended = descendants::end(seeds, mark, Some(patience)).await;
    if ended.left.is_empty()
        && let Err(error) = fs::remove_dir_all(&found.directory)
    {
        tracing::debug!(directory = %found.directory.display(), %error, "the records of a dead daemon stay");
    }
    ended
}
