//! The environment variables of the table in the module's doc.

use std::{env, path::PathBuf};

/// The version that is claimed when none is set.
const VERSION: &str = "2.1.329";

/// What the environment asks for.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) version: String,
    pub(super) state: Option<PathBuf>,
    pub(super) log: Option<PathBuf>,
    pub(super) runs: Option<PathBuf>,
    pub(super) stamps: bool,
    pub(super) ready_fifo: Option<PathBuf>,
    pub(super) mode: Option<String>,
    pub(super) die_text: Option<String>,
    pub(super) faults: Vec<Fault>,
}

/// A fault of the whole process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    DieAtStart,
    HangAtStart,
    NeverReady,
    NoiseAtStart,
    FloodStderr,
    IgnoreEof,
    IgnoreTerm,
    IgnoreInterrupt,
    IgnoreClear,
}

/// `STAND_IN_FAULT` names a fault that does not exist.
#[derive(Debug, thiserror::Error)]
#[error("STAND_IN_FAULT names {0:?}; the faults are in the table in tests/support/stand_in/mod.rs")]
pub(super) struct UnknownFault(String);

impl Settings {
    /// Reads the environment.
    pub(super) fn from_env() -> Result<Self, UnknownFault> {
        let text = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let path = |name: &str| text(name).map(PathBuf::from);
        let applies = path("STAND_IN_FAULT_WHILE").is_none_or(|path| path.exists());
        let words = text("STAND_IN_FAULT").filter(|_| applies).unwrap_or_default();
        let words = words.split(',').map(str::trim).filter(|word| !word.is_empty());
        Ok(Self {
            version: text("STAND_IN_VERSION").unwrap_or_else(|| VERSION.to_owned()),
            state: path("STAND_IN_STATE"),
            log: path("STAND_IN_LOG"),
            runs: path("STAND_IN_RUNS"),
            stamps: text("STAND_IN_STAMPS").is_some_and(|value| value == "1"),
            ready_fifo: path("STAND_IN_READY_FIFO"),
            mode: text("STAND_IN_MODE"),
            die_text: text("STAND_IN_DIE_TEXT"),
            faults: words.map(Fault::from_word).collect::<Result<_, _>>()?,
        })
    }

    /// Whether a fault applies to this process.
    pub(super) fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// Whether this version has what came between 2.1.197 and 2.1.329, such as `text_not_typed`.
    pub(super) fn is_new(&self) -> bool {
        !self.version.starts_with("2.1.197")
    }
}

impl Fault {
    fn from_word(word: &str) -> Result<Self, UnknownFault> {
        Ok(match word {
            "die-at-start" => Self::DieAtStart,
            "hang-at-start" => Self::HangAtStart,
            "never-ready" => Self::NeverReady,
            "noise-at-start" => Self::NoiseAtStart,
            "flood-stderr" => Self::FloodStderr,
            "ignore-eof" => Self::IgnoreEof,
            "ignore-term" => Self::IgnoreTerm,
            "ignore-interrupt" => Self::IgnoreInterrupt,
            "ignore-clear" => Self::IgnoreClear,
            _ => return Err(UnknownFault(word.to_owned())),
        })
    }
}
