//! What goes wrong with a claude in a terminal, in the caller's terms.

use crate::driver::claude::failure::{of_status, of_words};
use crate::protocol::{BackendSpec, TurnError};

/// claude's word for an answer that was cut at the limit of output.
pub(super) const TOO_LONG: &str = "max_output_tokens";

/// How `StopFailure` ended a turn.
pub(super) fn of_stop(spec: &BackendSpec, error: &str, words: &str, status: Option<u16>) -> TurnError {
    if let Some(status) = status.or_else(|| status_in(words)) {
        return of_status(status, words, spec, None);
    }
    if let Some(known) = of_words(words, spec) {
        return known;
    }
    let status = match error {
        "authentication_failed" | "oauth_org_not_allowed" => 401,
        "billing_error" => 402,
        "rate_limit" => 429,
        "overloaded" => 529,
        "invalid_request" => 400,
        "model_not_found" => 404,
        _ => 500,
    };
    of_status(status, words, spec, None)
}

/// `API Error: 529 …`, `API Error: … rejected (429) …`, `Please run /login · API Error: 403 …`.
fn status_in(words: &str) -> Option<u16> {
    let rest = words.split_once("API Error: ")?.1;
    let digits = |text: &str| text.get(..3)?.parse().ok().filter(|status| (400..600).contains(status));
    digits(rest).or_else(|| digits(rest.split_once('(')?.1))
}
