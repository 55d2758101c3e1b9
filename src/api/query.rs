//! The parameters behind a path's question mark, for routes where a misspelt one would get another answer than was asked for.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::respond::ApiError;

/// Names and values, decoded, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads them.
    ///
    /// # Errors
    /// When one is not UTF-8, or has a name that `is_known` does not know; `known` is what to say then.
    pub(super) fn read(text: Option<&str>, is_known: impl Fn(&str) -> bool, known: &str) -> Result<Self, ApiError> {
        let mut pairs = Vec::new();
        for pair in text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            if !is_known(&name) {
                let message = format!("`{name}`: there is no such parameter here; there are {known}");
                return Err(ApiError::field(name, "invalid_parameter", message));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter that stands at most once.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let mut values = self.all(name);
        let value = values.next();
        match values.next() {
            None => Ok(value),
            Some(_) => Err(ApiError::field(
                name,
                "invalid_parameter",
                format!("`{name}`: it stands there twice; send it once"),
            )),
        }
    }

    /// The values of a parameter, in order.
    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| &**value)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

/// As forms write it: percent signs, and `+` for a space.
fn decoded(text: &str) -> Result<String, ApiError> {
    let text = text.replace('+', " ");
    let invalid = |_| ApiError::invalid("invalid_parameter", "the part of the address behind `?` is not UTF-8");
    percent_decode_str(&text).decode_utf8().map(Cow::into_owned).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Query, ApiError> {
        Query::read(Some(text), |name| name != "other", "`a` and `b`")
    }

    #[test]
    fn parameters_are_decoded_once() {
        let query = read("a=x%3Dy+z&&a=%252B&b").unwrap();
        assert_eq!(query.all("a").collect::<Vec<_>>(), ["x=y z", "%2B"]);
        assert_eq!((query.one("b").unwrap(), query.one("c").unwrap()), (Some(""), None));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        let refused = |query: Result<Query, ApiError>| query.unwrap_err().body().error.message.to_owned();
        assert!(refused(read("a=1&other=2")).starts_with("`other`: there is no such parameter here; there are `a`"));
        assert!(refused(read("a=%ff")).contains("UTF-8"));
        let query = read("a=1&a=2").unwrap();
        assert!(query.one("a").unwrap_err().body().error.message.contains("twice"));
    }
}
