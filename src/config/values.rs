//! How durations, sizes and tables of variables are written.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserializer, MapAccess, Visitor};

/// The longest accepted duration. Timers cannot reach arbitrarily far, and what is longer is meant as "never".
const DURATION_MAX: Duration = Duration::from_hours(8760);

/// Suffixes of sizes, in lower case, longest first where one ends like another.
const UNITS: [(&str, usize); 7] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("kb", 1000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("b", 1),
];

/// A duration such as `500ms`, `15s` or `1h 30m`, at most a year; a bare 0 needs no unit.
pub(super) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let scalar = from.deserialize_any(ScalarVisitor("a duration such as \"15s\""))?;
    parse_duration(&scalar).map_err(de::Error::custom)
}

/// A duration, or no limit for `0`, `off` and `none`.
pub(super) fn duration_or_off<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let scalar = from.deserialize_any(ScalarVisitor("a duration such as \"15s\", or \"off\""))?;
    if matches!(&scalar, Scalar::Text(text) if ["off", "none"].contains(&text.trim())) {
        return Ok(None);
    }
    let duration = parse_duration(&scalar).map_err(de::Error::custom)?;
    Ok((duration != Duration::ZERO).then_some(duration))
}

/// A number of bytes, or a size such as `64MiB` (1024-based) or `64MB` (1000-based).
pub(super) fn size<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    let scalar = from.deserialize_any(ScalarVisitor("a number of bytes, or a size such as \"64MiB\""))?;
    parse_size(&scalar).map_err(de::Error::custom)
}

/// A table of variables. The short forms (`env = "strict"`) are gone before it comes to this.
pub(super) fn variables<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    struct Variables;
    impl<'de> Visitor<'de> for Variables {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table of variables, or \"strict\" or \"inherit\" instead of both `env` and `env_policy`")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut variables = BTreeMap::new();
            while let Some((name, value)) = map.next_entry()? {
                variables.insert(name, value);
            }
            Ok(variables)
        }
    }
    from.deserialize_any(Variables)
}

fn parse_duration(scalar: &Scalar) -> Result<Duration, String> {
    let duration = match scalar {
        Scalar::Number(0) => Duration::ZERO,
        Scalar::Number(number) => return Err(format!("{number} has no unit; write \"{number}s\" or \"{number}m\"")),
        Scalar::Text(text) => humantime::parse_duration(text.trim())
            .map_err(|_| format!("`{text}` is no duration; write one such as 500ms, 15s, 10m or 1h 30m"))?,
    };
    if duration > DURATION_MAX {
        return Err("it is longer than 365 days".to_owned());
    }
    Ok(duration)
}

fn parse_size(scalar: &Scalar) -> Result<usize, String> {
    let too_large = || "it is larger than this machine can count".to_owned();
    let text = match scalar {
        Scalar::Number(number) => return usize::try_from(*number).map_err(|_| too_large()),
        Scalar::Text(text) => text,
    };
    let lower = text.trim().to_ascii_lowercase();
    let (digits, unit) = UNITS
        .iter()
        .find_map(|(suffix, unit)| Some((lower.strip_suffix(suffix)?.trim_end(), *unit)))
        .unwrap_or((&lower, 1));
    let number: usize =
        digits.parse().map_err(|_| format!("`{text}` is no size; write a number of bytes, or one such as 64MiB"))?;
    number.checked_mul(unit).ok_or_else(too_large)
}

/// What a file or a variable can hold in the place of a duration or a size.
enum Scalar {
    Text(String),
    Number(u64),
}

struct ScalarVisitor(&'static str);

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Scalar, E> {
        let negative = |_| E::invalid_value(de::Unexpected::Signed(number), &self);
        u64::try_from(number).map(Scalar::Number).map_err(negative)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.to_owned())
    }

    #[test]
    fn durations_have_units_and_an_end() {
        assert_eq!(parse_duration(&text(" 1h 30m")), Ok(Duration::from_mins(90)));
        assert_eq!(parse_duration(&text("0")), Ok(Duration::ZERO));
        assert_eq!(parse_duration(&Scalar::Number(0)), Ok(Duration::ZERO));
        assert!(parse_duration(&Scalar::Number(15)).unwrap_err().contains("write \"15s\""));
        assert!(parse_duration(&text("15 parsecs")).unwrap_err().contains("no duration"));
        assert!(parse_duration(&text("366days")).unwrap_err().contains("365 days"));
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        assert_eq!(parse_size(&Scalar::Number(7)), Ok(7));
        assert_eq!(parse_size(&text("4096")), Ok(4096));
        assert_eq!(parse_size(&text("64MiB")), Ok(64 << 20));
        assert_eq!(parse_size(&text("2 kb")), Ok(2000));
        assert_eq!(parse_size(&text("9b")), Ok(9));
        assert!(parse_size(&text("64 megs")).unwrap_err().contains("no size"));
        assert!(parse_size(&text("-1")).unwrap_err().contains("no size"));
        assert!(parse_size(&text("99999999999999GiB")).unwrap_err().contains("larger"));
    }
}
