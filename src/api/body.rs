//! Request bodies: bounded in size and time.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use serde::de::DeserializeOwned;

use super::respond::ApiError;

/// How long a body may take to arrive. Long for loopback, short for somebody who only holds the connection.
const BODY_WAIT: Duration = Duration::from_mins(1);

/// The whole body.
pub(super) async fn read(body: Incoming, limit: usize) -> Result<Bytes, ApiError> {
    // A client that says beforehand how much it will send is answered before it does.
    if body.size_hint().lower() > limit as u64 {
        return Err(ApiError::too_large(limit));
    }
    let collected = tokio::time::timeout(BODY_WAIT, Limited::new(body, limit).collect()).await;
    match collected.map_err(|_| ApiError::body_timeout(BODY_WAIT))? {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::too_large(limit)),
        Err(error) => Err(ApiError::invalid("body_incomplete", format!("the request body broke off: {error}"))),
    }
}

/// A JSON body; errors name the field.
pub(super) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
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
