//! What callers call their turns, to find them again: names and values, in the bounds of OpenAI's `metadata`.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::respond::ApiError;

/// A turn's tags, as OpenAI bounds them; lengths in characters.
const TAGS_MAX: usize = 16;
const NAME_MAX: usize = 64;
const VALUE_MAX: usize = 512;

/// Reads the field `what` of a request's body.
///
/// # Errors
/// When it is no object of texts, or too large.
pub(super) fn read(raw: Option<&RawValue>, what: &str) -> Result<BTreeMap<String, String>, ApiError> {
    let Some(raw) = raw else { return Ok(BTreeMap::new()) };
    let Tags(tags) = serde_json::from_str(raw.get()).map_err(|_| {
        let message = format!("`{what}`: an object is wanted whose values are texts, such as {{\"ticket\": \"42\"}}");
        ApiError::field(what, "invalid_tags", message)
    })?;
    let tags = tags.ok_or_else(|| too_many(what))?;
    tags.iter().try_for_each(|(name, value)| check(name, value, what))?;
    Ok(tags)
}

/// Checks what is searched for under the parameter `what`.
pub(super) fn check_all(tags: &[(String, String)], what: &str) -> Result<(), ApiError> {
    if tags.len() > TAGS_MAX {
        return Err(too_many(what));
    }
    tags.iter().try_for_each(|(name, value)| check(name, value, what))
}

fn check(name: &str, value: &str, what: &str) -> Result<(), ApiError> {
    let length = name.chars().count();
    if length == 0 || length > NAME_MAX || value.chars().count() > VALUE_MAX {
        let message = format!("`{what}`: names have 1 to {NAME_MAX} characters, and values at most {VALUE_MAX}");
        return Err(ApiError::field(what, "invalid_tags", message));
    }
    Ok(())
}

fn too_many(what: &str) -> ApiError {
    ApiError::field(what, "invalid_tags", format!("`{what}`: a turn has at most {TAGS_MAX} tags"))
}

/// None where there are too many.
struct Tags(Option<BTreeMap<String, String>>);

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Tags;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_unit<E: serde::de::Error>(self) -> Result<Tags, E> {
                Ok(Tags(Some(BTreeMap::new())))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tags, A::Error> {
                let mut tags = BTreeMap::new();
                while let Some((name, value)) = map.next_entry()? {
                    if tags.len() == TAGS_MAX && !tags.contains_key(&name) {
                        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                        return Ok(Tags(None));
                    }
                    tags.insert(name, value);
                }
                Ok(Tags(Some(tags)))
            }

            fn visit_seq<A>(self, _: A) -> Result<Tags, A::Error>
            where
                A: serde::de::SeqAccess<'de>,
            {
                Err(A::Error::custom("a list"))
            }
        }
        deserializer.deserialize_any(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tags(value: &serde_json::Value) -> Result<usize, String> {
        let raw = RawValue::from_string(value.to_string()).unwrap();
        let tags = read(Some(&raw), "metadata");
        tags.map(|tags| tags.len()).map_err(|error| error.body().error.message.to_owned())
    }

    #[test]
    fn the_bounds_are_those_of_metadata() {
        let many = |count: usize| (0..count).map(|i| (i.to_string(), json!("x"))).collect::<serde_json::Map<_, _>>();
        for (value, count) in [
            (json!(null), 0),
            (json!({}), 0),
            (json!({"a": "", "b": "ü".repeat(512)}), 2),
            (json!({"ü".repeat(64): "x"}), 1),
            (json!(many(16)), 16),
        ] {
            assert_eq!(tags(&value), Ok(count), "{value}");
        }
        for (value, said) in [
            (json!({"a": 1}), "values are texts"),
            (json!({"a": null}), "values are texts"),
            (json!({"a": {"b": "c"}}), "values are texts"),
            (json!(["a"]), "an object"),
            (json!("a"), "an object"),
            (json!({"": "x"}), "1 to 64"),
            (json!({"x".repeat(65): "x"}), "1 to 64"),
            (json!({"a": "x".repeat(513)}), "at most 512"),
            (json!(many(17)), "at most 16"),
        ] {
            assert!(tags(&value).unwrap_err().contains(said), "{value}");
        }
        assert_eq!(read(None, "metadata").unwrap(), BTreeMap::new());
    }
}
