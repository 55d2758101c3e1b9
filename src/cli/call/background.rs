//! Starting the daemon that a call has not found.
//!
//! Calls that find none at the same time wait for each other at a lock, so that one starts it and the others find it. The
//! daemon says on its stdout that it listens, and that is what is waited for.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::time::timeout;

use super::progress::Progress;
use crate::cli::client::{Client, ClientError, Place};
use crate::config::Config;
use crate::process::start_detached;

/// How long the daemon may take to listen: it ends what a killed one has left behind before, and opens its store.
const START_MAX: Duration = Duration::from_mins(1);

/// A log larger than this, in bytes, is put aside when a daemon starts.
const LOG_BYTES_MAX: u64 = 16 << 20;

/// How much of the log is read for the reason of a failed start, in bytes.
const REASON_BYTES: u64 = 4 << 10;

/// Longest line that a daemon says where it listens in, in bytes.
const LINE_BYTES_MAX: u64 = 256;

/// Why no daemon could be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no folder for its log.
    #[error("there is no daemon, and none can be started: HOME is not set; start one with `turnmux serve`")]
    NoState,
    /// The folder of its log cannot be used.
    #[error("there is no daemon, and none can be started: {path}: {source}")]
    State {
        /// What cannot be used.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system does not start it.
    #[error("there is no daemon, and none can be started: {0}")]
    Refused(io::Error),
    /// It has ended.
    #[error("there is no daemon, and the one that was started ended at once: {reason} (its log is {log})")]
    Ended {
        /// Its last words.
        reason: String,
        /// Where the rest is.
        log: PathBuf,
    },
    /// It does not listen.
    #[error("the daemon that was started does not listen after {} s; its log is {log}", START_MAX.as_secs())]
    Slow {
        /// Where it may say why.
        log: PathBuf,
    },
    /// Another call starts one, and does not come to an end with it.
    #[error("another turnmux has been starting the daemon for {} s; `turnmux status` says how far it is", START_MAX.as_secs())]
    Busy,
}

/// Starts a daemon in the background, or waits for the one that somebody else is starting.
///
/// # Errors
/// When there is none in the end.
pub(super) async fn start(place: &Place, config: &Config, progress: &mut Progress) -> Result<Client, super::CallError> {
    progress.line("starting a daemon in the background; `turnmux stop` ends it");
    let state = config.state.as_deref().ok_or(StartError::NoState)?;
    let log = config.background_log().ok_or(StartError::NoState)?;
    let _turn = lock(state).await?;
    match place.connect().await {
        Err(ClientError::NoDaemon { .. }) => {}
        found => return Ok(found?),
    }
    launch(config, &log).await?;
    Ok(place.connect().await?)
}

async fn launch(config: &Config, log: &Path) -> Result<(), StartError> {
    let (file, old) = open_log(log).map_err(|source| StartError::State { path: log.to_owned(), source })?;
    let mut args = vec!["serve".into()];
    if let Some(file) = &config.file {
        args.extend(["--config".into(), file.clone().into_os_string()]);
    }
    // A shell's own directory may go away under a daemon, and is in the way where it is to be unmounted.
    let directory = std::env::home_dir().filter(|home| home.is_dir()).unwrap_or_else(|| "/".into());
    let stdout = start_detached(&args, &directory, file).map_err(StartError::Refused)?;
    let mut line = String::new();
    let mut stdout = BufReader::new(stdout.take(LINE_BYTES_MAX));
    match timeout(START_MAX, stdout.read_line(&mut line)).await {
        Err(_) => Err(StartError::Slow { log: log.to_owned() }),
        Ok(read) if read.is_ok() && line.starts_with("turnmux listening on ") => Ok(()),
        Ok(_) => Err(StartError::Ended { reason: last_words(log, old), log: log.to_owned() }),
    }
}

/// Waits for its turn. The lock goes with the file, however this process ends.
async fn lock(state: &Path) -> Result<File, StartError> {
    let path = state.join("start.lock");
    let broken = |source| StartError::State { path: path.clone(), source };
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true).mode(0o700).create(state).map_err(broken)?;
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(broken)?;
    // A thread that waits longer ends with the process.
    let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file));
    match timeout(START_MAX, locked).await {
        Err(_) => Err(StartError::Busy),
        Ok(locked) => locked.map_err(io::Error::other).flatten().map_err(broken),
    }
}

/// The log, to be written at its end; and how long it is already.
fn open_log(path: &Path) -> io::Result<(File, u64)> {
    if path.metadata().is_ok_and(|found| found.len() > LOG_BYTES_MAX) {
        std::fs::rename(path, path.with_extension("log.1"))?;
    }
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

/// What the daemon said last.
fn last_words(log: &Path, from: u64) -> String {
    use std::io::{Read as _, Seek as _};
    let mut text = Vec::new();
    let read = File::open(log).and_then(|mut file| {
        file.seek(io::SeekFrom::Start(from))?;
        file.take(REASON_BYTES).read_to_end(&mut text)
    });
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().rfind(|line| !line.trim().is_empty()).filter(|_| read.is_ok());
    line.map_or("it does not say why".to_owned(), |line| line.trim_start_matches("turnmux: ").to_owned())
}
