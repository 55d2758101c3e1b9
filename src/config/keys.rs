//! The API keys: from variables, and from the key file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::{ConfigError, Environment, key_file};
use crate::protocol::{BackendId, BackendSpec, SECRET_VARIABLES, TenantId, Tenants};

/// The shortest accepted key, in characters. A key that can be guessed is worse than none, which at least keeps to
/// loopback.
const LENGTH_MIN: usize = 8;

/// The longest accepted key, in characters: it comes in a header.
const LENGTH_MAX: usize = 1024;

/// An API key, and whose sessions it opens.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Named after the key; `local` for the keys in variables.
    pub tenant: TenantId,
    /// The key itself.
    pub secret: Secret,
}

/// A text that is not to be shown.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// One that nobody can guess.
    pub fn generate() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string())
    }

    /// The text itself, to be compared in constant time.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// All keys, those of the variables first, and the bounds of the tenants that have any. `path` is the key file, absolute.
pub(super) fn load(
    environment: &Environment,
    path: Option<&Path>,
    backends: &BTreeMap<BackendId, BackendSpec>,
) -> Result<(Vec<ApiKey>, Tenants), ConfigError> {
    let mut named = of_variables(environment)?;
    let file = path.map(|path| key_file::load(path, environment, backends)).transpose()?;
    let mut tenants = BTreeMap::new();
    for key_file::Entry { name, key, limits } in file.unwrap_or_default() {
        if let Some((first, _)) = named.iter().find(|(_, other)| other.secret.0 == key.secret.0) {
            return Err(ConfigError::DuplicateKey { first: first.clone(), second: name });
        }
        tenants.insert(key.tenant.clone(), limits);
        named.push((name, key));
    }
    Ok((named.into_iter().map(|(_, key)| key).collect(), Tenants::new(tenants)))
}

impl Environment {
    /// The API key that the variables hold: what a client uses without a configuration.
    ///
    /// # Errors
    /// A key that is none.
    pub fn api_key(&self) -> Result<Option<ApiKey>, ConfigError> {
        Ok(of_variables(self)?.into_iter().next().map(|(_, key)| key))
    }
}

/// The keys of the variables, each with the name of its own.
fn of_variables(environment: &Environment) -> Result<Vec<(String, ApiKey)>, ConfigError> {
    let mut named: Vec<(String, ApiKey)> = Vec::new();
    for variable in SECRET_VARIABLES {
        if let Some(text) = environment.text(variable)? {
            let key = ApiKey { tenant: TenantId::local(), secret: secret(variable, text)? };
            // Both variables may say the same: whoever moves from one to the other sets both.
            if named.iter().all(|(_, other)| other.secret.0 != key.secret.0) {
                named.push((variable.to_owned(), key));
            }
        }
    }
    Ok(named)
}

/// Refuses what could be guessed, and what could not stand in a header.
pub(super) fn secret(name: &str, text: &str) -> Result<Secret, ConfigError> {
    let bad = |problem| Err(ConfigError::BadKey { name: name.to_owned(), problem });
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        bad("it has spaces, line ends or characters outside of ASCII, which a header cannot carry")
    } else if text.len() < LENGTH_MIN {
        bad("it is shorter than 8 characters; make one with: openssl rand -hex 32")
    } else if text.len() > LENGTH_MAX {
        bad("it is longer than 1024 characters")
    } else {
        Ok(Secret(text.to_owned()))
    }
}
