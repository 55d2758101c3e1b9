//! The API's errors: kind and body for a status.

use serde_json::{Value, json};

/// The API's error body for an HTTP status.
pub(super) fn body(code: u16, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind(code), "message": message}, "request_id": "req_loopback"})
}

/// What the API says for a status when nothing more is known.
pub(super) fn message(code: u16) -> &'static str {
    match code {
        401 => "invalid x-api-key",
        402 => "Your credit balance is too low to access the Anthropic API.",
        403 => "Your API key does not have permission to use the specified resource.",
        429 => "This request would exceed your rate limit.",
        529 => "Overloaded",
        500.. => "Internal server error",
        _ => "The request is invalid.",
    }
}

fn kind(code: u16) -> &'static str {
    match code {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}
