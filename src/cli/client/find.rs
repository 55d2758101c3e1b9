//! From flags, variables and the configuration to the place of a daemon.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{ClientError, Place, Source, UrlProblem, url};
use crate::config::{ApiKey, Config, ConfigError, Environment, Overrides, Secret};
use crate::protocol::TenantId;

/// The variable that says where the daemon is.
const URL_VARIABLE: &str = "TURNMUX_URL";

/// Which daemon is meant: the flags that all verbs have.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Target {
    /// The daemon's address [default: `$TURNMUX_URL`, else the configuration's `server.listen`]
    #[arg(long, value_name = "URL", help_heading = "Which daemon")]
    pub url: Option<String>,
    /// The daemon's configuration file [default: as for `turnmux serve`]
    #[arg(long, value_name = "FILE", help_heading = "Which daemon")]
    pub config: Option<PathBuf>,
    /// Whose API key of the key file to use [default: `$TURNMUX_API_KEY`, else the only one]
    #[arg(long, value_name = "NAME", help_heading = "Which daemon")]
    pub tenant: Option<String>,
}

/// Whose key is wanted.
#[derive(Debug, Clone, Copy)]
enum KeyChoice<'a> {
    /// That of this tenant.
    Of(&'a str),
    /// That of the variables, or the only one of the key file.
    Obvious,
}

impl Target {
    /// Where the daemon is to be. Nothing is asked of it yet.
    ///
    /// An API key of the configuration is for the daemon of that configuration: with an address from elsewhere only the
    /// variable's key is used, or the one that `--tenant` names.
    ///
    /// # Errors
    /// An address, a configuration or a choice of key that makes no sense.
    pub fn find(&self, environment: &Environment) -> Result<Place, ClientError> {
        let variable = environment.text(URL_VARIABLE)?.map(|text| (text, URL_VARIABLE, Source::Variable));
        let named = self.url.as_deref().map(|text| (text, "--url", Source::Flag)).or(variable);
        let Some((text, origin, source)) = named else { return self.configured(environment) };
        let wrong = |problem| ClientError::Url { origin, problem };
        let (addresses, host) = url::read(text).map_err(wrong)?;
        let place = Place { addresses, host, key: None, source, config: None };
        match &self.tenant {
            None => Ok(Place { key: environment.api_key()?.map(|key| key.secret), ..place }),
            Some(tenant) => {
                let config = self.load(environment)?;
                let key = choose(&config.keys, KeyChoice::Of(tenant))?;
                Ok(Place { key, config: Some(Box::new(config)), ..place })
            }
        }
    }

    fn configured(&self, environment: &Environment) -> Result<Place, ClientError> {
        let config = self.load(environment)?;
        let address = reached(&config)?;
        let choice = self.tenant.as_deref().map_or(KeyChoice::Obvious, KeyChoice::Of);
        let key = choose(&config.keys, choice)?;
        let (addresses, host) = (vec![address], address.to_string());
        Ok(Place { addresses, host, key, source: Source::Config, config: Some(Box::new(config)) })
    }

    /// The daemon's configuration, as far as a file and the variables say it.
    ///
    /// # Errors
    /// A configuration that makes no sense.
    pub fn load(&self, environment: &Environment) -> Result<Config, ConfigError> {
        Config::load(&Overrides { config: self.config.clone(), ..Overrides::default() }, environment)
    }
}

fn reached(config: &Config) -> Result<SocketAddr, ClientError> {
    let wrong = |problem: UrlProblem| ClientError::Url { origin: "server.listen", problem };
    url::reached(config.server.listen).map_err(wrong)
}

/// The key that is meant; none where there are none at all.
fn choose(keys: &[ApiKey], choice: KeyChoice<'_>) -> Result<Option<Secret>, ClientError> {
    let names = || keys.iter().map(|key| key.tenant.as_str()).collect::<Vec<_>>().join(", ");
    match (choice, keys) {
        (KeyChoice::Of(tenant), _) => match keys.iter().find(|key| key.tenant.as_str() == tenant) {
            Some(key) => Ok(Some(key.secret.clone())),
            None if keys.is_empty() => {
                Err(ClientError::NoSuchKey { tenant: tenant.to_owned(), names: "no keys at all".to_owned() })
            }
            None => Err(ClientError::NoSuchKey { tenant: tenant.to_owned(), names: names() }),
        },
        (KeyChoice::Obvious, []) => Ok(None),
        (KeyChoice::Obvious, [only]) => Ok(Some(only.secret.clone())),
        // Those of the variables come first.
        (KeyChoice::Obvious, [first, ..]) if first.tenant == TenantId::local() => Ok(Some(first.secret.clone())),
        (KeyChoice::Obvious, _) => Err(ClientError::WhichKey { names: names() }),
    }
}
