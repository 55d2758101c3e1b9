//! The request, and its answer in pages: nothing is read before what was read last is on its way.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue, VARY};
use hyper::{HeaderMap, Response};

use super::lines::Lines;
use super::markdown::Markdown;
use crate::api::control::pages::{Pages, blocking};
use crate::api::control::sessions::{key, no_session};
use crate::api::query::Query;
use crate::api::respond::{ApiError, Body};
use crate::api::router::Api;
use crate::dispatch::{Dispatch, Logged, SessionView, StoreError};
use crate::protocol::TenantId;

/// Gives a session away, as JSON lines or as Markdown. What happens after the request need not be in it.
pub(in crate::api) async fn export(
    api: &Api,
    tenant: TenantId,
    headers: &HeaderMap,
    query: Option<&str>,
    text: &str,
) -> Result<Response<Body>, ApiError> {
    let key = key(tenant, text)?;
    let format = Format::of(headers, query)?;
    let (dispatch, text) = (api.dispatch.clone(), text.to_owned());
    let begun = blocking(move || {
        let view = dispatch.session(&key)?.ok_or_else(|| no_session(&text))?;
        Ok(Exporting::begin(dispatch, view, format))
    });
    let pieces = stream::unfold(Some(begun.await?), |exporting| async move {
        let mut exporting = exporting?;
        let next = blocking(move || {
            let piece = exporting.next();
            Ok((piece, (!exporting.is_over).then_some(exporting)))
        });
        // It can fail by a panic alone, and then the answer breaks off.
        let (piece, rest) = next.await.ok()?;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(piece))), rest))
    });
    let mut response = Response::new(StreamBody::new(pieces).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Lines,
    Markdown,
}

impl Format {
    /// What the parameter says; where there is none, the first type in `Accept` that is one of ours.
    fn of(headers: &HeaderMap, query: Option<&str>) -> Result<Self, ApiError> {
        let query = Query::read(query, |name| name == "format", "none but `format`")?;
        match query.one("format")? {
            Some("jsonl") => Ok(Self::Lines),
            Some("markdown") => Ok(Self::Markdown),
            Some(_) => {
                let message = "`format`: expected `jsonl` or `markdown`";
                Err(ApiError::field("format", "invalid_parameter", message))
            }
            None => {
                let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
                let mut kinds = accepted.flat_map(|value| value.split(','));
                let named = kinds.find_map(|kind| match kind.split(';').next().unwrap_or_default().trim() {
                    "text/markdown" => Some(Self::Markdown),
                    "application/jsonl" | "application/x-ndjson" | "application/json" => Some(Self::Lines),
                    _ => None,
                });
                Ok(named.unwrap_or(Self::Lines))
            }
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Lines => "application/jsonl",
            Self::Markdown => "text/markdown; charset=utf-8",
        }
    }
}

/// A session on its way out.
struct Exporting {
    pages: Pages,
    writer: Writer,
    /// What stands before the first page.
    head: Vec<u8>,
    /// The session's last event, as far as nothing was written yet.
    unseen: Option<u64>,
    is_over: bool,
}

enum Writer {
    Lines(Lines),
    Markdown(Box<Markdown>),
}

impl Exporting {
    fn begin(dispatch: Arc<dyn Dispatch>, view: SessionView, format: Format) -> Self {
        let (key, upto) = (view.record.key.clone(), view.record.last_seq());
        let (mut head, pages) = (Vec::new(), Pages::new(dispatch.clone(), key.clone(), 0, upto));
        let unseen = Some(view.record.seq);
        let writer = match format {
            Format::Lines => Writer::Lines(Lines::begin(&mut head, dispatch, view)),
            Format::Markdown => {
                let lookups = Pages::new(dispatch.clone(), key, 0, 0);
                Writer::Markdown(Box::new(Markdown::begin(&mut head, dispatch, lookups, &view)))
            }
        };
        Self { pages, writer, head, unseen, is_over: false }
    }

    /// The next piece. An answer that has begun has its status already, so trouble is told in the text.
    fn next(&mut self) -> Vec<u8> {
        let mut out = std::mem::take(&mut self.head);
        while out.is_empty() && !self.is_over {
            if let Err(error) = self.page(&mut out) {
                self.is_over = true;
                match &self.writer {
                    Writer::Lines(_) => Lines::broken(&mut out, &error),
                    Writer::Markdown(_) => Markdown::broken(&mut out, &error),
                }
            }
        }
        out
    }

    fn page(&mut self, out: &mut Vec<u8>) -> Result<(), StoreError> {
        let page = self.pages.next()?;
        if let Some(last) = self.unseen.take() {
            let missed = page.as_ref().and_then(|page| page.first()).map_or(last, |first| first.seq - 1);
            if missed > 0 {
                self.writer.missed(out, missed);
            }
        }
        let Some(page) = page else {
            self.is_over = true;
            return self.writer.end(out);
        };
        page.iter().try_for_each(|logged| self.writer.event(out, logged))
    }
}

impl Writer {
    /// Events up to this one are not kept any more.
    fn missed(&self, out: &mut Vec<u8>, upto: u64) {
        match self {
            Self::Lines(_) => Lines::missed(out, upto),
            Self::Markdown(_) => Markdown::missed(out, upto),
        }
    }

    fn event(&mut self, out: &mut Vec<u8>, logged: &Arc<Logged>) -> Result<(), StoreError> {
        match self {
            Self::Lines(lines) => lines.event(out, logged),
            Self::Markdown(markdown) => markdown.event(out, logged),
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), StoreError> {
        match self {
            Self::Lines(lines) => {
                lines.end(out);
                Ok(())
            }
            Self::Markdown(markdown) => markdown.end(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(query: Option<&str>, accept: &[&'static str]) -> Option<Format> {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(ACCEPT, HeaderValue::from_static(value));
        }
        Format::of(&headers, query).ok()
    }

    #[test]
    fn the_parameter_goes_before_the_header() {
        assert_eq!(format(None, &[]), Some(Format::Lines));
        assert_eq!(format(None, &["*/*"]), Some(Format::Lines));
        assert_eq!(format(None, &["text/html, text/markdown;q=0.9, */*"]), Some(Format::Markdown));
        assert_eq!(format(None, &["application/jsonl, text/markdown"]), Some(Format::Lines));
        assert_eq!(format(None, &["text/plain", "text/markdown"]), Some(Format::Markdown));
        assert_eq!(format(Some("format=jsonl"), &["text/markdown"]), Some(Format::Lines));
        assert_eq!(format(Some("format=markdown"), &[]), Some(Format::Markdown));
        for wrong in ["format=pdf", "format=", "fromat=jsonl", "format=jsonl&format=jsonl"] {
            assert_eq!(format(Some(wrong), &[]), None, "{wrong}");
        }
    }
}
