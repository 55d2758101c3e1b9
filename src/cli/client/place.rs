//! Where a daemon is, and with which key it is spoken to.

use std::net::SocketAddr;

use hyper::header::HeaderValue;

use super::{Client, ClientError};
use crate::config::{Config, Secret};

/// What says where the daemon is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The flag `--url`.
    Flag,
    /// The variable `TURNMUX_URL`.
    Variable,
    /// `server.listen` of the configuration, its default included. Here a daemon may be started when there is none.
    Config,
}

/// Where a daemon is to be.
#[derive(Debug, Clone)]
pub struct Place {
    /// To be tried in this order; never empty.
    pub(super) addresses: Vec<SocketAddr>,
    /// What stands in `Host`.
    pub(super) host: String,
    pub(super) key: Option<Secret>,
    pub(super) source: Source,
    /// The configuration, where it was read on the way.
    pub(super) config: Option<Box<Config>>,
}

impl Place {
    /// A daemon that this process has started for itself, with a key that it alone has.
    pub fn own(address: SocketAddr, key: Secret) -> Self {
        Self {
            addresses: vec![address],
            host: address.to_string(),
            key: Some(key),
            source: Source::Config,
            config: None,
        }
    }

    /// A daemon at this address that was just started, say; with the key and configuration of this place.
    #[must_use]
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { addresses: vec![address], host: address.to_string(), ..self.clone() }
    }

    /// `HOST:PORT`, for people.
    pub fn address(&self) -> &str {
        &self.host
    }

    /// What said that it is there.
    pub fn source(&self) -> Source {
        self.source
    }

    /// The configuration, where it was read to find this place; always with [`Source::Config`].
    pub fn config(&self) -> Option<&Config> {
        self.config.as_deref()
    }

    /// Speaks with the daemon there.
    ///
    /// # Errors
    /// No daemon, another program, or a daemon of another version.
    pub async fn connect(&self) -> Result<Client, ClientError> {
        Client::connect(self.clone()).await
    }

    /// The same, whatever the daemon's version: for what every version has had.
    ///
    /// # Errors
    /// No daemon, or another program.
    pub async fn connect_any_version(&self) -> Result<Client, ClientError> {
        Client::connect_any_version(self.clone()).await
    }

    /// The header that shows the key. It is marked as a secret, so that nothing prints it.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let key = self.key.as_ref()?;
        // A key is printable ASCII: the configuration takes no other.
        let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}
