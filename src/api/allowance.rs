//! How many requests of each tenant are answered at once (`max_requests` of its key).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::{Frame, SizeHint};

use super::respond::{ApiError, Body};
use crate::protocol::{TenantId, Tenants};

/// What a request takes its share of. They are counted apart, each up to the bound: a tenant that has as many turns
/// running as it may can still stop one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It begins a turn.
    Turn,
    /// It acts on what there is.
    Act,
    /// It watches what happens.
    Watch,
    /// It reads what has happened.
    Read,
}

/// The requests of those tenants that have a bound.
#[derive(Debug, Default)]
pub(super) struct Allowances {
    tenants: BTreeMap<TenantId, Allowance>,
}

#[derive(Debug)]
struct Allowance {
    max: usize,
    /// How much is taken, by [`Kind`].
    taken: [Arc<AtomicUsize>; 4],
}

/// A request's share, until it is dropped.
#[derive(Debug)]
pub(super) struct Share(Arc<AtomicUsize>);

impl Allowances {
    /// All of it is free.
    pub(super) fn new(tenants: &Tenants) -> Self {
        let bounded = tenants.iter().filter_map(|(tenant, limits)| {
            let allowance = Allowance { max: limits.max_requests?, taken: Default::default() };
            Some((tenant.clone(), allowance))
        });
        Self { tenants: bounded.collect() }
    }

    /// A share for one request; none where the tenant has no bound.
    ///
    /// # Errors
    /// When as many requests as may are being answered.
    pub(super) fn take(&self, tenant: &TenantId, kind: Kind) -> Result<Option<Share>, ApiError> {
        let Some(Allowance { max, taken: [turns, acts, watches, reads] }) = self.tenants.get(tenant) else {
            return Ok(None);
        };
        let count = match kind {
            Kind::Turn => turns,
            Kind::Act => acts,
            Kind::Watch => watches,
            Kind::Read => reads,
        };
        let more = |taken: usize| (taken < *max).then_some(taken + 1);
        match count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(Some(Share(count.clone()))),
            Err(_) => Err(ApiError::tenant_busy(*max)),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Share {
    /// Keeps the share until the response's last byte is handed on, or its client has left.
    pub(super) fn kept_by(self, response: Response<Body>) -> Response<Body> {
        response.map(|body| Counted { share: Some(self), body }.boxed_unsync())
    }
}

struct Counted {
    // Before the body, whose reader's end is what others hear of when a client leaves: by then the share is free.
    share: Option<Share>,
    body: Body,
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if self.body.is_end_stream() || matches!(frame, Poll::Ready(None)) {
            // Before the last frame is written: a client that asks again as soon as it has read it finds its share free.
            self.share = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use http_body_util::Full;
    use hyper::body::Body as _;

    use super::*;
    use crate::protocol::TenantLimits;

    fn tenant(name: &str) -> TenantId {
        TenantId::new(name).unwrap()
    }

    fn allowances() -> Allowances {
        let limits = TenantLimits { max_requests: Some(2), ..TenantLimits::default() };
        Allowances::new(&Tenants::new([(tenant("alice"), limits), (tenant("bob"), TenantLimits::default())].into()))
    }

    #[test]
    fn a_share_more_than_there_are_is_refused_and_one_given_back_is_free() {
        let allowances = allowances();
        let take = |kind| allowances.take(&tenant("alice"), kind);
        let (first, _second) = (take(Kind::Turn).unwrap(), take(Kind::Turn).unwrap());
        assert_eq!(take(Kind::Turn).unwrap_err().body().error.code, "tenant_busy");
        let _others = [Kind::Act, Kind::Watch].map(|kind| take(kind).unwrap().unwrap());
        drop(first);
        let _third = take(Kind::Turn).unwrap().unwrap();
        assert!(take(Kind::Turn).is_err());
        for other in ["bob", "carol"] {
            assert!(allowances.take(&tenant(other), Kind::Turn).unwrap().is_none());
        }
    }

    #[test]
    fn a_response_gives_its_share_back_with_its_last_frame_or_when_it_is_dropped() {
        let allowances = allowances();
        let response = || {
            let share = allowances.take(&tenant("alice"), Kind::Turn).unwrap().unwrap();
            share.kept_by(Response::new(Full::new(Bytes::from_static(b"text")).boxed_unsync()))
        };
        let (mut read, dropped) = (response(), response());
        assert_eq!(read.body().size_hint().exact(), Some(4), "its length is still known");
        assert!(allowances.take(&tenant("alice"), Kind::Turn).is_err());
        let frame = read.body_mut().frame().now_or_never().flatten().unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "text");
        let again = allowances.take(&tenant("alice"), Kind::Turn).unwrap();
        assert!(allowances.take(&tenant("alice"), Kind::Turn).is_err());
        drop(dropped);
        assert!(allowances.take(&tenant("alice"), Kind::Turn).is_ok());
        drop(again);
    }
}
