//! The server: accepts connections, routes requests, ends when its handle is dropped.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http_body_util::{BodyExt as _, Limited};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

use super::{
    answer::{self, Body, Cut},
    prompt::Prompt,
    record::{NotSeen, Recorded, Ring},
    stage::Stage,
};

/// Largest request that is taken, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A running loopback model. Dropping it closes its socket and every connection.
#[derive(Debug)]
pub struct Model {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: AbortHandle,
}

/// The model could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the loopback model cannot listen on 127.0.0.1:{port}; choose another port, or 0 for a free one")]
pub struct StartError {
    port: u16,
    source: io::Error,
}

#[derive(Debug)]
struct Shared {
    ring: Ring,
    stage: Arc<Stage>,
}

impl Model {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When the machine has no free loopback port.
    #[expect(clippy::expect_used, reason = "a test that has no model cannot go on")]
    pub async fn start() -> Self {
        Self::start_on(0).await.expect("a free loopback port")
    }

    /// Starts one on a port; 0 takes a free one.
    pub async fn start_on(port: u16) -> Result<Self, StartError> {
        let failed = |source| StartError { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared { ring: Ring::new(), stage: Arc::default() });
        let server = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self { address, shared, server })
    }

    /// Base URL, for `ANTHROPIC_BASE_URL`: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The recorded requests, oldest first, `count_tokens` and side requests included.
    pub fn requests(&self) -> Vec<Arc<Recorded>> {
        self.shared.ring.all()
    }

    /// The oldest recorded request that fits, as soon as there is one; requests that have already come count.
    pub async fn wait_for_request(
        &self,
        fits: impl Fn(&Recorded) -> bool,
        limit: Duration,
    ) -> Result<Arc<Recorded>, NotSeen> {
        self.shared.ring.wait(fits, limit).await
    }

    /// Lets one `::hold NAME` go on: one that waits, or the next to come.
    pub fn release(&self, name: &str) {
        self.shared.stage.release(name);
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // The connections are in a set that the server's task owns, and end with it.
        self.server.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // An error here is a connection that is gone already, or too many open files: the next one may be fine.
            accepted = listener.accept() => if let Ok((socket, _)) = accepted {
                connections.spawn(serve(socket, Arc::clone(&shared)));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(socket: TcpStream, shared: Arc<Shared>) {
    // Small events must leave at once.
    let _ = socket.set_nodelay(true);
    let service = service_fn(move |request| respond(request, Arc::clone(&shared)));
    // An error is a peer that went away, or a cut that the script wanted.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}

async fn respond(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Body>, Cut> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    match (&head.method, path) {
        (&Method::POST, "/v1/messages" | "/v1/messages/count_tokens") => {
            let Ok(bytes) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
                return Ok(answer::failure(413, None, "The request is too large, or was not sent to its end."));
            };
            let bytes = bytes.to_bytes();
            let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            let prompt = Prompt::read(&body);
            let headers = head.headers.iter().map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            });
            let recorded = Recorded::new(head.uri.to_string(), headers.collect(), body, bytes.len(), &prompt);
            let body = &shared.ring.push(recorded).body;
            if path.ends_with("/count_tokens") {
                return Ok(answer::json(StatusCode::OK, &json!({"input_tokens": bytes.len() / 4})));
            }
            if body["messages"].as_array().is_none_or(Vec::is_empty) {
                return Ok(answer::failure(400, None, "messages: at least one message is required"));
            }
            answer::message(body, &prompt, &shared.stage).await
        }
        (&Method::GET | &Method::HEAD, "/") => Ok(Response::new(answer::full("loopback model\n".to_owned()))),
        (&Method::GET, "/requests") => Ok(answer::json(StatusCode::OK, &requests_json(&shared.ring))),
        (&Method::POST, _) if path.starts_with("/release/") => {
            shared.stage.release(&path["/release/".len()..]);
            let mut response = Response::new(answer::full(String::new()));
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok(response)
        }
        _ => Ok(answer::failure(404, None, &format!("{} {path} is not served here", head.method))),
    }
}

fn requests_json(ring: &Ring) -> Value {
    ring.all().iter().map(|request| json!(**request)).collect()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// Sends a streamed request and gives the whole response as it stands on the wire.
    async fn ask(address: SocketAddr, text: &str) -> String {
        let body = json!({"stream": true, "messages": [{"role": "user", "content": text}]}).to_string();
        let head = format!("POST /v1/messages?beta=true HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n", body.len());
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).await.unwrap();
        let mut response = String::new();
        // A cut may come as an error; what was read until then is kept.
        let _ = socket.read_to_string(&mut response).await;
        response
    }

    #[tokio::test]
    async fn a_hold_waits_for_its_release() {
        let model = Model::start().await;
        let answer = tokio::spawn(ask(model.address, "::say one\n::hold here\n::say two"));
        model.wait_for_request(|request| request.turn == 1, LIMIT).await.unwrap();
        model.release("here");
        let answer = answer.await.unwrap();
        assert!(answer.contains("\"one\"") && answer.contains("\"two\""), "{answer}");
    }

    #[tokio::test]
    async fn a_cut_lets_what_was_said_through_and_no_end() {
        let model = Model::start().await;
        let answer = ask(model.address, "::say one\n::cut").await;
        assert!(answer.contains("\"one\"") && !answer.ends_with("0\r\n\r\n"), "{answer}");
    }

    #[tokio::test]
    async fn the_first_attempts_fail() {
        let model = Model::start().await;
        let mut statuses = Vec::new();
        for _ in 0..3 {
            let answer = ask(model.address, "::status-times 2 529\nhello").await;
            statuses.push(answer[9..12].to_owned());
        }
        assert_eq!(statuses, ["529", "529", "200"]);
    }

    #[tokio::test]
    async fn dropping_it_ends_its_connections() {
        let model = Model::start().await;
        let answer = tokio::spawn(ask(model.address, "::silent"));
        model.wait_for_request(|_| true, LIMIT).await.unwrap();
        drop(model);
        assert_eq!(answer.await.unwrap(), "");
    }
}
