//! A daemon inside the call's own process, for `--alone`.
//!
//! What serves is none of the command line's business, so whoever puts the program together hands in how.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::CallError;
use crate::cli::client::{Client, Place};
use crate::config::{ApiKey, Config, Secret};
use crate::protocol::{TenantId, WorkspaceRoot};

/// Starts a daemon by its configuration, inside this process.
pub type Serve = fn(Config) -> BoxFuture<'static, anyhow::Result<Served>>;

/// A daemon that was started.
pub struct Served {
    /// Where it listens.
    pub address: SocketAddr,
    /// Serves until the sender of `stop` is used or dropped, and then stops in order.
    pub run: BoxFuture<'static, ()>,
    /// Has it stop.
    pub stop: oneshot::Sender<()>,
}

/// The daemon of one call.
pub(super) struct Alone {
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Alone {
    /// Starts one that keeps nothing, beside whatever other daemon there is, with a key that nobody else has.
    pub(super) async fn start(
        serve: Serve,
        mut config: Config,
        directory: Option<&Path>,
    ) -> Result<(Self, Client), CallError> {
        config.server.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        config.store.path = None;
        let key = Secret::generate();
        config.keys = vec![ApiKey { tenant: TenantId::local(), secret: key.clone() }];
        // Whoever may start a daemon may have it work anywhere.
        let root = directory.map(|path| WorkspaceRoot { path: path.to_owned(), hidden: true });
        config.server.workspace_roots.extend(root);
        let Served { address, run, stop } = serve(config).await.map_err(CallError::Alone)?;
        let alone = Self { stop, ended: tokio::spawn(run) };
        match Place::own(address, key).connect().await {
            Ok(client) => Ok((alone, client)),
            Err(error) => {
                alone.end().await;
                Err(error.into())
            }
        }
    }

    /// Stops it, and waits until nothing of it is left.
    pub(super) async fn end(self) {
        let _ = self.stop.send(());
        let _ = self.ended.await;
    }
}
