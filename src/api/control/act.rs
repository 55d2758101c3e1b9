//! `POST /v1/sessions/{key}/…`: what clients do to a session.

use hyper::{HeaderMap, Response};

use super::sessions::{key, no_session};
use super::{decide, input, life};
use crate::api::respond::{ApiError, Body};
use crate::api::router::Api;
use crate::api::workspace::Roots;
use crate::dispatch::Denial;
use crate::protocol::{SessionKey, TenantId};

/// The last part of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Verb {
    Submit,
    Steer,
    Interrupt,
    Answer,
    Configure,
    Reset,
    Close,
    Adopt,
}

impl Verb {
    /// Reads it; none when there is no such.
    pub(in crate::api) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "submit" => Self::Submit,
            "steer" => Self::Steer,
            "interrupt" => Self::Interrupt,
            "answer" => Self::Answer,
            "configure" => Self::Configure,
            "reset" => Self::Reset,
            "close" => Self::Close,
            "adopt" => Self::Adopt,
            _ => return None,
        })
    }
}

/// Does it. A session that was closed says so to everything but a reset.
pub(in crate::api) async fn act(
    api: &Api,
    tenant: TenantId,
    text: &str,
    verb: Verb,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response<Body>, ApiError> {
    let key = key(tenant, text)?;
    let view = api.dispatch.session(&key)?;
    if view.as_ref().is_some_and(|view| view.record.closed) && verb != Verb::Reset {
        return Err(Denial::Closed.into());
    }
    let begins = matches!(verb, Verb::Submit | Verb::Adopt);
    if view.is_none() && !begins {
        return Err(no_session(text));
    }
    let on = On { api, key, backend: view.map(|view| view.record.backend) };
    match verb {
        Verb::Submit => input::submit(on, headers, body).await,
        Verb::Steer => input::steer(on, body).await,
        Verb::Interrupt => input::interrupt(on).await,
        Verb::Answer => decide::answer(on, body).await,
        Verb::Configure => decide::configure(on, body).await,
        Verb::Reset => life::reset(on).await,
        Verb::Close => life::close(on).await,
        Verb::Adopt => life::adopt(on, headers, body).await,
    }
}

/// What is acted on.
pub(super) struct On<'a> {
    pub(super) api: &'a Api,
    pub(super) key: SessionKey,
    /// The backend of its last turn, where the session is there already.
    pub(super) backend: Option<crate::protocol::BackendId>,
}

impl On<'_> {
    /// Where the caller's workspaces may lie.
    pub(super) fn roots(&self) -> Roots<'_> {
        Roots::of(self.api.config.tenants.of(self.key.tenant()), &self.api.config.workspace_roots)
    }

    /// The backend that is meant: the one that the request names, the session's, or the caller's agent's.
    pub(super) fn backend(&self, named: Option<&str>) -> Result<crate::protocol::BackendId, ApiError> {
        match (named.filter(|named| !named.is_empty()), &self.backend) {
            (None, Some(backend)) => Ok(backend.clone()),
            (named, _) => Ok(self.api.dispatch.resolve(self.key.tenant(), named, self.key.agent())?),
        }
    }
}
