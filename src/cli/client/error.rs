//! Why a daemon could not be asked, or said no.

use std::fmt;

use crate::config::ConfigError;

/// What went wrong between a verb and the daemon; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address makes no sense, or cannot be used.
    #[error("{origin}: {problem}")]
    Url {
        /// Where it stands: `--url`, or the variable.
        origin: &'static str,
        /// What is wrong. The address itself is not repeated, for people write secrets into addresses.
        problem: UrlProblem,
    },
    /// The configuration, which says where the daemon is, makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There are several API keys, and nothing says which.
    #[error("the key file has several keys ({names}); say whose to use with --tenant, or set TURNMUX_API_KEY")]
    WhichKey {
        /// The tenants, parted by commas.
        names: String,
    },
    /// There is no key of that name.
    #[error("there is no API key `{tenant}`; the configuration has {names}")]
    NoSuchKey {
        /// What was asked for.
        tenant: String,
        /// The tenants, parted by commas.
        names: String,
    },
    /// Nothing listens there.
    #[error("no daemon at {address} ({source}); start one with `turnmux serve`, or say where it is with --url")]
    NoDaemon {
        /// Where it was looked for.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something listens there that is not turnmux.
    #[error(
        "another program has {address} ({said}); give the daemon another port with `turnmux serve --port`, and name it \
         with --url or `server.listen`"
    )]
    NotTurnmux {
        /// Where.
        address: String,
        /// What it did instead of telling its health.
        said: String,
    },
    /// The daemon's version is one that may speak otherwise.
    #[error(
        "the daemon at {address} is turnmux {theirs}, and this is {ours}; start it anew (`turnmux stop`, then \
         `turnmux serve`), or use its own program"
    )]
    OtherVersion {
        /// Where.
        address: String,
        /// The daemon's.
        theirs: String,
        /// This program's.
        ours: &'static str,
    },
    /// The daemon does not know the API key, or wants one.
    #[error("the daemon at {address} {}", wrong_key(*.sent))]
    WrongKey {
        /// Where.
        address: String,
        /// Whether one was sent.
        sent: bool,
    },
    /// The daemon refused.
    #[error("{message} ({code})")]
    Api {
        /// The HTTP status.
        status: u16,
        /// The error's code, as `/openapi.json` lists them.
        code: String,
        /// The daemon's own words.
        message: String,
    },
    /// The connection broke before the answer was there.
    #[error("the daemon at {address} went away meanwhile ({reason}); `turnmux status` says whether it is back")]
    Closed {
        /// Where it was.
        address: String,
        /// How that showed.
        reason: String,
    },
    /// The answer did not come.
    #[error("the daemon at {address} did not answer within {seconds} s; `turnmux logs` may say why")]
    Slow {
        /// Where.
        address: String,
        /// The limit.
        seconds: u64,
    },
    /// The answer makes no sense.
    #[error("the daemon at {address} answered what this turnmux does not understand: {problem}")]
    Unreadable {
        /// Where.
        address: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// What is wrong with an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UrlProblem {
    /// It is not `http://HOST:PORT`.
    NoUrl,
    /// It begins with `https://`.
    Tls,
    /// A user or password stands in it.
    Secret,
    /// There is a path behind the address.
    Path,
    /// Another machine's name.
    Far(String),
    /// Port 0 is a wish, not an address.
    NoPort,
}

impl fmt::Display for UrlProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUrl => f.write_str("it is no address of a daemon; write one such as http://127.0.0.1:7433"),
            Self::Tls => f.write_str(
                "https:// is not spoken here; bring the daemon near with a tunnel (ssh -L 7433:127.0.0.1:7433 HOST) and \
                 name its end, http://127.0.0.1:7433",
            ),
            Self::Secret => f.write_str("an address holds no password; the API key belongs into TURNMUX_API_KEY"),
            Self::Path => f.write_str("nothing but the address may stand in it, as in http://127.0.0.1:7433"),
            Self::Far(host) => write!(
                f,
                "{host} is not this machine, and http:// would show keys and conversations on the way; use a tunnel (ssh -L \
                 7433:127.0.0.1:7433 HOST) and name its end, http://127.0.0.1:7433"
            ),
            Self::NoPort => f.write_str(
                "port 0 lets the system choose one when the daemon starts; name the one that it said with --url",
            ),
        }
    }
}

impl ClientError {
    /// What programs know it by: the API's code where the daemon refused.
    pub fn code(&self) -> &str {
        match self {
            Self::Url { .. } | Self::WhichKey { .. } | Self::NoSuchKey { .. } => "usage",
            Self::Config(_) => "invalid_config",
            Self::NoDaemon { .. } => "no_daemon",
            Self::NotTurnmux { .. } => "not_turnmux",
            Self::OtherVersion { .. } => "other_version",
            Self::WrongKey { .. } => "invalid_api_key",
            Self::Api { code, .. } => code,
            Self::Closed { .. } => "connection_closed",
            Self::Slow { .. } => "no_answer",
            Self::Unreadable { .. } => "unreadable_answer",
        }
    }

    /// Whether it may be otherwise in a moment, as when a daemon is being started anew.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::NoDaemon { .. }
                | Self::NotTurnmux { .. }
                | Self::Closed { .. }
                | Self::Slow { .. }
                | Self::Api { status: 503, .. }
        )
    }

    /// The program's exit code for it: 1 failed, 2 usage, 3 no daemon, 4 refused, 5 not found, 6 not now.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Url { .. } | Self::Config(_) | Self::WhichKey { .. } | Self::NoSuchKey { .. } => 2,
            Self::NoDaemon { .. } | Self::NotTurnmux { .. } | Self::OtherVersion { .. } => 3,
            Self::WrongKey { .. } => 4,
            Self::Api { status, .. } => match status {
                400 | 413 | 422 => 2,
                401 | 403 | 421 => 4,
                404 => 5,
                409 | 410 | 429 => 6,
                _ => 1,
            },
            Self::Closed { .. } | Self::Slow { .. } | Self::Unreadable { .. } => 1,
        }
    }
}

fn wrong_key(sent: bool) -> &'static str {
    if sent {
        "does not know this API key; TURNMUX_API_KEY, or the key file in the configuration, has to hold one of its own"
    } else {
        "wants an API key; set TURNMUX_API_KEY to one of its own"
    }
}
