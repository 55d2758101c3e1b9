//! An HTTP client for a daemon that may be gone at any moment: whatever breaks is none, and no panic.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Talks to one daemon.
#[derive(Clone)]
pub(super) struct Requests {
    http: Client<HttpConnector, Full<Bytes>>,
    address: String,
}

/// The head of an answer, and its body as it comes.
pub(super) struct Answering {
    pub(super) status: u16,
    pub(super) turn: Option<String>,
    body: Incoming,
    buffer: Vec<u8>,
}

/// A piece of a stream of events.
#[derive(Debug)]
pub(super) enum Piece {
    /// The `data` of an event; what is no JSON is a string.
    Data(Value),
    /// The stream has ended as streams do.
    End,
}

impl Requests {
    pub(super) fn new(address: &str) -> Self {
        let http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        Self { http, address: address.to_owned() }
    }

    /// Sends a request; gives the head of the answer.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Option<Answering> {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let response = self.http.request(request.body(Full::new(body)).expect("a request")).await.ok()?;
        Some(Answering::new(response))
    }

    /// Gets something as JSON, with the status.
    pub(super) async fn get(&self, path: &str) -> Option<(u16, Value)> {
        let answering = self.send(Method::GET, path, &[], &Value::Null).await?;
        let status = answering.status;
        Some((status, answering.json().await?))
    }

    /// Posts JSON; gets JSON, with the status.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Option<(u16, Value)> {
        let answering = self.send(Method::POST, path, &[], body).await?;
        let status = answering.status;
        Some((status, answering.json().await?))
    }

    /// Opens a stream of events. The status where it is refused.
    pub(super) async fn events(&self, path: &str, after: Option<u64>) -> Option<Result<Answering, u16>> {
        let after = after.map(|after| after.to_string());
        let headers = after.as_deref().map(|after| ("last-event-id", after));
        let answering = self.send(Method::GET, path, headers.as_slice(), &Value::Null).await?;
        Some(if answering.status == 200 { Ok(answering) } else { Err(answering.status) })
    }
}

impl Answering {
    fn new(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let turn = head.headers.get("x-turnmux-turn").and_then(|turn| turn.to_str().ok()).map(str::to_owned);
        Self { status: head.status.as_u16(), turn, body, buffer: Vec::new() }
    }

    /// The whole body as JSON.
    pub(super) async fn json(self) -> Option<Value> {
        serde_json::from_slice(&self.body.collect().await.ok()?.to_bytes()).ok()
    }

    /// What comes next; none when the connection broke.
    pub(super) async fn piece(&mut self) -> Option<Piece> {
        loop {
            while let Some(end) = memchr::memmem::find(&self.buffer, b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                let block = String::from_utf8_lossy(&block);
                if let Some(data) = block.lines().find_map(|line| line.strip_prefix("data: ")) {
                    let data = serde_json::from_str(data).unwrap_or_else(|_| Value::String(data.to_owned()));
                    return Some(Piece::Data(data));
                }
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.buffer.extend_from_slice(frame.data_ref().map_or(&[], |data| &data[..])),
                Some(Err(_)) => return None,
                None => return Some(Piece::End),
            }
        }
    }
}
