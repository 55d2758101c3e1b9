//! `Idempotency-Key`: a request that comes again, for its client has lost the answer, joins its turn.

use std::hash::Hasher as _;

use fnv::FnvHasher;
use hyper::HeaderMap;

use super::identity::Identity;
use super::respond::ApiError;
use crate::protocol::Idempotency;

/// The longest name, in characters.
const LENGTH_MAX: usize = 255;

const NAME: &str = "Idempotency-Key";

/// What the body of a request that has a name says, as a number, which is kept on disk. It need not keep strangers out: a
/// name is its tenant's own.
pub(super) fn digest(headers: &HeaderMap, body: &[u8]) -> u64 {
    let mut hasher = FnvHasher::default();
    if headers.contains_key(NAME) {
        hasher.write(body);
    }
    hasher.finish()
}

/// The request's name, if it has one.
pub(super) fn name(headers: &HeaderMap, identity: &Identity, digest: u64) -> Result<Option<Idempotency>, ApiError> {
    let Some(value) = headers.get(NAME) else { return Ok(None) };
    let key = value.to_str().unwrap_or_default().trim();
    if key.is_empty() || key.len() > LENGTH_MAX {
        let message = format!("`{NAME}`: expected 1 to {LENGTH_MAX} visible characters, such as a UUID");
        return Err(ApiError::field(NAME, "invalid_header", message));
    }
    let mut hasher = FnvHasher::default();
    hasher.write(&digest.to_le_bytes());
    if !identity.unnamed {
        // The same words to another session are another request. One that names none gets a new session each time.
        hasher.write(identity.key.to_string().as_bytes());
    }
    Ok(Some(Idempotency { key: key.to_owned(), digest: hasher.finish() }))
}
