//! `POST /v1/chat/completions`.

use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};

use super::answer::Answering;
use super::messages::{self, Conversation};
use super::params;
use super::usage::Shown;
use crate::api::identity::{self, Isolation, Told};
use crate::api::openclaw::{self, Reading, Signs};
use crate::api::respond::{ApiError, Body, json};
use crate::api::router::Api;
use crate::api::workspace::Roots;
use crate::api::{body, idempotency, mcp, sse, tags};
use crate::dispatch::{Accepted, Denial, EventReader, Observer, Refusal};
use crate::protocol::{EventKind, Retry, SessionKey, TenantId, TurnEnding, TurnRequest};
use crate::wire::openai::ChatRequest;

/// A body larger than this takes so long to read that others would notice.
const LARGE_BYTES: usize = 256 << 10;

/// Answers a chat request, as a stream or as a whole.
pub(in crate::api) async fn chat(
    api: &Api,
    tenant: TenantId,
    headers: &HeaderMap,
    bytes: Bytes,
) -> Result<Response<Body>, ApiError> {
    let digest = idempotency::digest(headers, &bytes);
    let Asked { request, conversation, reading, ignored } = if bytes.len() > LARGE_BYTES {
        // The other sessions are not to wait for it.
        let headers = headers.clone();
        let read = tokio::task::spawn_blocking(move || read(&headers, &bytes)).await;
        read.unwrap_or_else(|_| Err(ApiError::internal("the request could not be read")))?
    } else {
        read(headers, &bytes)?
    };
    let roots = Roots::of(api.config.tenants.of(&tenant), &api.config.workspace_roots);
    // What is asked beside a conversation has nothing to do in its session.
    let isolation = if reading.beside { Isolation::Fresh } else { identity::isolation(headers)? };
    let identity = identity::identify(tenant.clone(), headers, request.user.as_deref(), &reading)?.isolated(isolation);
    let model = request.model.as_deref().filter(|model| !model.is_empty());
    let backend = api.dispatch.resolve(&tenant, model, identity.key.agent())?;
    let shown = model.unwrap_or(backend.as_str()).to_owned();
    let is_stream = request.stream.unwrap_or(false);
    let told = Some(identity::told(headers)?).filter(|_| is_stream).unwrap_or(Told::Nothing);
    let idempotency = idempotency::name(headers, &identity, digest)?;
    let input = conversation.input;
    let usage = if reading.turn { Shown::input_alone(&input, conversation.images.len()) } else { Shown::Whole };
    let turn = TurnRequest {
        // OpenClaw comes back seconds after it has lost a connection.
        lingers: idempotency.is_some() || reading.turn,
        idempotency,
        backend,
        workspace: identity::workspace(headers, roots)?,
        workspace_hint: identity::workspace_hint(headers, &reading, roots)?,
        // And nothing in its thread.
        thread: if reading.beside { None } else { identity::thread(headers)? },
        instructions: conversation.instructions,
        history: conversation.history,
        unnamed: identity.unnamed,
        renew: isolation == Isolation::Clean,
        model: identity::model(headers)?,
        call: identity::call(headers, isolation)?,
        boundary: identity.boundary,
        keeps_thread: reading.compacted,
        tags: tags::read(request.metadata.as_deref(), "metadata")?,
        mcp: mcp::read(request.turnmux.as_deref())?,
        retry: reading.retry.then(|| if openclaw::goes_on(&input) { Retry::GoOn } else { Retry::Same }),
        images: conversation.images,
        input,
    };
    let (key, accepted) = submit(api, identity.key, turn).await?;

    let include_usage = request.stream_options.and_then(|options| options.include_usage).unwrap_or(false);
    let answering = Answering::new(accepted.turn, shown, usage, include_usage, told);
    let mut stamps = stamps(&key, &accepted, ignored);
    let mut reader = accepted.reader;
    let mut response = if is_stream {
        let listener = (told == Told::Events).then(|| api.dispatch.watch(&key, None).ok()).flatten();
        if accepted.is_provisional {
            // Nothing else tells a plain client that its agent begins with a thread that it was only told of.
            let begins = reader.look_for(decides_thread);
            if let Ok(Some(event)) = tokio::time::timeout(api.config.heartbeat, begins).await {
                stamps.extend(settled(&event.kind));
            }
        }
        stream(api, answering, reader, listener)
    } else {
        whole(&answering, reader, &mut stamps).await
    };
    response.headers_mut().extend(stamps);
    Ok(response)
}

