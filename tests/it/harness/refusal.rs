//! Errors in OpenAI's form.

use serde_json::Value;

use super::{Reply, Stream};

/// What an error says, its form being checked.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) kind: String,
    pub(crate) param: Option<String>,
    pub(crate) code: String,
}

impl Refusal {
    /// Reads an error out of a body, or out of the event that ends a stream. Panics when its form is not OpenAI's.
    pub(crate) fn of(body: &Value) -> Self {
        let error = body["error"].as_object().unwrap_or_else(|| panic!("no error: {body}"));
        let mut names: Vec<_> = error.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["code", "message", "param", "type"], "{body}");
        let text = |name: &str| error[name].as_str().map(str::to_owned);
        let must = |name: &str| text(name).filter(|text| !text.is_empty()).unwrap_or_else(|| panic!("{name}: {body}"));
        assert!(error["param"].is_null() || error["param"].is_string(), "{body}");
        Self { message: must("message"), kind: must("type"), param: text("param"), code: must("code") }
    }
}

impl Reply {
    /// The error with this status and code. Panics when this is something else.
    pub(crate) fn refused(&self, status: u16, code: &str) -> Refusal {
        assert_eq!(self.status, status, "{:?}", self.body);
        assert_eq!(self.header("content-type"), Some("application/json"));
        let refusal = Refusal::of(&self.json());
        assert_eq!(refusal.code, code, "{refusal:?}");
        let kind = match status {
            401 => "authentication_error",
            429 => "rate_limit_error",
            400..=499 => "invalid_request_error",
            _ => "server_error",
        };
        assert_eq!(refusal.kind, kind, "{refusal:?}");
        refusal
    }
}

impl Stream {
    /// Reads to the end, which must be an error that SDKs raise: no `[DONE]`, no `finish_reason`. Gives the text before it.
    pub(crate) async fn refused(&mut self, code: &str) -> (String, Refusal) {
        assert_eq!(self.status, 200);
        let (text, mut chunks) = self.rest().await;
        let last = chunks.pop().expect("a stream with chunks");
        for chunk in &chunks {
            let reason = &chunk["choices"][0]["finish_reason"];
            assert!(reason.is_null(), "a turn that failed has no finish_reason: {chunk}");
            assert!(chunk["error"].is_null() && chunk.is_object(), "{chunk}");
        }
        let refusal = Refusal::of(&last);
        assert_eq!(refusal.code, code, "{refusal:?}");
        (text, refusal)
    }
}
