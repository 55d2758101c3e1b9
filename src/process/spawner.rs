//! The one thread that forks and reaps.
//!
//! It is a plain thread that lives as long as the supervisor, because the kernel sends a child its death signal when the
//! *thread* that forked it ends, and tokio's threads come and go. It reaps too, so a child cannot end unregistered, and
//! the standard library, which waits for a child whose exec failed, never finds it reaped.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::unistd::{AccessFlags, Pid, access, getpid};
use tokio::sync::{mpsc, oneshot};

use super::descendants;
use super::error::SpawnError;
use super::os;
use super::pty::{self, TerminalSize};
use super::supervisor::Core;
use super::table::{Registered, Table};

/// The environment variable that every child gets, with a value of its own, and that its descendants inherit.
pub const MARKER: &str = "TURNMUX_HOST";

/// What to start.
#[derive(Clone, Debug)]
pub struct SpawnRequest {
    /// The program. With a slash it is taken from `directory` if it is relative; without one it is looked up in the
    /// PATH of `env`. Better: what [`super::find_program`] gave.
    pub program: PathBuf,
    /// The arguments, the program's name excluded.
    pub args: Vec<OsString>,
    /// The whole environment: nothing is inherited. [`MARKER`] is added.
    pub env: Vec<(OsString, OsString)>,
    /// The working directory.
    pub directory: PathBuf,
    /// With a size, the child's standard streams are a terminal of its own and of this size; without, they are pipes.
    pub terminal: Option<TerminalSize>,
    /// What to call the child in logs and records. No secrets.
    pub label: String,
}

/// What the spawner thread is asked to do, in order.
pub(super) enum Request {
    /// Fork and exec.
    Spawn(Box<SpawnRequest>, oneshot::Sender<Result<Started, SpawnError>>),
    /// Somebody may have exited.
    Reap,
    /// Answer when everything asked earlier is done.
    Barrier(oneshot::Sender<()>),
}

/// A child that was just started. Dropped unclaimed, because whoever asked is gone, it is killed: it has done nothing.
pub(super) struct Started {
    pub(super) child: Arc<Registered>,
    pub(super) stdin: Option<OwnedFd>,
    pub(super) stdout: Option<OwnedFd>,
    pub(super) stderr: Option<OwnedFd>,
    /// The master, in place of the others.
    pub(super) terminal: Option<OwnedFd>,
    table: Option<Arc<Table>>,
}

impl Started {
    /// From here on the claimer answers for the child.
    pub(super) fn claim(&mut self) {
        self.table = None;
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(table) = &self.table {
            table.kill(&self.child);
        }
    }
}

/// Starts the thread. It ends when the last sender of the queue is dropped; `ended` is dropped then.
pub(super) fn start(core: Arc<Core>, queue: mpsc::Receiver<Request>, ended: oneshot::Sender<()>) -> io::Result<()> {
    let body = move || {
        run(&core, queue);
        drop(ended);
    };
    std::thread::Builder::new().name("turnmux-spawner".to_owned()).spawn(body).map(drop)
}

fn run(core: &Arc<Core>, mut queue: mpsc::Receiver<Request>) {
    while let Some(request) = queue.blocking_recv() {
        match request {
            Request::Spawn(request, answer) => {
                let outcome = spawn(core, *request);
                // A receiver that is gone drops what was started, which kills it.
                drop(answer.send(outcome));
            }
            Request::Reap => {
                for (child, status) in core.table.reap(core.config.adopt_orphans) {
                    core.exited(&child, status);
                }
            }
            Request::Barrier(answer) => drop(answer.send(())),
        }
    }
    end_the_rest(core);
}

fn spawn(core: &Core, request: SpawnRequest) -> Result<Started, SpawnError> {
    if core.table.is_closed() {
        return Err(SpawnError::ShuttingDown);
    }
    let host_id = core.next_host_id();
    let terminal = request.terminal.map(pty::open).transpose().map_err(explain_terminal)?;
    let (master, slave) = terminal.map(|pair| (pair.master, pair.slave)).unzip();
    let mut process = fork(&request, &host_id, slave).map_err(|error| explain(error, &request))?;
    let child = core.table.register(process.id() as i32, host_id, request.label);
    if let Some(records) = &core.records
        && let Err(error) = records.add(&child)
    {
        // The record only matters if the daemon is killed, and the death signal and the marker are there then too.
        tracing::warn!(pid = child.id.pid, %error, "no record of a child could be written");
    }
    tracing::debug!(pid = child.id.pid, label = child.label, host = child.host_id, "started a process");
    Ok(Started {
        child,
        stdin: process.stdin.take().map(OwnedFd::from),
        stdout: process.stdout.take().map(OwnedFd::from),
        stderr: process.stderr.take().map(OwnedFd::from),
        terminal: master,
        table: Some(Arc::clone(&core.table)),
    })
}

