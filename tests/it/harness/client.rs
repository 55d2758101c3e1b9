//! A plain HTTP client: what the daemon says, byte for byte, with nothing in between. All of it is held against
//! `/openapi.json` on the way.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::{contract, within};

/// Talks to one daemon.
#[derive(Clone)]
pub(crate) struct Client {
    http: Http<HttpConnector, Full<Bytes>>,
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
    headers: Vec<(String, String)>,
    /// What it hears is described in `/openapi.json`.
    is_api: bool,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A streamed answer. Dropping it closes its connection, as a client does that goes away.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    events: Option<contract::Events>,
    buffer: Vec<u8>,
    /// How much of the buffer holds no end of an event.
    searched: usize,
}

/// The request's body for one user message.
pub(crate) fn ask(text: &str) -> Value {
    json!({"model": "claude-code", "messages": [{"role": "user", "content": text}]})
}

impl Client {
    pub(crate) fn new(address: &str) -> Self {
        // No idle connections: each request's end shows at the daemon.
        let http = Http::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        Self { http, address: address.to_owned(), headers: Vec::new(), is_api: true }
    }

    /// A client of the side door.
    pub(crate) fn of_side_door(address: &str) -> Self {
        Self { is_api: false, ..Self::new(address) }
    }

    /// The same client with one more header on every request.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    /// The same client with an API key.
    pub(crate) fn key(&self, key: &str) -> Self {
        self.with("authorization", &format!("Bearer {key}"))
    }

    /// The same client for one session.
    pub(crate) fn session(&self, key: &str) -> Self {
        self.with("x-turnmux-session", key)
    }

    /// One turn, not streamed.
    pub(crate) async fn ask(&self, text: &str) -> Reply {
        self.post("/v1/chat/completions", &ask(text)).await
    }

    /// One turn, streamed.
    pub(crate) async fn stream(&self, text: &str) -> Stream {
        let mut body = ask(text);
        body["stream"] = json!(true);
        self.stream_body(&body).await
    }

    /// A streamed turn with this body.
    pub(crate) async fn stream_body(&self, body: &Value) -> Stream {
        self.open(Method::POST, "/v1/chat/completions", body.to_string().into()).await
    }

    /// An answer that is read as it comes.
    pub(super) async fn open(&self, method: Method, path: &str, body: Bytes) -> Stream {
        let (parts, body) = self.send(method.clone(), path, body).await.into_parts();
        let described = self.is_api.then(|| contract::events(&method, path, parts.status, &parts.headers));
        let events = described.flatten();
        Stream { status: parts.status, headers: parts.headers, body, events, buffer: Vec::new(), searched: 0 }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.request(Method::GET, path, Bytes::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.request(Method::POST, path, body.to_string().into()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.request(Method::DELETE, path, Bytes::new()).await
    }

    /// Any request with any body.
    pub(crate) async fn request(&self, method: Method, path: &str, body: Bytes) -> Reply {
        let (parts, body) = self.send(method.clone(), path, body).await.into_parts();
        let body = within("the answer's body", body.collect()).await.expect("a whole body").to_bytes();
        if self.is_api {
            contract::check(&method, path, parts.status, &parts.headers, &body);
        }
        Reply { status: parts.status, headers: parts.headers, body }
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Response<Incoming> {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).expect("a request");
        within("an answer", self.http.request(request)).await.expect("the daemon answers")
    }
}

impl Reply {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {:?}", self.body))
    }

    /// The text of a completion. Panics when this is none.
    pub(crate) fn text(&self) -> String {
        let text = self.json()["choices"][0]["message"]["content"].as_str().map(str::to_owned);
        text.unwrap_or_else(|| panic!("no completion: {} {:?}", self.status, self.body))
    }

    /// The code of an error. Panics when this is none.
    pub(crate) fn code(&self) -> String {
        let code = self.json()["error"]["code"].as_str().map(str::to_owned);
        code.unwrap_or_else(|| panic!("no error: {} {:?}", self.status, self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a header of text"))
    }
}

impl Stream {
    /// The next `data:` line: a chunk as JSON, or `[DONE]` as a string. None at the end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let event = self.block().await?;
        let data = event.strip_prefix(b"data: ").expect("an event is a data line").trim_ascii_end();
        Some(serde_json::from_slice(data).unwrap_or_else(|_| json!(String::from_utf8_lossy(data))))
    }

    /// The next lines up to an empty one. None at the end.
    pub(super) async fn block(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.buffer[self.searched..], b"\n\n") {
                let end = self.searched + end;
                self.searched = 0;
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                self.events.iter().for_each(|events| events.check(&block));
                return Some(block);
            }
            // Once is enough, for events may be large; the last byte may be half of what is looked for.
            self.searched = self.buffer.len().saturating_sub(1);
            let frame = within("the next piece of a stream", self.body.frame()).await?;
            self.buffer.extend_from_slice(frame.ok()?.data_ref()?);
        }
    }

    /// Pieces until one that fits; the text on the way is given too.
    pub(crate) async fn until(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> (String, Value) {
        let mut text = String::new();
        while let Some(chunk) = self.next().await {
            text.push_str(content(&chunk));
            if fits(&chunk) {
                return (text, chunk);
            }
        }
        panic!("the stream ended without {what}; its text was {text:?}");
    }

    /// The text until some of it has come.
    pub(crate) async fn first_text(&mut self) -> String {
        self.until("text", |chunk| !content(chunk).is_empty()).await.0
    }

    /// Everything: the text and all pieces.
    pub(crate) async fn rest(&mut self) -> (String, Vec<Value>) {
        let (mut text, mut chunks) = (String::new(), Vec::new());
        while let Some(chunk) = self.next().await {
            text.push_str(content(&chunk));
            chunks.push(chunk);
        }
        (text, chunks)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a header of text"))
    }
}

/// The text of a piece; empty where it has none.
pub(crate) fn content(chunk: &Value) -> &str {
    chunk["choices"][0]["delta"]["content"].as_str().unwrap_or_default()
}
