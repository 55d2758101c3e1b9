//! Why a configuration is refused, in sentences that say where the mistake stands and what to do.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a configuration is refused. No text holds a secret: neither API keys nor values of a backend's variables.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The process has no working directory.
    #[error("the working directory cannot be found ({0}); start turnmux from a folder that exists")]
    NoWorkingDirectory(#[source] io::Error),
    /// A file that was named is not there.
    #[error("there is no file {}, which {named_by} names; create it, or leave that out", path.display())]
    FileMissing {
        /// The file.
        path: PathBuf,
        /// The flag, variable or key that names it.
        named_by: &'static str,
    },
    /// A file is there, but cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    FileUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no TOML.
    #[error("line {line} of {} is no TOML: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line of the mistake, from 1.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
    /// A key that does not exist.
    #[error("unknown key `{key}` in {origin}; {hint}")]
    UnknownKey {
        /// The key with all its tables.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// The nearest key that exists, or all that could stand there.
        hint: String,
    },
    /// A key has a value that it cannot have.
    #[error("`{key}` in {origin}: {problem}")]
    Invalid {
        /// The key with all its tables.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// What is wrong with the value.
        problem: String,
    },
    /// A variable of turnmux's is no UTF-8.
    #[error("the environment variable {0} is not UTF-8 text; set it anew")]
    NotUnicode(String),
    /// Others than its owner may read the key file.
    #[error("others may read the key file {} (mode {mode:04o}); run: chmod 600 {}", path.display(), path.display())]
    KeyFileOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// An API key that is none.
    #[error("the API key {name}: {problem}")]
    BadKey {
        /// The variable, or the key's name and its file.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// One API key under two names: whose sessions it opens would be a guess.
    #[error("{first} and {second} are the same API key; every name needs a key of its own")]
    DuplicateKey {
        /// Where the key stood first.
        first: String,
        /// Where it stood again.
        second: String,
    },
    /// Other machines could reach a daemon that has no API key.
    #[error(
        "server.listen is {0}, which other machines can reach, and there is no API key; set TURNMUX_API_KEY or \
         server.key_file, or listen on 127.0.0.1"
    )]
    OpenWithoutKey(SocketAddr),
}

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: it is built in.
    Default,
    /// In this file, as people would write its path.
    File(String),
    /// In this environment variable.
    Variable(String),
    /// In this flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the defaults"),
            Self::File(file) => f.write_str(file),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}
