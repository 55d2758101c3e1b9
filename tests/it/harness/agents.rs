//! The agents: the real claude in two releases, and the stand-in.

use std::path::{Path, PathBuf};

/// A release of the real claude.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claude {
    /// The newest that was tried.
    Newest,
    /// An older one, which people still have.
    Older,
    /// The newest, in a terminal and through its channel.
    NewestInTerminal,
    /// The older one, in a terminal and through its channel.
    OlderInTerminal,
}

impl Claude {
    /// Both releases.
    pub(crate) const ALL: [Self; 2] = [Self::Newest, Self::Older];

    /// Whether it is spoken with through its channel.
    pub(crate) fn in_terminal(self) -> bool {
        matches!(self, Self::NewestInTerminal | Self::OlderInTerminal)
    }

    /// The program. Panics when it is not there: a test that needs it must not pass without it.
    pub(crate) fn path(self) -> PathBuf {
        let versions = include_str!("../../claude-versions");
        let mut versions = versions.lines().filter(|line| !line.starts_with('#'));
        let version = versions
            .nth(usize::from(matches!(self, Self::Older | Self::OlderInTerminal)))
            .expect("tests/claude-versions names two releases");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/claude").join(version).join("claude");
        assert!(path.exists(), "{} is not there: run scripts/test, or scripts/fetch-claude {version}", path.display());
        path
    }
}

/// The stand-in agent, which cargo builds with the tests.
pub(crate) fn stand_in() -> PathBuf {
    let programs = Path::new(env!("CARGO_BIN_EXE_turnmux")).parent().expect("the program lies in a folder");
    let path = programs.join("examples/stand-in-agent");
    assert!(path.exists(), "{} is not there: build the examples", path.display());
    path
}
