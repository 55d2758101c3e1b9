//! Requests to a daemon that is known to be one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use super::connection::Connection;
use super::{ClientError, Events, Place};

/// How long the first answer of all may take: that of whoever has the port.
const HEALTH_WAIT: Duration = Duration::from_secs(5);

/// How long an answer may take. The slowest wait for the end of a process.
const ANSWER_WAIT: Duration = Duration::from_mins(2);

/// Largest answer that is read whole, in bytes: 4 MiB of text, every character of it escaped, and some room.
const ANSWER_MAX: usize = 64 << 20;

/// Largest error, and largest answer of a program that may not be turnmux, in bytes.
const SMALL_MAX: usize = 1 << 20;

/// What a segment of a path keeps as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b':').remove(b'~');

/// Speaks with one daemon. Requests may run side by side: each takes the connection that is free, or opens one.
pub struct Client {
    place: Place,
    health: Value,
    /// At most one connection is kept: a verb asks one thing after the other. Held for a move, never across an await.
    idle: Mutex<Option<Connection>>,
}

/// The path of something of a session: `session_path("ops::42", "events")`; with an empty `rest` of the session itself.
pub fn session_path(session: &str, rest: &str) -> String {
    let session = utf8_percent_encode(session, KEPT);
    if rest.is_empty() { format!("/v1/sessions/{session}") } else { format!("/v1/sessions/{session}/{rest}") }
}

impl Client {
    pub(super) async fn connect(place: Place) -> Result<Self, ClientError> {
        let client = Self::connect_any_version(place).await?;
        let (theirs, ours) = (client.version(), env!("CARGO_PKG_VERSION"));
        if speaks_alike(theirs, ours) {
            return Ok(client);
        }
        Err(ClientError::OtherVersion { address: client.place.host.clone(), theirs: theirs.to_owned(), ours })
    }

    pub(super) async fn connect_any_version(place: Place) -> Result<Self, ClientError> {
        let client = Self { place, health: Value::Null, idle: Mutex::new(None) };
        let health = match timeout(HEALTH_WAIT, client.ask_health()).await {
            Ok(health) => health?,
            Err(_) => return Err(client.not_turnmux("it does not answer")),
        };
        Ok(Self { health, ..client })
    }

    /// Where the daemon is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What `/health` said when the connection was made.
    pub fn health(&self) -> &Value {
        &self.health
    }

    /// The daemon's version.
    pub fn version(&self) -> &str {
        self.health["version"].as_str().unwrap_or_default()
    }

