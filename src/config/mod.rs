//! The configuration: what may be said, where it is looked for, and what comes of it.
//!
//! Four layers, of which the later one wins key by key:
//!
//! 1. the defaults, which stand in `schema.rs` beside the keys;
//! 2. one file, `turnmux.toml`: the one named by `--config`, else by `TURNMUX_CONFIG`, else the one in the working
//!    directory, else the one in `$XDG_CONFIG_HOME/turnmux` or `~/.config/turnmux`. The first one found counts;
//! 3. the environment: `TURNMUX_SERVER__HEARTBEAT=5s` is `server.heartbeat` (see `variables.rs` for what a value may be);
//! 4. the flags, as [`Overrides`].
//!
//! Each layer is checked alone before they are merged, so that a mistake is reported with the place where it stands. A
//! key that nobody knows is refused: a misspelt safety setting must not be a setting left out. Tables are merged key by
//! key, lists are replaced. Error texts name keys and places but no values of variables and no API keys.
//!
//! Nothing here names anything of the crate but `protocol`; `process` and `driver` get what they need as
//! [`BackendSpec`](crate::protocol::BackendSpec) and [`Limits`](crate::protocol::Limits).

mod backends;
mod diagnose;
mod environment;
mod error;
mod file;
mod key_file;
mod keys;
mod layer;
mod load;
mod overrides;
mod paths;
mod resolve;
mod schema;
mod settings;
mod template;
mod values;
mod variables;

#[cfg(test)]
mod tests;

pub use environment::Environment;
pub use error::{ConfigError, Origin};
pub use file::user_file;
pub use keys::{ApiKey, Secret};
pub use overrides::Overrides;
pub use paths::user_config;
pub use settings::{AgentSettings, CallSettings, Config, ServerSettings, SessionSettings, StoreSettings};
pub use template::template;
