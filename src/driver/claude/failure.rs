//! What claude says when something goes wrong, as errors that tell the caller what to do.

use std::time::Duration;

use crate::driver::OpenRequest;
use crate::protocol::{BackendSpec, ErrorKind, Permission, ThreadId, ThreadOrigin, TurnError};

/// Wait before the next try when the service is asked too often and nobody knows how long that lasts.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(30);

/// Longest wait that is passed on: allowances start anew after hours, but nobody should sleep for a week on one header.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(6);

/// How claude begins its words when it has no sign-in.
const SIGN_IN_SIGNS: [&str; 4] = ["Not logged in", "Please run /login", "Invalid API key", "OAuth token"];

/// Words of claude's that come without a status of the service.
pub(in crate::driver) fn of_words(said: &str, spec: &BackendSpec) -> Option<TurnError> {
    let name = &spec.id;
    if said.starts_with("No conversation found") {
        let message =
            format!("{name} does not know the conversation any more ({said}); reset the session to start a new one");
        return Some(TurnError::new(ErrorKind::ThreadNotFound, message));
    }
    if SIGN_IN_SIGNS.iter().any(|sign| said.contains(sign)) {
        return Some(TurnError::new(ErrorKind::NotSignedIn, sign_in(said, spec)));
    }
    if said.contains("Prompt is too long") {
        return Some(TurnError::new(ErrorKind::UpstreamRejected, format!("{name}: {said}")));
    }
    None
}

/// Whether claude would not begin a thread, for it has begun one under that id that it cannot resume: it was killed before it
/// wrote down anything that was said.
pub(in crate::driver) fn is_thread_taken(said: &str) -> bool {
    said.contains("Error: Session ID ") && said.contains("is already in use")
}

/// Gives a new thread another id, when claude says that its own is taken. False for a thread that was there before.
pub(in crate::driver) fn take_another_id(request: &mut OpenRequest) -> bool {
    let is_new = matches!(request.origin, ThreadOrigin::New(_));
    if is_new {
        // Nothing that anybody was told is lost by it; the turn says which it is when it begins.
        request.origin = ThreadOrigin::New(ThreadId::generate());
    }
    is_new
}

/// A status of the model's service.
pub(in crate::driver) fn of_status(
    status: u16,
    said: &str,
    spec: &BackendSpec,
    retry_after: Option<Duration>,
) -> TurnError {
    let name = &spec.id;
    let (kind, message) = match status {
        401 | 403 => (ErrorKind::UpstreamAuth, sign_in(said, spec)),
        402 => (ErrorKind::UpstreamAuth, format!("{name}: the account's payment was refused: {said}")),
        429 => (ErrorKind::UpstreamRateLimit, format!("{name}: the account's rate or usage limit is reached: {said}")),
        503 | 529 => (ErrorKind::UpstreamOverloaded, format!("{name}: the model's service is overloaded: {said}")),
        400 | 404 | 413 | 422 => {
            (ErrorKind::UpstreamRejected, format!("{name}: the model's service refused the request: {said}"))
        }
        _ => (ErrorKind::UpstreamFailed, format!("{name}: the model's service failed with status {status}: {said}")),
    };
    let retry_after = match kind {
        ErrorKind::UpstreamRateLimit | ErrorKind::UpstreamOverloaded => {
            Some(retry_after.unwrap_or(RETRY_AFTER_DEFAULT).min(RETRY_AFTER_MAX))
        }
        _ => None,
    };
    TurnError { kind, message, retry_after }
}

/// The mode that claude reports allows more than was asked for.
pub(in crate::driver) fn laxer(spec: &BackendSpec, mode: &str, permission: Permission) -> TurnError {
    let message = format!(
        "{} runs in permission mode `{mode}`, which allows more than `{permission}`; its own settings override turnmux's. \
         Take `permissions.defaultMode` out of them, or set `permission` for this backend to match",
        spec.id
    );
    TurnError::new(ErrorKind::Misconfigured, message)
}

/// What is said where somebody has to sign in.
pub(in crate::driver) fn sign_in(said: &str, spec: &BackendSpec) -> String {
    format!(
        "{} is not signed in, or its sign-in was refused ({said}); run `{}` in a terminal and sign in with /login, or set \
         ANTHROPIC_API_KEY for the daemon",
        spec.id, spec.command
    )
}
