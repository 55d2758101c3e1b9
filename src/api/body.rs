//! Request bodies: bounded in size and time.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::respond::ApiError;

/// How long a body may take to arrive. Long for loopback, short for somebody who only holds the connection.
const BODY_WAIT: Duration = Duration::from_mins(1);

/// How much of a body that is too large is still taken, and for how long, so that its client hears of it.
const DRAIN_BYTES: usize = 256 << 20;
const DRAIN_WAIT: Duration = Duration::from_secs(30);

/// The whole body.
pub(super) async fn read(body: Incoming, limit: usize) -> Result<Bytes, ApiError> {
    // A client that says beforehand how much it will send is answered before it does.
    if body.size_hint().lower() > limit as u64 {
        drain(body);
        return Err(ApiError::too_large(limit));
    }
    let mut body = body;
    let collected = tokio::time::timeout(BODY_WAIT, Limited::new(&mut body, limit).collect()).await;
    match collected.map_err(|_| ApiError::body_timeout(BODY_WAIT))? {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            drain(body);
            Err(ApiError::too_large(limit))
        }
        Err(error) => Err(ApiError::invalid("body_incomplete", format!("the request body broke off: {error}"))),
    }
}

/// Takes what still comes of a body that nobody wants, beside the answer. Clients send all they have before they read; were the
/// connection closed meanwhile, they would see it break, and repeat the request, instead of the answer.
pub(super) fn drain(mut body: Incoming) {
    tokio::spawn(tokio::time::timeout(DRAIN_WAIT, async move {
        let mut left = DRAIN_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    }));
}

/// A JSON body, which must be an object; errors name the field.
pub(super) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // serde would take a list for a struct, field by field.
    let is_object = bytes.trim_ascii_start().first() == Some(&b'{');
    if !is_object && serde_json::from_slice::<IgnoredAny>(bytes).is_ok() {
        return Err(ApiError::invalid("invalid_body", "the request body is valid JSON, but no object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        if let Some(field) = missing_field(&error) {
            let path = if path == "." { field } else { format!("{path}.{field}") };
            return ApiError::field(path.clone(), "missing_field", format!("`{path}` is missing"));
        }
        if error.is_data() && path != "." {
            ApiError::field(path.clone(), "invalid_type", format!("`{path}`: {error}"))
        } else if error.is_data() {
            ApiError::invalid("invalid_body", format!("the request body is not as it should be: {error}"))
        } else {
            ApiError::invalid("invalid_json", format!("the request body is not valid JSON: {error}"))
        }
    })?;
    reader
        .end()
        .map_err(|error| ApiError::invalid("invalid_json", format!("the request body is not valid JSON: {error}")))?;
    Ok(value)
}

/// serde says it of the object that lacks the field.
fn missing_field(error: &serde_json::Error) -> Option<String> {
    let text = error.to_string();
    let (field, _) = text.strip_prefix("missing field `")?.split_once('`')?;
    Some(field.to_owned())
}