    /// `GET`, and the answer as JSON.
    ///
    /// # Errors
    /// As [`ClientError`] lists them; the daemon's refusals are [`ClientError::Api`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.json(Method::GET, path, Bytes::new()).await
    }

    /// `POST` of JSON, and the answer as JSON.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.json(Method::POST, path, self.body(body)?).await
    }

    /// `DELETE`, and the answer as JSON.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.json(Method::DELETE, path, Bytes::new()).await
    }

    /// `GET` of a stream of events.
    ///
    /// # Errors
    /// As [`Client::get`]; what happens later comes out of [`Events::next`].
    pub async fn events(&self, path: &str) -> Result<Events, ClientError> {
        self.open(Method::GET, path, HeaderMap::new(), Bytes::new()).await
    }

    /// `POST` of JSON with more headers, answered by a stream: a chat, for one. It has no limit of its own, for the daemon has
    /// one for everything that it waits for; dropped, its connection closes, which tells the daemon.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn stream(&self, path: &str, headers: HeaderMap, body: &impl Serialize) -> Result<Events, ClientError> {
        self.open(Method::POST, path, headers, self.body(body)?).await
    }

    async fn open(&self, method: Method, path: &str, headers: HeaderMap, body: Bytes) -> Result<Events, ClientError> {
        let request = self.request(method, path, headers, body)?;
        // Its connection is not taken back: whoever reads events may stop in the middle.
        let (response, _connection) = self.send(request).await?;
        let response = self.checked(response).await?;
        Ok(Events::new(response, self.place.host.clone()))
    }

    async fn json<T: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<T, ClientError> {
        let answered = async {
            let (response, connection) = self.send(self.request(method, path, HeaderMap::new(), body)?).await?;
            let bytes = self.read(self.checked(response).await?, ANSWER_MAX).await?;
            self.keep(connection);
            serde_json::from_slice(&bytes).map_err(|error| self.unreadable(&error.to_string()))
        };
        let seconds = ANSWER_WAIT.as_secs();
        let slow = |_| ClientError::Slow { address: self.place.host.clone(), seconds };
        timeout(ANSWER_WAIT, answered).await.map_err(slow)?
    }

    /// Asks whoever has the port how it is; no key is shown.
    async fn ask_health(&self) -> Result<Value, ClientError> {
        let missing = |source| ClientError::NoDaemon { address: self.place.host.clone(), source };
        let mut connection = Connection::open(&self.place.addresses).await.map_err(missing)?;
        let request = self.bare(Method::GET, "/health", Bytes::new())?;
        let response = connection.send(request).await.map_err(|_| self.not_turnmux("it does not speak HTTP"))?;
        let status = response.status();
        let bytes = self.read(response, SMALL_MAX).await.map_err(|_| self.not_turnmux("its answer breaks off"))?;
        let health: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status != StatusCode::OK || health["name"] != "turnmux" || !health["version"].is_string() {
            return Err(self.not_turnmux(&format!("it answers /health with {} and not as turnmux", status.as_u16())));
        }
        self.keep(connection);
        Ok(health)
    }

    fn body(&self, body: &impl Serialize) -> Result<Bytes, ClientError> {
        let bytes = serde_json::to_vec(body).map_err(|error| self.unreadable(&error.to_string()))?;
        Ok(bytes.into())
    }

    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = self.bare(method, path, body)?;
        request.headers_mut().extend(headers);
        if let Some(key) = self.place.authorization() {
            request.headers_mut().insert(AUTHORIZATION, key);
        }
        Ok(request)
    }

    fn bare(&self, method: Method, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, ClientError> {
        let request = Request::builder().method(method).uri(path).header(HOST, &self.place.host);
        let request = request.header(ACCEPT, "application/json, text/event-stream");
        let request = if body.is_empty() {
            request
        } else {
            request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        };
        request.body(Full::new(body)).map_err(|error| self.unreadable(&error.to_string()))
    }

    /// Sends a request over the connection that is free, or a new one; gives that back, for whoever reads the answer to its end.
    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Connection), ClientError> {
        let mut connection = match self.free().await {
            Some(connection) => connection,
            None => Connection::open(&self.place.addresses).await.map_err(|error| self.closed(&error))?,
        };
        let response = connection.send(request).await.map_err(|error| self.closed(&error))?;
        Ok((response, connection))
    }

    /// The connection that is kept, if the daemon has not closed it.
    async fn free(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        idle.is_free().await.then_some(idle)
    }

    fn keep(&self, connection: Connection) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
    }

    /// The answer, if it is one and no refusal.
    pub(super) async fn checked(&self, response: Response<Incoming>) -> Result<Response<Incoming>, ClientError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let bytes = self.read(response, SMALL_MAX).await?;
        if status == StatusCode::UNAUTHORIZED {
            return Err(ClientError::WrongKey { address: self.place.host.clone(), sent: self.place.key.is_some() });
        }
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let error = &body["error"];
        let (Some(code), Some(message)) = (error["code"].as_str(), error["message"].as_str()) else {
            return Err(self.unreadable(&format!("status {status} without an error")));
        };
        Err(ClientError::Api { status: status.as_u16(), code: code.to_owned(), message: message.to_owned() })
    }

    async fn read(&self, response: Response<Incoming>, max: usize) -> Result<Bytes, ClientError> {
        match Limited::new(response.into_body(), max).collect().await {
            Ok(whole) => Ok(whole.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(self.unreadable(&format!("it is larger than {max} bytes")))
            }
            Err(error) => Err(self.closed(&error)),
        }
    }

    fn not_turnmux(&self, said: &str) -> ClientError {
        ClientError::NotTurnmux { address: self.place.host.clone(), said: said.to_owned() }
    }

    pub(super) fn closed(&self, reason: &impl ToString) -> ClientError {
        ClientError::Closed { address: self.place.host.clone(), reason: reason.to_string() }
    }

    pub(super) fn unreadable(&self, problem: &str) -> ClientError {
        ClientError::Unreadable { address: self.place.host.clone(), problem: problem.to_owned() }
    }
}

/// Whether two versions are compatible by semantic versioning: the same major number, and before 1.0 the same minor one.
fn speaks_alike(theirs: &str, ours: &str) -> bool {
    fn meaning(version: &str) -> Option<(&str, &str)> {
        let (major, rest) = version.split_once('.')?;
        let minor = rest.split('.').next()?;
        Some(if major == "0" { (major, minor) } else { (major, "") })
    }
    meaning(theirs).is_some_and(|theirs| Some(theirs) == meaning(ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_speak_alike_as_semantic_versioning_has_it() {
        for (one, other, alike) in [
            ("0.1.0", "0.1.7", true),
            ("0.1.0", "0.2.0", false),
            ("1.1.0", "1.2.0", true),
            ("1.0.0", "2.0.0", false),
            ("", "0.1.0", false),
            ("x", "x", false),
        ] {
            assert_eq!(speaks_alike(one, other), alike, "{one} {other}");
        }
    }

    #[test]
    fn a_session_may_be_called_anything() {
        assert_eq!(session_path("ops::42", "events"), "/v1/sessions/ops::42/events");
        assert_eq!(session_path("a::b/../ü?#%", ""), "/v1/sessions/a::b%2F..%2F%C3%BC%3F%23%25");
    }
}
