//! The flags: the layer that beats all others.

use std::net::SocketAddr;
use std::path::PathBuf;

use figment::value::Value;

use super::Origin;
use super::layer::Layer;
use crate::protocol::Permission;

/// What flags say; none leaves the matter to the other layers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--config`: the file to read instead of looking for one.
    pub config: Option<PathBuf>,
    /// `--listen`: `server.listen`.
    pub listen: Option<String>,
    /// `--port`: the port of `server.listen`, wherever its address comes from; 0 lets the system choose.
    pub port: Option<u16>,
    /// `--permission`: of every backend, those that set one in the file included.
    pub permission: Option<Permission>,
    /// `--backend`: `default_backend`.
    pub backend: Option<String>,
    /// `--max-live`: `sessions.max_live`.
    pub max_live: Option<usize>,
    /// `--store`: `store.path`.
    pub store: Option<PathBuf>,
    /// `--ephemeral`: `store.ephemeral`.
    pub ephemeral: bool,
}

impl Overrides {
    /// The same for a daemon that was given a socket with this address: that counts, whatever else names one.
    #[must_use]
    pub fn on(self, address: SocketAddr) -> Self {
        Self { listen: Some(address.to_string()), port: None, ..self }
    }

    /// The flags that stand for one key each; `port` and `permission` do not, and come in when the layers are merged.
    pub(super) fn layers(&self) -> Vec<Layer> {
        let layer = |flag, path: &[&str], value| Layer::of_one(Origin::Flag(flag), path, value);
        [
            self.listen.as_deref().map(|listen| layer("--listen", &["server", "listen"], listen.into())),
            self.backend.as_deref().map(|backend| layer("--backend", &["default_backend"], backend.into())),
            self.max_live.map(|count| layer("--max-live", &["sessions", "max_live"], Value::from(count))),
            self.store
                .as_ref()
                .map(|path| layer("--store", &["store", "path"], path.to_string_lossy().as_ref().into())),
            self.ephemeral.then(|| layer("--ephemeral", &["store", "ephemeral"], true.into())),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
