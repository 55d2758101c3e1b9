//! The key file, which only its owner can read: keys, and what the tenant of each may use.
//!
//! serde is not used, because its errors repeat the value that they complain about; for the same reason no error here
//! repeats one, not even of a key that holds no secret: somebody may have written the secret there.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use figment::value::magic::RelativePathBuf;

use super::diagnose::did_you_mean;
use super::keys::{ApiKey, secret};
use super::{ConfigError, Environment, Origin, file, paths};
use crate::protocol::{BackendId, BackendSpec, TenantId, TenantLimits, WorkspaceRoot};

/// What a key's table may hold.
const KEYS: [&str; 5] = ["key", "max_requests", "max_live", "backends", "workspace_roots"];

/// Highest `max_requests`: there are no more connections.
const REQUESTS_MAX: i64 = 4096;

/// Highest `max_live`, that of `sessions.max_live`.
const LIVE_MAX: i64 = 1000;

/// One key of the file.
pub(super) struct Entry {
    /// Its table and its file, as errors name it.
    pub(super) name: String,
    pub(super) key: ApiKey,
    pub(super) limits: TenantLimits,
}

/// Reads `[keys.<name>]` tables. `path` is absolute.
pub(super) fn load(
    path: &Path,
    environment: &Environment,
    backends: &BTreeMap<BackendId, BackendSpec>,
) -> Result<Vec<Entry>, ConfigError> {
    let text = read_private(path)?;
    let reader = Reader { path, environment, backends };
    let mut entries = Vec::new();
    for (table, value) in file::parse(path, &text)? {
        if table != "keys" {
            return Err(reader.unknown(&table, &table, &["keys"]));
        }
        let toml::Value::Table(names) = value else {
            return Err(reader.invalid(&table, "write each key as [keys.<name>] and key = \"…\""));
        };
        for (name, value) in names {
            entries.push(reader.entry(&name, value)?);
        }
    }
    Ok(entries)
}

struct Reader<'a> {
    path: &'a Path,
    environment: &'a Environment,
    backends: &'a BTreeMap<BackendId, BackendSpec>,
}

impl Reader<'_> {
    fn entry(&self, name: &str, value: toml::Value) -> Result<Entry, ConfigError> {
        let place = format!("keys.{name}");
        let toml::Value::Table(table) = value else {
            return Err(self.invalid(&place, "write it as a table: [keys.<name>] and key = \"…\""));
        };
        if let Some(wrong) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(self.unknown(&format!("{place}.{wrong}"), wrong, &KEYS));
        }
        let text = match table.get("key") {
            Some(toml::Value::String(text)) => text,
            Some(_) => return Err(self.invalid(&format!("{place}.key"), "expected a string")),
            None => return Err(self.invalid(&place, "it has no key; add key = \"…\"")),
        };
        let tenant = TenantId::new(name).map_err(|error| self.invalid(&place, &format!("as a name, {error}")))?;
        let limits = TenantLimits {
            max_requests: self.number(&table, &place, "max_requests", REQUESTS_MAX)?,
            max_live: self.number(&table, &place, "max_live", LIVE_MAX)?,
            backends: self.list(&table, &place, "backends", |text| self.backend(text))?,
            workspace_roots: self.list(&table, &place, "workspace_roots", |text| self.root(text))?,
        };
        if limits.backends.as_ref().is_some_and(Vec::is_empty) {
            let problem =
                "it is empty, so the key would be good for nothing; name a backend, or leave it out to allow all";
            return Err(self.invalid(&format!("{place}.backends"), problem));
        }
        let shown = format!("`{place}` in {}", self.path.display());
        Ok(Entry { key: ApiKey { tenant, secret: secret(&shown, text)? }, name: shown, limits })
    }

    fn number(&self, table: &toml::Table, place: &str, key: &str, max: i64) -> Result<Option<usize>, ConfigError> {
        match table.get(key) {
            None => Ok(None),
            Some(toml::Value::Integer(number @ 1..)) if *number <= max => Ok(usize::try_from(*number).ok()),
            Some(_) => {
                let problem = format!("expected a whole number between 1 and {max}; without it there is no limit");
                Err(self.invalid(&format!("{place}.{key}"), &problem))
            }
        }
    }

    /// A list of strings, each read by `item`, whose error says what is wrong with one.
    fn list<T>(
        &self,
        table: &toml::Table,
        place: &str,
        key: &str,
        item: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<Vec<T>>, ConfigError> {
        let wrong = |problem: &str| self.invalid(&format!("{place}.{key}"), problem);
        let items = match table.get(key) {
            None => return Ok(None),
            Some(toml::Value::Array(items)) => items,
            Some(_) => return Err(wrong("expected an array of strings")),
        };
        let read = |(at, value): (usize, &toml::Value)| {
            let text = value.as_str().ok_or_else(|| wrong("expected an array of strings"))?;
            item(text).map_err(|problem| wrong(&format!("item {}: {problem}", at + 1)))
        };
        items.iter().enumerate().map(read).collect::<Result<_, _>>().map(Some)
    }

    fn backend(&self, text: &str) -> Result<BackendId, String> {
        let id = BackendId::new(text);
        if self.backends.contains_key(&id) {
            return Ok(id);
        }
        let names: Vec<_> = self.backends.keys().map(BackendId::as_str).collect();
        let guess = did_you_mean(text, names.iter().copied());
        Err(format!("there is no such backend, there are {}{guess}", names.join(", ")))
    }

    fn root(&self, text: &str) -> Result<WorkspaceRoot, String> {
        if !text.is_empty() && !Path::new(text).is_absolute() && !Path::new(text).starts_with("~") {
            return Err("it is not absolute; begin it with / or ~/".to_owned());
        }
        let path = paths::absolute(&RelativePathBuf::from(text), self.environment)?;
        Ok(WorkspaceRoot { path, hidden: true })
    }

    fn unknown(&self, key: &str, wrong: &str, right: &[&str]) -> ConfigError {
        let guess = did_you_mean(wrong, right.iter().copied());
        let (right, verb) = (right.join("`, `"), if right.len() == 1 { "key here is" } else { "keys here are" });
        ConfigError::UnknownKey { key: key.into(), origin: self.origin(), hint: format!("the {verb} `{right}`{guess}") }
    }

    fn invalid(&self, key: &str, problem: &str) -> ConfigError {
        ConfigError::Invalid { key: key.into(), origin: self.origin(), problem: problem.into() }
    }

    fn origin(&self) -> Origin {
        Origin::File(self.path.display().to_string())
    }
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
