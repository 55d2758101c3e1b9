//! Plays a plan as an HTTP response, streamed or whole.

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{Response, StatusCode, body::Frame, header};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    error,
    plan::{Act, Plan},
    prompt::Prompt,
    sse::{self, Piece},
    stage::{HOLD_MAX, Stage},
};

/// What every answer says it cost.
pub const USAGE: Usage = Usage { input: 11, cache_creation: 100, cache_read: 50, output: 20 };

/// Token counts, all different, so that a test notices when two are mixed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// `input_tokens`
    pub input: u32,
    /// `cache_creation_input_tokens`
    pub cache_creation: u32,
    /// `cache_read_input_tokens`
    pub cache_read: u32,
    /// `output_tokens`
    pub output: u32,
}

/// A response's body.
pub(super) type Body = UnsyncBoxBody<Bytes, Cut>;

/// The script cut the connection.
#[derive(Debug, thiserror::Error)]
#[error("the script cut the connection")]
pub(super) struct Cut;

/// The ids of an answer.
#[derive(Debug)]
pub(super) struct Identity {
    /// Id of the message.
    pub(super) message: String,
    /// Id of the tool call.
    pub(super) tool: String,
    /// The model that was asked for.
    pub(super) model: String,
}

/// Answers a Messages request; an error cuts the connection before anything was sent.
pub(super) async fn message(body: &Value, prompt: &Prompt, stage: &Arc<Stage>) -> Result<Response<Body>, Cut> {
    let mut plan = match Plan::new(prompt) {
        Ok(plan) => plan,
        Err(error) => return Ok(failure(400, None, &error.to_string())),
    };
    let attempt = stage.attempt(prompt);
    plan.acts.retain(|act| match act {
        Act::Fail { first_attempts: Some(times), .. } | Act::Cut(Some(times)) => attempt <= *times,
        _ => true,
    });

    let streamed = body["stream"] == true;
    // A whole answer waits for everything; a streamed one only for what stands before the first output.
    let mut output_began = false;
    let mut rest = Vec::new();
    for act in plan.acts {
        if streamed && output_began {
            rest.push(act);
            continue;
        }
        match act {
            Act::Silent(None) => std::future::pending().await,
            Act::Silent(Some(pause)) => tokio::time::sleep(pause).await,
            Act::Hold(name) if stage.hold(&name).await => {}
            Act::Hold(name) => {
                return Ok(failure(500, None, &format!("::hold {name} was not released within {HOLD_MAX:?}")));
            }
            Act::Fail { code, retry_after_s, .. } => return Ok(failure(code, retry_after_s, error::message(code))),
            Act::Cut(_) => return Err(Cut),
            act => {
                output_began = true;
                rest.push(act);
            }
        }
    }
    let plan = Plan { acts: rest, stop_reason: plan.stop_reason };
    let identity = Identity::new(body["model"].as_str().unwrap_or("loopback"));
    if streamed {
        Ok(play(sse::pieces(&plan, &identity), Arc::clone(stage)))
    } else {
        Ok(json(StatusCode::OK, &whole(&plan, &identity)))
    }
}

/// A JSON response.
pub(super) fn json(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(full(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

/// The API's error response.
pub(super) fn failure(code: u16, retry_after_s: Option<u32>, message: &str) -> Response<Body> {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(status, &error::body(code, message));
    if let Some(seconds) = retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// A body that is there at once.
pub(super) fn full(text: String) -> Body {
    Full::new(Bytes::from(text)).map_err(|never: Infallible| match never {}).boxed_unsync()
}

impl Usage {
    /// The counts as `message_start` has them: one token of output so far.
    pub(super) fn at_start(self) -> Value {
        Self { output: 1, ..self }.to_json()
    }

    fn to_json(self) -> Value {
        json!({"input_tokens": self.input, "cache_creation_input_tokens": self.cache_creation,
            "cache_read_input_tokens": self.cache_read, "output_tokens": self.output})
    }
}

impl Identity {
    /// New ids, unlike all others of this process.
    pub(super) fn new(model: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        Self {
            message: format!("msg_loopback_{process}_{number}"),
            tool: format!("toolu_loopback_{process}_{number}"),
            model: model.to_owned(),
        }
    }
}

fn play(pieces: Vec<Piece>, stage: Arc<Stage>) -> Response<Body> {
    let frames = stream::unfold((VecDeque::from(pieces), stage), |(mut pieces, stage)| async {
        loop {
            match pieces.pop_front()? {
                Piece::Bytes(bytes) => {
                    return Some((Ok(Frame::data(bytes.into())), (pieces, stage)));
                }
                Piece::Silent(None) => std::future::pending().await,
                Piece::Silent(Some(pause)) => tokio::time::sleep(pause).await,
                Piece::Hold(name) if stage.hold(&name).await => {}
                Piece::Hold(_) | Piece::Cut => {
                    // A body that has nothing for a moment makes hyper send what it holds; then comes the cut.
                    tokio::task::yield_now().await;
                    pieces.clear();
                    return Some((Err(Cut), (pieces, stage)));
                }
            }
        }
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache"));
    response
}

fn whole(plan: &Plan, identity: &Identity) -> Value {
    let mut content: Vec<Value> = Vec::new();
    for act in &plan.acts {
        match act {
            Act::Say(text, _) => match content.last_mut() {
                Some(last) if last["type"] == "text" => {
                    let joined = format!("{}{text}", last["text"].as_str().unwrap_or_default());
                    last["text"] = joined.into();
                }
                _ => content.push(json!({"type": "text", "text": text})),
            },
            Act::Think(text, _) => {
                content.push(json!({"type": "thinking", "thinking": text, "signature": "bG9vcGJhY2s="}));
            }
            Act::Tool(call) => {
                content.push(json!({"type": "tool_use", "id": identity.tool, "name": call.name, "input": call.input}));
            }
            Act::Silent(_) | Act::Hold(_) | Act::Fail { .. } | Act::Cut(_) => {}
        }
    }
    json!({"id": identity.message, "type": "message", "role": "assistant", "model": identity.model, "content": content,
        "stop_reason": plan.stop_reason, "stop_sequence": null, "usage": USAGE.to_json()})
}
