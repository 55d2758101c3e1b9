//! `GET /openapi.json`: the API's description. The tests hold every answer against it, and it against the router.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use super::respond::Body;

/// The document, of version 3.1 of `OpenAPI`.
pub(super) const DOCUMENT: &str = include_str!("openapi.json");

/// The document as it is.
pub(super) fn openapi() -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from_static(DOCUMENT.as_bytes())).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
