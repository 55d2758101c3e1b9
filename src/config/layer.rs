//! One source of values, which knows where it stands and is checked alone.

use std::path::PathBuf;

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::schema::Schema;
use super::{ConfigError, Origin, diagnose};

/// The values of one file, one variable or one flag.
pub(super) struct Layer {
    origin: Origin,
    /// Where relative paths begin: at the folder of this file; none means the working directory.
    file: Option<PathBuf>,
    values: Dict,
}

impl Layer {
    /// What a file says; `path` is absolute.
    pub(super) fn of_file(origin: Origin, path: PathBuf, mut values: Dict) -> Self {
        expand_short_forms(&mut values);
        Self { origin, file: Some(path), values }
    }

    /// One value under one key.
    pub(super) fn of_one(origin: Origin, path: &[impl AsRef<str>], value: Value) -> Self {
        let mut values = nest(path, value);
        expand_short_forms(&mut values);
        Self { origin, file: None, values }
    }

    /// Refuses unknown keys and values of the wrong type.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match Figment::from(self).extract::<Schema>() {
            Ok(_) => Ok(()),
            Err(error) => Err(diagnose::describe(error, &self.origin)),
        }
    }

    /// Where its values stand.
    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether it says something about this key.
    pub(super) fn has(&self, path: &[&str]) -> bool {
        let Some((first, rest)) = path.split_first() else { return true };
        rest.iter()
            .try_fold(self.values.get(*first), |value, key| Some(value?.as_dict()?.get(*key)))
            .flatten()
            .is_some()
    }

    /// The ids that a table such as `backends` has here.
    pub(super) fn ids_of(&self, table: &str) -> impl Iterator<Item = &str> {
        self.values.get(table).and_then(Value::as_dict).into_iter().flat_map(|dict| dict.keys().map(String::as_str))
    }
}

impl Provider for &Layer {
    fn metadata(&self) -> Metadata {
        let metadata = Metadata::named(self.origin.to_string());
        match &self.file {
            Some(file) => metadata.source(file.as_path()),
            None => metadata,
        }
    }

    fn data(&self) -> figment::error::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// Puts a value into tables of these names. figment's own helper splits at dots, which ids may have.
fn nest(path: &[impl AsRef<str>], value: Value) -> Dict {
    let Some((last, tables)) = path.split_last() else { return Dict::new() };
    tables.iter().rev().fold(Dict::from([(last.as_ref().to_owned(), value)]), |inner, table| {
        Dict::from([(table.as_ref().to_owned(), Value::from(inner))])
    })
}

/// Writes `env = "strict"` out as `env_policy = "strict"`, so that layers merge: the variables of one layer must not undo
/// the policy of another. Other strings, and one beside an `env_policy`, stay and are refused with the types.
fn expand_short_forms(values: &mut Dict) {
    let Some(Value::Dict(_, backends)) = values.get_mut("backends") else { return };
    for backend in backends.values_mut() {
        let Value::Dict(_, keys) = backend else { continue };
        if !keys.contains_key("env_policy")
            && matches!(keys.get("env"), Some(Value::String(_, text)) if text == "strict" || text == "inherit")
            && let Some(policy) = keys.remove("env")
        {
            keys.insert("env_policy".to_owned(), policy);
        }
    }
}
