//! The error results of claude, in the caller's terms.

use std::time::Duration;

use crate::driver::claude::failure;
use crate::protocol::{BackendSpec, ErrorKind, TurnError};
use crate::wire::claude::ResultLine;

/// An error result: of the model's service, or of claude itself.
pub(super) fn of_result(line: &ResultLine<'_>, spec: &BackendSpec, retry_after: Option<Duration>) -> TurnError {
    let said = said(line);
    if let Some(status) = line.api_error_status {
        return failure::of_status(status, &said, spec, retry_after);
    }
    failure::of_words(&said, spec).unwrap_or_else(|| {
        let message = format!("{} could not finish the turn ({}): {said}", spec.id, line.subtype);
        TurnError::new(ErrorKind::UpstreamFailed, message)
    })
}

fn said(line: &ResultLine<'_>) -> String {
    match &line.result {
        Some(text) if !text.is_empty() => text.to_string(),
        _ => line.errors.join("; "),
    }
}
