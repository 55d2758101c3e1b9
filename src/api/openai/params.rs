//! What becomes of a request's parameters.
//!
//! The rule: a parameter that turnmux cannot honour is **refused** when the answer would mean something else without it
//! (another form, another end, more answers, calls of tools), and **ignored** when it is a wish about how the model works
//! (sampling, effort, limits, hints). What was ignored, unknown parameters included, is named in the response header
//! `x-turnmux-ignored`, so nothing is dropped in silence.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::messages::unsupported_tools;
use crate::api::respond::ApiError;
use crate::wire::openai::ChatRequest;

/// What is read, or says nothing when it is there.
const KNOWN: [&str; 20] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "user",
    "prompt_cache_key",
    "n",
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "parallel_tool_calls",
    "response_format",
    "stop",
    "logprobs",
    "top_logprobs",
    "modalities",
    "store",
    "metadata",
    "turnmux",
];

/// Names in the header at most: it is for people to read.
const NAMES_MAX: usize = 32;

/// Refuses what cannot be left out.
pub(super) fn check(request: &ChatRequest) -> Result<(), ApiError> {
    let refuse = |param: &str, why: &str| {
        let message = format!("`{param}`: {why}");
        Err(ApiError::field(param, "unsupported_parameter", message))
    };
    if request.n.is_some_and(|n| n != 1) {
        return refuse("n", "one answer is all that a session gives; leave it out or send 1");
    }
    let no_calls = request.tool_choice.as_ref().and_then(Value::as_str) == Some("none");
    if request.tools.as_ref().is_some_and(|tools| !tools.is_empty()) && !no_calls {
        return Err(unsupported_tools("tools"));
    }
    if request.functions.as_ref().is_some_and(|functions| !functions.is_empty()) {
        return Err(unsupported_tools("functions"));
    }
    if request.response_format.as_ref().is_some_and(|format| format.kind != "text") {
        return refuse("response_format.type", "only `text` is supported");
    }
    let stops = match &request.stop {
        None | Some(Value::Null) => false,
        Some(Value::Array(texts)) => !texts.is_empty(),
        Some(_) => true,
    };
    if stops {
        return refuse("stop", "an agent's answer cannot be ended at a text; leave it out");
    }
    if request.logprobs == Some(true) {
        return refuse("logprobs", "agents give no probabilities; leave it out");
    }
    if request.modalities.as_ref().is_some_and(|kinds| kinds.iter().any(|kind| kind != "text")) {
        return refuse("modalities", "answers are text");
    }
    Ok(())
}

/// The names of what was ignored, as a header's value; none where nothing was.
pub(super) fn ignored(body: &[u8]) -> Option<String> {
    // The body was read once already, so this cannot fail.
    let fields: Fields = serde_json::from_slice(body).ok()?;
    let printable = |name: &str| name.bytes().all(|b| b.is_ascii_graphic() && b != b',');
    let names: Vec<String> = fields
        .0
        .into_iter()
        .filter(|name| !KNOWN.contains(&name.as_str()) && printable(name) && name.len() <= 64)
        .take(NAMES_MAX)
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The names of an object's fields, in alphabetical order; what they hold is passed over.
struct Fields(BTreeSet<String>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut names = BTreeSet::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.insert(name);
                }
                Ok(Fields(names))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(extra: &Value) -> Result<(), String> {
        let mut body = json!({"messages": []});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let request: ChatRequest = serde_json::from_value(body).unwrap();
        check(&request).map_err(|error| error.body().error.param.unwrap().to_owned())
    }

    #[test]
    fn what_would_change_the_answers_meaning_is_refused() {
        for (extra, param) in [
            (json!({"n": 2}), "n"),
            (json!({"tools": [{}]}), "tools"),
            (json!({"functions": [{}]}), "functions"),
            (json!({"response_format": {"type": "json_object"}}), "response_format.type"),
            (json!({"stop": "END"}), "stop"),
            (json!({"stop": ["END"]}), "stop"),
            (json!({"logprobs": true}), "logprobs"),
            (json!({"modalities": ["text", "audio"]}), "modalities"),
        ] {
            assert_eq!(checked(&extra), Err(param.to_owned()));
        }
    }

    #[test]
    fn what_says_nothing_passes() {
        for extra in [
            json!({"n": 1, "tools": [], "stop": null, "logprobs": false}),
            json!({"tools": [{}], "tool_choice": "none", "response_format": {"type": "text"}, "stop": []}),
        ] {
            assert_eq!(checked(&extra), Ok(()));
        }
    }

    #[test]
    fn what_is_ignored_is_named() {
        let body =
            br#"{"model":"m","messages":[],"temperature":0.2,"max_completion_tokens":9,"a,b":1,"frobnicate":{}}"#;
        assert_eq!(ignored(body).as_deref(), Some("frobnicate, max_completion_tokens, temperature"));
        assert_eq!(ignored(br#"{"model":"m","messages":[],"stream":true}"#), None);
    }
}
