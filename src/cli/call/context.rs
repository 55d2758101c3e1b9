//! What a call's turn sees of earlier ones, and where it runs: the headers that say so.

use std::path::{Path, PathBuf};

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use super::{CallArgs, CallError};
use crate::config::Config;

/// Whose configuration counts for calls without a session: `[agents.call]`.
const AGENT: &str = "call";

/// The folder that the turn runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// This one.
    Named(PathBuf),
    /// This one, unless the session is somewhere already.
    Here(PathBuf),
    /// The one that the configuration has for it.
    Configured,
}

impl Place {
    /// Where the call is to run, as its arguments, the configuration, and the shell's own directory say.
    ///
    /// # Errors
    /// When what the arguments name is no folder.
    pub(super) fn of(args: &CallArgs, config: Option<&Config>) -> Result<Self, CallError> {
        if let Some(named) = &args.directory {
            return folder(named).map(Self::Named);
        }
        if config.is_some_and(|config| has_place(config, args)) {
            return Ok(Self::Configured);
        }
        folder(Path::new(".")).map(Self::Here)
    }

    /// The folder, where one is named to the daemon.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Named(path) | Self::Here(path) => Some(path),
            Self::Configured => None,
        }
    }
}

fn folder(named: &Path) -> Result<PathBuf, CallError> {
    let wrong = |source| CallError::Directory { path: named.to_owned(), source };
    let path = named.canonicalize().map_err(wrong)?;
    if path.is_dir() { Ok(path) } else { Err(wrong(std::io::ErrorKind::NotADirectory.into())) }
}

/// Whether the configuration says where the call is to run.
fn has_place(config: &Config, args: &CallArgs) -> bool {
    let agent = args.session.as_deref().map_or(AGENT, |key| key.split("::").next().unwrap_or(key));
    let agent = config.agents.get(agent);
    let default = agent.and_then(|agent| agent.backend.as_ref()).unwrap_or(&config.default_backend);
    let backend = match args.backend.as_deref() {
        None => Some(default),
        Some(name) => config.aliases.get(name).or_else(|| config.backends.keys().find(|id| id.as_str() == name)),
    };
    let spec = backend.and_then(|id| config.backends.get(id));
    agent.is_some_and(|agent| agent.workspace.is_some()) || spec.is_some_and(|spec| spec.workspace.is_some())
}

/// The headers of a call's turn.
///
/// # Errors
/// When something cannot stand in a header.
pub(super) fn headers(args: &CallArgs, place: &Place) -> Result<HeaderMap, CallError> {
    let mut headers = HeaderMap::new();
    let mut add = |name: &'static str, value: &[u8], what: &'static str| {
        let value = HeaderValue::from_bytes(value).map_err(|_| CallError::NoHeader { what })?;
        headers.insert(HeaderName::from_static(name), value);
        Ok::<_, CallError>(())
    };
    add("x-turnmux-events", if args.json_stream { b"all" } else { b"passive" }, "")?;
    if let Some(session) = &args.session {
        add("x-turnmux-session", session.as_bytes(), "--session")?;
    } else {
        add("x-turnmux-isolation", b"call", "")?;
        if args.no_clear {
            add("x-turnmux-keep", b"true", "")?;
        }
    }
    if let Some(model) = &args.model {
        add("x-turnmux-model", model.as_bytes(), "--model")?;
    }
    if let Some(path) = place.path() {
        add("x-turnmux-workspace", path.as_os_str().as_encoded_bytes(), "--directory")?;
    }
    Ok(headers)
}
