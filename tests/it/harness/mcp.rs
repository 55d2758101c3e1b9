//! A server of tools, over MCP's streamable HTTP: one tool `echo`, and a key that it asks for.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

/// A running one. Dropped, it closes its socket and every connection.
pub(crate) struct Tools {
    port: u16,
    state: Arc<Mutex<State>>,
    server: AbortHandle,
}

#[derive(Default)]
struct State {
    key: String,
    /// The methods that it was asked for, and with which key.
    asked: Vec<(String, String)>,
}

impl Tools {
    /// One that takes this key.
    pub(crate) async fn with_key(key: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let state = Arc::new(Mutex::new(State { key: key.to_owned(), asked: Vec::new() }));
        let server = tokio::spawn(accept(listener, state.clone())).abort_handle();
        Self { port, state, server }
    }

    /// From now on it takes this key, and no other.
    pub(crate) fn take(&self, key: &str) {
        key.clone_into(&mut self.state.lock().unwrap().key);
    }

    /// The server as a chat request names it, with the key that it takes.
    pub(crate) fn offered(&self, allowed: bool) -> Value {
        let url = format!("http://127.0.0.1:{}/mcp", self.port);
        let headers = json!({"Authorization": format!("Bearer {}", self.state.lock().unwrap().key)});
        json!({"type": "http", "url": url, "headers": headers, "alwaysLoad": true, "timeout": 60_000, "allowed": allowed})
    }

    /// How often it was asked for this, with a key that it took.
    pub(crate) fn asked(&self, method: &str, key: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.asked.iter().filter(|asked| asked.0 == method && asked.1 == key).count()
    }
}

impl Drop for Tools {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let state = state.clone();
        let service = service_fn(move |request| answer(request, state.clone()));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
    }
}

async fn answer(request: Request<Incoming>, state: Arc<Mutex<State>>) -> hyper::Result<Response<Full<Bytes>>> {
    if request.method() != Method::POST {
        return Ok(whole(StatusCode::METHOD_NOT_ALLOWED, &Value::Null));
    }
    let key = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = key.trim_start_matches("Bearer ").to_owned();
    let bytes = request.into_body().collect().await?.to_bytes();
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let method = body["method"].as_str().unwrap_or_default();
    {
        let mut state = state.lock().unwrap();
        if key != state.key {
            return Ok(whole(StatusCode::UNAUTHORIZED, &json!({"error": "no such key"})));
        }
        state.asked.push((method.to_owned(), key));
    }
    let result = match method {
        "initialize" => json!({"protocolVersion": body["params"]["protocolVersion"], "capabilities": {"tools": {}},
            "serverInfo": {"name": "tools", "version": "1"}}),
        "tools/list" => json!({"tools": [{"name": "echo", "description": "Says what it is told.",
            "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}}]}),
        "tools/call" => {
            json!({"content": [{"type": "text", "text": format!("echo: {}", body["params"]["arguments"]["text"])}]})
        }
        _ if body["id"].is_null() => return Ok(whole(StatusCode::ACCEPTED, &Value::Null)),
        _ => {
            let error = json!({"code": -32601, "message": "no such method"});
            return Ok(whole(StatusCode::OK, &json!({"jsonrpc": "2.0", "id": body["id"], "error": error})));
        }
    };
    Ok(whole(StatusCode::OK, &json!({"jsonrpc": "2.0", "id": body["id"], "result": result})))
}

fn whole(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Full::new(text.into())).expect("a response")
}
