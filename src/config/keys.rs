//! The API keys: from variables, and from a file that only its owner can read.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::diagnose::did_you_mean;
use super::{ConfigError, Environment, Origin, file};
use crate::protocol::{SECRET_VARIABLES, TenantId};

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

/// All keys, those of the variables first. `path` is the key file, absolute.
pub(super) fn load(environment: &Environment, path: Option<&Path>) -> Result<Vec<ApiKey>, ConfigError> {
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
    for (name, key) in path.map(from_file).transpose()?.unwrap_or_default() {
        if let Some((first, _)) = named.iter().find(|(_, other)| other.secret.0 == key.secret.0) {
            return Err(ConfigError::DuplicateKey { first: first.clone(), second: name });
        }
        named.push((name, key));
    }
    Ok(named.into_iter().map(|(_, key)| key).collect())
}

/// Reads `[keys.<name>] key = "…"`. serde is not used, because its errors repeat the value that they complain about.
fn from_file(path: &Path) -> Result<Vec<(String, ApiKey)>, ConfigError> {
    let text = read_private(path)?;
    let origin = Origin::File(path.display().to_string());
    let unknown = |key: String, wrong: &str, right: &str| {
        let guess = did_you_mean(wrong, [right]);
        ConfigError::UnknownKey { key, origin: origin.clone(), hint: format!("the key here is `{right}`{guess}") }
    };
    let shape =
        |key: String, problem: &str| ConfigError::Invalid { key, origin: origin.clone(), problem: problem.into() };
    let mut keys = Vec::new();
    for (table, value) in file::parse(path, &text)? {
        if table != "keys" {
            return Err(unknown(table.clone(), &table, "keys"));
        }
        let toml::Value::Table(names) = value else {
            return Err(shape(table, "write each key as [keys.<name>] and key = \"…\""));
        };
        for (name, value) in names {
            let place = format!("keys.{name}");
            let toml::Value::Table(mut entry) = value else {
                return Err(shape(place, "write it as a table: [keys.<name>] and key = \"…\""));
            };
            let text = match entry.remove("key") {
                Some(toml::Value::String(text)) => text,
                Some(_) => return Err(shape(format!("{place}.key"), "expected a string")),
                None => match entry.keys().next() {
                    Some(wrong) => return Err(unknown(format!("{place}.{wrong}"), wrong, "key")),
                    None => return Err(shape(place, "it has no key; add key = \"…\"")),
                },
            };
            if let Some(wrong) = entry.keys().next() {
                return Err(unknown(format!("{place}.{wrong}"), wrong, "key"));
            }
            let tenant = TenantId::new(&name).map_err(|error| shape(place.clone(), &format!("as a name, {error}")))?;
            let shown = format!("`{place}` in {}", path.display());
            keys.push((shown.clone(), ApiKey { tenant, secret: secret(&shown, &text)? }));
        }
    }
    Ok(keys)
}

fn read_private(path: &Path) -> Result<String, ConfigError> {
    let missing = || ConfigError::FileMissing { path: path.to_owned(), named_by: "server.key_file" };
    let unreadable = |source| ConfigError::FileUnreadable { path: path.to_owned(), source };
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
        Err(error) => return Err(unreadable(error)),
    };
    // A pipe would block, and says nothing about who else could read it.
    if !metadata.is_file() {
        return Err(unreadable(io::Error::other("it is no regular file")));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(ConfigError::KeyFileOpen { path: path.to_owned(), mode });
    }
    file::read(path)?.ok_or_else(missing)
}

/// Refuses what could be guessed, and what could not stand in a header.
fn secret(name: &str, text: &str) -> Result<Secret, ConfigError> {
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
