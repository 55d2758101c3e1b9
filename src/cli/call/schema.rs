//! Answers in JSON: the schema that the caller gives, and whether an answer fits it.
//!
//! The agent is told the schema with the prompt, whatever agent it is, and what it says is checked here. One that does not
//! fit is sent back with what is wrong with it, so that nothing reaches stdout that the caller's program did not ask for.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

use jsonschema::Validator;
use serde_json::Value;
use serde_json::value::RawValue;

/// The longest schema, in bytes: it is part of the prompt.
const SCHEMA_BYTES_MAX: u64 = 1 << 20;

/// Places in an answer at which its JSON is looked for.
const PLACES_MAX: usize = 64;

/// What is wrong that an agent is told at most.
const FAULTS_MAX: usize = 5;

/// Why there is no schema.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// It cannot be read.
    #[error("--json-schema: {path}: {source}; give a file, or the schema itself, which begins with {{")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is too long.
    #[error("--json-schema: it is larger than 1 MiB")]
    TooLong,
    /// It is no JSON.
    #[error("--json-schema: it is no JSON: {0}")]
    NoJson(serde_json::Error),
    /// It is JSON, and no schema.
    #[error("--json-schema: it is no JSON schema: {0}")]
    NoSchema(String),
}

/// A schema that is one.
#[derive(Debug)]
pub(super) struct Schema {
    text: String,
    validator: Validator,
}

impl Schema {
    /// Takes the schema itself, or the name of the file that it stands in.
    ///
    /// # Errors
    /// When it is neither.
    pub(super) fn read(given: &str) -> Result<Self, SchemaError> {
        let is_itself = given.trim_start().starts_with('{') || matches!(given.trim(), "true" | "false");
        let text = if is_itself { given.to_owned() } else { from_file(given.into())? };
        let value: Value = serde_json::from_str(&text).map_err(SchemaError::NoJson)?;
        if !(value.is_object() || value.is_boolean()) {
            return Err(SchemaError::NoSchema("it is neither an object nor true or false".to_owned()));
        }
        let validator = jsonschema::validator_for(&value);
        let validator = validator.map_err(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { String::new() } else { format!(" (at {place})") };
            SchemaError::NoSchema(format!("{error}{place}"))
        })?;
        Ok(Self { text: value.to_string(), validator })
    }

    /// What the agent is told with the prompt.
    pub(super) fn demand(&self) -> String {
        format!(
            "Answer with one JSON value that fits the JSON schema below, and with nothing else: no explanation, no code \
             fence. Your whole answer is parsed by a program.\n\n{}",
            self.text
        )
    }

    /// The JSON in an answer, as the agent wrote it.
    ///
    /// # Errors
    /// What is wrong, in words for the agent.
    pub(super) fn fitting<'a>(&self, answer: &'a str) -> Result<&'a str, String> {
        let mut faults = None;
        for json in candidates(answer) {
            let Ok(value) = serde_json::from_str::<Value>(json) else { continue };
            let mut wrong = self.validator.iter_errors(&value).map(|error| {
                let place = error.instance_path().to_string();
                if place.is_empty() { error.to_string() } else { format!("at {place}: {error}") }
            });
            let Some(first) = wrong.next() else { return Ok(json) };
            // What is wrong with the first is told: later ones are parts of it, or examples.
            faults.get_or_insert_with(|| {
                let all: Vec<String> = [first].into_iter().chain(wrong.take(FAULTS_MAX - 1)).collect();
                format!("The JSON does not fit the schema:\n- {}", all.join("\n- "))
            });
        }
        Err(faults.unwrap_or_else(|| "There is no JSON in the answer.".to_owned()))
    }
}

fn from_file(path: PathBuf) -> Result<String, SchemaError> {
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(SCHEMA_BYTES_MAX + 1).read_to_string(&mut text));
    match read {
        Ok(length) if length as u64 > SCHEMA_BYTES_MAX => Err(SchemaError::TooLong),
        Ok(_) => Ok(text),
        Err(source) => Err(SchemaError::Unreadable { path, source }),
    }
}

/// What may be the JSON that was asked for: the whole answer, or values in it that something else stands around, such as a
/// code fence.
fn candidates(answer: &str) -> impl Iterator<Item = &str> {
    let whole = answer.trim();
    let places = whole.char_indices().filter(|(_, c)| matches!(c, '{' | '[')).map(|(at, _)| at);
    let mut end = 0;
    let values = places.take(PLACES_MAX).filter_map(move |at| {
        // What stands inside a value that was there already is no answer of its own.
        let inside = at < end;
        let mut values = serde_json::Deserializer::from_str(&whole[at..]).into_iter::<&RawValue>();
        let value = values.next().and_then(Result::ok).filter(|_| !inside)?;
        end = at + values.byte_offset();
        Some(value.get())
    });
    [whole].into_iter().chain(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINT: &str =
        r#"{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"],"additionalProperties":false}"#;

    #[test]
    fn the_json_is_found_in_what_stands_around_it() {
        let schema = Schema::read(POINT).unwrap();
        for answer in [
            r#"{"x": 1}"#,
            "  {\"x\": 1}\n",
            "```json\n{\"x\": 1}\n```",
            "Here you are: {\"x\": 1}. Is that all?",
            "Not {this}, and not {\"y\": 2}, but {\"x\": 1}",
        ] {
            assert_eq!(schema.fitting(answer).as_deref(), Ok(r#"{"x": 1}"#), "{answer}");
        }
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let schema = Schema::read(POINT).unwrap();
        assert_eq!(schema.fitting("No."), Err("There is no JSON in the answer.".into()));
        let wrong = schema.fitting(r#"{"x": "one", "y": {"x": 1}}"#).unwrap_err();
        assert!(wrong.contains("at /x:") && wrong.contains("'y'"), "{wrong}");
        assert!(schema.fitting("{\"x\": 1").is_err(), "half a value is none");
    }

    #[test]
    fn a_value_need_be_no_object() {
        assert_eq!(Schema::read(r#"{"type":"string"}"#).unwrap().fitting(" \"yes\" "), Ok("\"yes\""));
        assert_eq!(Schema::read(r#"{"type":"array"}"#).unwrap().fitting("So: [1, {}]"), Ok("[1, {}]"));
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        for (given, why) in [
            ("{", "no JSON:"),
            (r#"{"type": "strin"}"#, "no JSON schema:"),
            (r#"{"type": "string", "pattern": "("}"#, "no JSON schema:"),
            (r#"{"$ref": "http://127.0.0.1:9/schema.json"}"#, "no JSON schema:"),
            ("/nowhere/schema.json", "/nowhere/schema.json:"),
        ] {
            let error = Schema::read(given).unwrap_err().to_string();
            assert!(error.contains(why), "{given}: {error}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[]").unwrap();
        assert!(matches!(Schema::read(file.path().to_str().unwrap()), Err(SchemaError::NoSchema(_))));
        std::fs::write(file.path(), POINT).unwrap();
        assert!(Schema::read(file.path().to_str().unwrap()).is_ok());
    }
}
