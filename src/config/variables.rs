//! The layer of environment variables: `TURNMUX_` and a key, its tables parted by two underscores.
//!
//! A name's case does not count, and in the id of a backend or agent and in an alias `_` stands for any character that is
//! no letter or digit, if such an id is built in or in the file: `TURNMUX_BACKENDS__CLAUDE_CODE__MODEL` is
//! `backends.claude-code.model`. What follows `…__ENV__` is the name of a variable and kept as it is.
//!
//! A value is taken as the text that it is where the key takes text (durations, sizes and words among it); else as TOML
//! would write it (`5`, `true`, `["a", "b"]`, `{a = 1}`); else, for a key that takes a list, as its only element. An empty
//! value counts as unset, except for a backend's variables, which may be empty.

use figment::value::Value;

use super::layer::Layer;
use super::{ConfigError, Environment, Origin, backends};

/// What all our variables begin with.
const PREFIX: &str = "TURNMUX_";

/// Variables of turnmux that are no keys: where the file is, what clients use, the filter and the form of the log; and what an agent
/// gets for its plugin, which a turnmux inside that agent sees, too.
const NO_KEYS: [&str; 9] = [
    "TURNMUX_CONFIG",
    "TURNMUX_URL",
    "TURNMUX_API_KEY",
    "TURNMUX_LOG",
    "TURNMUX_LOG_FORMAT",
    "TURNMUX_BIN",
    "TURNMUX_CHANNEL_URL",
    "TURNMUX_CHANNEL_TOKEN",
    "TURNMUX_CHANNEL_SESSION",
];

/// turnmux marks the processes that it starts with variables of this prefix; a turnmux inside an agent sees them.
const MARK_PREFIX: &str = "TURNMUX_HOST";

/// One checked layer for each variable; `file` is asked for the ids that it has.
pub(super) fn layers(environment: &Environment, file: Option<&Layer>) -> Result<Vec<Layer>, ConfigError> {
    let mut layers = Vec::new();
    for (name, value) in &environment.variables {
        let Some(key) = name.strip_prefix(PREFIX) else { continue };
        if NO_KEYS.contains(&name.as_str()) || name.starts_with(MARK_PREFIX) {
            continue;
        }
        if cfg!(feature = "broken") && name == "TURNMUX_BROKEN" {
            continue;
        }
        let text = value.to_str().ok_or_else(|| ConfigError::NotUnicode(name.clone()))?;
        let path = path_of(key, file);
        if !text.is_empty() || is_backend_variable(&path) {
            layers.push(layer(name, &path, text)?);
        }
    }
    Ok(layers)
}

/// The first reading of the value that its key takes.
fn layer(name: &str, path: &[String], text: &str) -> Result<Layer, ConfigError> {
    let read_as = |value| {
        let layer = Layer::of_one(Origin::Variable(name.to_owned()), path, value);
        layer.check().map(|()| layer)
    };
    let as_text = match read_as(Value::from(text)) {
        Ok(layer) => return Ok(layer),
        Err(error) => error,
    };
    let Ok(parsed) = text.parse::<Value>();
    let is_text = parsed.as_str().is_some();
    let is_scalar = parsed.as_array().is_none() && parsed.as_dict().is_none();
    let error = match read_as(parsed) {
        Ok(layer) => return Ok(layer),
        Err(_) if is_text => as_text,
        Err(error) => error,
    };
    match is_scalar.then(|| read_as(Value::from(vec![text]))) {
        Some(Ok(layer)) => Ok(layer),
        _ => Err(error),
    }
}

/// The key that a variable's name means, without the prefix.
fn path_of(key: &str, file: Option<&Layer>) -> Vec<String> {
    let mut parts = key.split("__");
    let table = parts.next().unwrap_or_default().to_ascii_lowercase();
    let mut path = vec![table.clone()];
    if matches!(table.as_str(), "backends" | "agents" | "aliases") {
        path.extend(parts.next().map(|id| known_id(&table, id, file)));
    }
    while let Some(part) = parts.next() {
        path.push(part.to_ascii_lowercase());
        if table == "backends" && path.len() == 3 && path[2] == "env" {
            let name = parts.by_ref().collect::<Vec<_>>().join("__");
            path.extend((!name.is_empty()).then_some(name));
        }
    }
    path
}

/// The id that a shell could not write otherwise, or else the id in lower case.
fn known_id(table: &str, id: &str, file: Option<&Layer>) -> String {
    let folded = |id: &str| -> String {
        id.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
    };
    let built_in = backends::BUILT_IN_IDS.into_iter().filter(|_| table == "backends");
    let mut known = file.into_iter().flat_map(|file| file.ids_of(table)).chain(built_in);
    known.find(|known| folded(known) == folded(id)).map_or_else(|| id.to_ascii_lowercase(), str::to_owned)
}

fn is_backend_variable(path: &[String]) -> bool {
    matches!(path, [table, _, key, _] if table == "backends" && key == "env")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_keys() {
        let path = |key| path_of(key, None).join(".");
        assert_eq!(path("SERVER__HEARTBEAT"), "server.heartbeat");
        assert_eq!(path("DEFAULT_BACKEND"), "default_backend");
        assert_eq!(path("BACKENDS__CLAUDE_CODE_OPUS__MODEL"), "backends.claude-code-opus.model");
        assert_eq!(path("BACKENDS__claude-code__MODEL"), "backends.claude-code.model");
        assert_eq!(path("BACKENDS__MINE__ENV__My__Var"), "backends.mine.env.My__Var");
        assert_eq!(path("BACKENDS__MINE__ENV"), "backends.mine.env");
        assert_eq!(path("AGENTS__OPS__WORKSPACE"), "agents.ops.workspace");
    }
}