/// Returns when the program is running: the standard library waits for the exec, and reaps what could not exec.
/// The terminal's slave, if there is one, is open in the child alone then.
fn fork(request: &SpawnRequest, host_id: &str, slave: Option<OwnedFd>) -> io::Result<std::process::Child> {
    #[expect(clippy::disallowed_methods, reason = "this is the place that starts programs")]
    let mut command = Command::new(&request.program);
    command
        .args(&request.args)
        .env_clear()
        .envs(request.env.iter().map(|(name, value)| (name, value)))
        .env(MARKER, host_id)
        .current_dir(&request.directory);
    let has_terminal = slave.is_some();
    if let Some(slave) = slave {
        command.stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(slave);
    } else {
        // With a terminal the new session makes the group, and could not be made by the leader of one.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    }
    let parent = getpid();
    #[expect(unsafe_code, reason = "what happens between fork and exec can only be said this way")]
    // SAFETY: the closure calls only async-signal-safe functions and allocates nothing.
    unsafe {
        command.pre_exec(move || before_exec(parent, has_terminal));
    }
    command.spawn()
}

/// Runs in the child. The standard library has set up descriptors, directory and group.
fn before_exec(parent: Pid, has_terminal: bool) -> io::Result<()> {
    if has_terminal {
        pty::lead_session()?;
    }
    // What the daemon's own parent made it ignore (nohup: SIGHUP; a background job: SIGINT) a child would ignore too,
    // and a child that ignores or blocks SIGTERM unasked cannot be stopped in good order.
    SigSet::empty().thread_set_mask()?;
    for number in Signal::iterator() {
        #[expect(unsafe_code, reason = "setting a disposition is unsafe because handlers are")]
        // SAFETY: the default action is no handler. SIGKILL and SIGSTOP refuse, which is as it should be.
        let _ = unsafe { signal(number, SigHandler::SigDfl) };
    }
    os::prepare_child(parent)
}

fn explain(source: io::Error, request: &SpawnRequest) -> SpawnError {
    let program = request.program.clone();
    let errno = Errno::from_raw(source.raw_os_error().unwrap_or_default());
    if let Some(source) = directory_error(&request.directory) {
        return SpawnError::Directory { directory: request.directory.clone(), source };
    }
    match errno {
        // A bare name was looked up in PATH, and then there is no one file to look at.
        Errno::ENOENT if is_path(&program) && request.directory.join(&program).exists() => {
            SpawnError::InterpreterMissing { program }
        }
        Errno::ENOENT | Errno::ENOTDIR => SpawnError::ProgramNotFound { program },
        Errno::EACCES | Errno::EPERM | Errno::ENOEXEC | Errno::EISDIR => SpawnError::NotExecutable { program },
        Errno::EAGAIN | Errno::ENOMEM => SpawnError::NoMoreProcesses { source },
        Errno::EMFILE | Errno::ENFILE => SpawnError::NoMoreFiles { source },
        Errno::E2BIG => SpawnError::ArgumentsTooLong { program },
        _ if source.kind() == io::ErrorKind::InvalidInput => SpawnError::NulByte { program },
        _ => SpawnError::Other { program, source },
    }
}

fn explain_terminal(source: io::Error) -> SpawnError {
    match Errno::from_raw(source.raw_os_error().unwrap_or_default()) {
        Errno::EMFILE | Errno::ENFILE => SpawnError::NoMoreFiles { source },
        _ => SpawnError::NoTerminal { source },
    }
}

fn is_path(program: &Path) -> bool {
    program.as_os_str().as_encoded_bytes().contains(&b'/')
}

fn directory_error(directory: &Path) -> Option<io::Error> {
    match std::fs::metadata(directory) {
        Err(error) => Some(error),
        Ok(found) if !found.is_dir() => Some(Errno::ENOTDIR.into()),
        Ok(_) => access(directory, AccessFlags::X_OK).err().map(io::Error::from),
    }
}

/// Nobody is left to wait for anything, and perhaps no runtime to do it on: what is left is killed.
fn end_the_rest(core: &Core) {
    for child in core.table.running() {
        core.table.kill(&child);
        descendants::kill_now(&child.mark());
        child.exit.send_replace(Some(core.table.reap_patiently(&child)));
        if let Some(records) = &core.records {
            records.remove(&child);
        }
        core.table.settle(&child, 0);
    }
}