/// Whether the event decides which thread the turn has.
fn decides_thread(kind: &EventKind) -> bool {
    matches!(kind, EventKind::ContextLost { .. } | EventKind::Started { .. } | EventKind::Ended(_))
}

/// Gives the turn to its session. What is left over from a conversation that was begun anew since, such as a late retry,
/// would neither find that conversation there nor may it disturb the new one: it brings all it needs along, and is answered
/// in a session of its own.
async fn submit(api: &Api, key: SessionKey, turn: TurnRequest) -> Result<(SessionKey, Accepted), ApiError> {
    if turn.call.is_some() {
        return Ok(api.dispatch.call(key.tenant(), turn).await?);
    }
    let spare = turn.boundary.map(|_| turn.clone());
    match (api.dispatch.submit(&key, turn).await, spare) {
        (Err(Refusal::Denied(Denial::EarlierConversation { .. })), Some(spare)) => {
            let key = key.beside();
            let turn = TurnRequest { unnamed: true, boundary: None, thread: None, ..spare };
            let accepted = api.dispatch.submit(&key, turn).await?;
            Ok((key, accepted))
        }
        (accepted, _) => Ok((key, accepted?)),
    }
}

/// What a request says.
struct Asked {
    request: ChatRequest,
    conversation: Conversation,
    reading: Reading,
    ignored: Option<String>,
}

fn read(headers: &HeaderMap, bytes: &[u8]) -> Result<Asked, ApiError> {
    let mut request: ChatRequest = body::json(bytes)?;
    params::check(&request)?;
    // The prompt may be megabytes, and the turn may take hours.
    let mut said = messages::said(std::mem::take(&mut request.messages))?;
    let affinity = identity::affinity(headers, request.prompt_cache_key.as_deref())?;
    let reading = match request.turnmux {
        None => openclaw::read(&Signs::of(headers), affinity, &mut said),
        // Who speaks to turnmux in its own words means what it says: OpenClaw's plugin does, and there is nothing to take off.
        Some(_) => Reading::of_affinity(affinity),
    };
    Ok(Asked { request, conversation: messages::conversation(said)?, reading, ignored: params::ignored(bytes) })
}

fn stream(api: &Api, answering: Answering, reader: EventReader, listener: Option<Observer>) -> Response<Body> {
    sse::response(sse::body(answering, reader, listener, api.config.heartbeat))
}

/// Waits for the end, however long it takes. A client that leaves meanwhile ends this future, and with it the reader.
async fn whole(answering: &Answering, mut reader: EventReader, stamps: &mut HeaderMap) -> Response<Body> {
    while let Some(event) = reader.next().await {
        stamps.extend(settled(&event.kind));
        let EventKind::Ended(ending) = &event.kind else { continue };
        return match ending {
            TurnEnding::Completed { text, reasoning, finish, usage } => {
                json(StatusCode::OK, &answering.whole(text, reasoning, *finish, usage))
            }
            _ => ApiError::of_ending(ending).unwrap_or_else(ApiError::reader_lost).response(),
        };
    }
    ApiError::reader_lost().response()
}

/// The headers that say which session, turn and thread this is.
fn stamps(key: &SessionKey, accepted: &Accepted, ignored: Option<String>) -> HeaderMap {
    let values = [
        ("x-turnmux-session", Some(key.to_string())),
        ("x-turnmux-turn", Some(accepted.turn.to_string())),
        ("x-turnmux-thread", Some(accepted.thread.to_string())),
        ("x-turnmux-ignored", ignored),
        ("x-turnmux-joined", accepted.is_joined.then(|| "true".to_owned())),
    ];
    headers(values)
}

/// The headers that say which thread the turn has, which may be another than it was accepted for; none where the event does
/// not tell.
fn settled(kind: &EventKind) -> HeaderMap {
    match kind {
        EventKind::ContextLost { from, to, .. } => {
            headers([("x-turnmux-context-lost", Some(from.to_string())), ("x-turnmux-thread", Some(to.to_string()))])
        }
        EventKind::Started { thread } => headers([("x-turnmux-thread", Some(thread.to_string()))]),
        _ => HeaderMap::new(),
    }
}

fn headers<const N: usize>(values: [(&'static str, Option<String>); N]) -> HeaderMap {
    let values = values.into_iter().filter_map(|(name, value)| {
        // Keys have no control characters, and other bytes may stand in a header.
        let value = HeaderValue::from_bytes(value?.as_bytes()).ok()?;
        Some((HeaderName::from_static(name), value))
    });
    values.collect()
}
