//! What figment says of a layer, in sentences that help: the place, the nearest right key, and never a secret.

use figment::Figment;
use figment::error::{Actual, Kind};
use figment::value::{Empty, Tag, Value};

use super::layer::Layer;
use super::schema::Schema;
use super::{ConfigError, Origin};

/// What is wrong with a layer of this origin.
pub(super) fn describe(error: figment::Error, origin: &Origin) -> ConfigError {
    let key = error.path.join(".");
    let origin = origin.clone();
    match error.kind {
        Kind::UnknownField(..) => ConfigError::UnknownKey { key, hint: hint(&error.path, &origin), origin },
        kind => ConfigError::Invalid { key, origin, problem: problem(kind) },
    }
}

/// `did you mean …?`, or an empty text where nothing is near enough.
pub(super) fn did_you_mean<'a>(word: &str, right: impl IntoIterator<Item = &'a str>) -> String {
    let best = right.into_iter().map(|right| (strsim::damerau_levenshtein(word, right), right)).min();
    match best {
        Some((distance, right)) if distance <= slips_max(word) => format!("; did you mean `{right}`?"),
        _ => String::new(),
    }
}

/// The nearest key that exists, or a list of those that could stand there.
fn hint(path: &[String], origin: &Origin) -> String {
    let Some((wrong, table)) = path.split_last() else { return "it is no table".to_owned() };
    let siblings = keys_of(table);
    let below = |table: &[String], key: &str| [table, &[key.to_owned()]].concat();
    // Keys of other tables too: `heartbeat` above `[server]`, and `server_heartbeat` with one underscore.
    let others = keys_of(&[]).iter().flat_map(|section| {
        let section = [(*section).to_owned()];
        keys_of(&section).iter().map(move |key| below(&section, key))
    });
    let full = path.join(".");
    let distance = |right: &[String]| {
        let leaf = right.last().map_or(usize::MAX, |leaf| strsim::damerau_levenshtein(wrong, leaf));
        leaf.min(strsim::damerau_levenshtein(&full, &right.join(".")))
    };
    let best = siblings
        .iter()
        .map(|key| below(table, key))
        .chain(others)
        .map(|right| (distance(&right), right))
        .reduce(|best, next| if next.0 < best.0 { next } else { best });
    match best {
        Some((distance, right)) if distance <= slips_max(wrong) => format!("did you mean {}?", written(&right, origin)),
        _ => format!("the keys here are {}", siblings.join(", ")),
    }
}

/// How many slips of the finger make a word another one: one in three letters.
fn slips_max(word: &str) -> usize {
    (word.chars().count() / 3).max(1)
}

/// A key as it is written where the wrong one stands.
fn written(path: &[String], origin: &Origin) -> String {
    match origin {
        Origin::Variable(_) => format!("TURNMUX_{}", path.join("__").to_ascii_uppercase().replace(['-', '.'], "_")),
        _ => format!("`{}`", path.join(".")),
    }
}

/// The keys that a table may have, asked of the schema itself: a key that cannot be is refused with those that can.
fn keys_of(table: &[String]) -> &'static [&'static str] {
    let path = [table, &["?".to_owned()]].concat();
    let layer = Layer::of_one(Origin::Default, &path, Value::Empty(Tag::Default, Empty::Unit));
    match Figment::from(&layer).extract::<Schema>() {
        Err(figment::Error { kind: Kind::UnknownField(_, keys), .. }) => keys,
        _ => &[],
    }
}

/// What is wrong with a value. Strings are not repeated, unless they are a word out of a few: they may be secrets.
fn problem(kind: Kind) -> String {
    match kind {
        Kind::Message(text) => text,
        Kind::InvalidType(actual, expected) => format!("expected {}, found {}", plain(&expected), name_of(&actual)),
        Kind::InvalidValue(Actual::Unsigned(number), expected) => {
            format!("expected {}, found {number}", plain(&expected))
        }
        Kind::InvalidValue(Actual::Signed(number), expected) => {
            format!("expected {}, found {number}", plain(&expected))
        }
        Kind::InvalidValue(_, expected) => format!("expected {}", plain(&expected)),
        Kind::UnknownVariant(word, right) => {
            format!("`{word}` is none of {}{}", right.join(", "), did_you_mean(&word, right.iter().copied()))
        }
        other => other.to_string(),
    }
}

/// TOML's words for Rust's.
fn plain(expected: &str) -> &str {
    match expected {
        "usize" | "u64" | "u32" | "u16" => "a whole number that is not negative",
        "a sequence" => "an array",
        "a map" => "a table",
        other => other,
    }
}

fn name_of(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "a boolean",
        Actual::Unsigned(_) | Actual::Signed(_) => "an integer",
        Actual::Float(_) => "a float",
        Actual::Char(_) | Actual::Str(_) => "a string",
        Actual::Seq => "an array",
        Actual::Map => "a table",
        _ => "something else",
    }
}
