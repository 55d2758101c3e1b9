//! What can go wrong with processes, in sentences that say what to do.

use std::io;
use std::path::PathBuf;

/// Why the supervisor itself could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is no tokio runtime to run on.
    #[error("processes need a tokio runtime with I/O and time: start the supervisor from within one")]
    NoRuntime,
    /// SIGCHLD cannot be listened to.
    #[error("cannot listen for the exits of children (SIGCHLD): {0}")]
    Signals(#[source] io::Error),
    /// The kernel does not make this process the parent of orphans.
    #[error("cannot adopt orphaned descendants (PR_SET_CHILD_SUBREAPER): {0}")]
    Adopt(#[source] io::Error),
    /// The thread that forks could not be started.
    #[error("cannot start the thread that starts processes: {0}")]
    Thread(#[source] io::Error),
    /// The records directory cannot be used.
    #[error("cannot use the process records in {path}: {source}; check the directory's owner and free space")]
    Records {
        /// The file or directory that was tried.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else could have written the records, which say which processes to end.
    #[error("the process records directory {path} must belong to you and be writable by you alone (chmod 700)")]
    RecordsNotPrivate {
        /// The directory.
        path: PathBuf,
    },
}

/// Why a child could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// There is no such program.
    #[error("the program {program} was not found: install it, or correct its path or PATH")]
    ProgramNotFound {
        /// The program as it was asked for.
        program: PathBuf,
    },
    /// The file is there, and what it needs to run is not.
    #[error(
        "{program} cannot run because its interpreter is missing: install what its first line (#!) or its loader names"
    )]
    InterpreterMissing {
        /// The program as it was asked for.
        program: PathBuf,
    },
    /// The file is there and may not, or cannot, be executed.
    #[error("{program} is not executable: make it so (chmod +x), or check that it was built for this machine")]
    NotExecutable {
        /// The program as it was asked for.
        program: PathBuf,
    },
    /// The working directory is missing, no directory, or closed to us.
    #[error("the working directory {directory} cannot be entered ({source}): create it, or choose another")]
    Directory {
        /// The directory as it was asked for.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The kernel refuses one more process.
    #[error("the system allows no more processes or memory ({source}): stop some, or raise ulimit -u or TasksMax")]
    NoMoreProcesses {
        /// What the system said.
        source: io::Error,
    },
    /// The kernel gives no pseudo-terminal.
    #[error("no terminal can be had ({source}): close some, raise kernel.pty.max, or see that /dev/pts is mounted")]
    NoTerminal {
        /// What the system said.
        source: io::Error,
    },
    /// There are no file descriptors for the child's pipes or its terminal.
    #[error("too many open files for one more process ({source}): raise ulimit -n or LimitNOFILE")]
    NoMoreFiles {
        /// What the system said.
        source: io::Error,
    },
    /// Arguments and environment together, or one of them, are too long.
    #[error("the arguments and environment of {program} are too long for the system: shorten them")]
    ArgumentsTooLong {
        /// The program as it was asked for.
        program: PathBuf,
    },
    /// A string cannot be passed to a program.
    #[error("an argument or environment variable for {program} contains a NUL byte: remove it")]
    NulByte {
        /// The program as it was asked for.
        program: PathBuf,
    },
    /// The supervisor is being shut down.
    #[error("no process is started any more: turnmux is shutting down")]
    ShuttingDown,
    /// Anything else.
    #[error("{program} could not be started: {source}")]
    Other {
        /// The program as it was asked for.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
