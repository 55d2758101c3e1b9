//! OpenClaw's requests, as recorded from it (`tests/recordings/openclaw`), to be sent again.

use serde_json::{Value, json};

use super::{Client, Daemon, Reply, Stream};

const AFFINITY_HEADERS: [&str; 3] = ["session_id", "x-client-request-id", "x-session-affinity"];

/// Sections of the system prompt that the recordings, which are cut, have no more.
const SECTIONS: &str = "## Workspace\nWorking directory: @WORKSPACE@\n## Tool availability\n\nThis model cannot use tools in \
    this run. Do not claim that you ran commands.\n## Runtime\n";

/// A recorded request.
pub(crate) struct Recorded {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Recorded {
    /// Reads one. The workspace that it speaks of becomes the daemon's.
    pub(crate) fn load(daemon: &Daemon, name: &str) -> Self {
        Self::load_at(name, daemon.work().canonicalize().expect("a folder").to_str().expect("its name"))
    }

    /// Reads one with another workspace.
    pub(crate) fn load_at(name: &str, workspace: &str) -> Self {
        let path = format!("{}/tests/recordings/openclaw/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let sections = json!(SECTIONS).to_string();
        let text = text.replace("## Runtime\\n", sections.trim_matches('"')).replace("@WORKSPACE@", workspace);
        let recorded: Value = serde_json::from_str(&text).expect("JSON");
        let headers = recorded["headers"].as_object().expect("headers").iter();
        let headers = headers.map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned())).collect();
        let mut body = recorded["body"].clone();
        if name != "tools-request" {
            // As it is sent with `compat.supportsTools: false`.
            let fields = body.as_object_mut().expect("an object");
            fields.remove("tools");
            fields.remove("tool_choice");
        }
        Self { headers, body }
    }

    /// The same request with another text in its last message of the user's.
    pub(crate) fn replace(mut self, from: &str, to: &str) -> Self {
        let text = self.body.to_string();
        let (from, to) = (json!(from).to_string(), json!(to).to_string());
        let text = text.replace(from.trim_matches('"'), to.trim_matches('"'));
        self.body = serde_json::from_str(&text).expect("JSON");
        self
    }

    /// As a request about another session of OpenClaw's: `id:n`, or `id` alone.
    pub(crate) fn of_session(mut self, id: &str, boundary: Option<u32>) -> Self {
        let value = boundary.map_or_else(|| id.to_owned(), |n| format!("{id}:{n}"));
        self.headers.retain(|(name, _)| !AFFINITY_HEADERS.contains(&&**name) && !name.starts_with("x-openclaw-"));
        self.headers.extend(AFFINITY_HEADERS.map(|name| (name.to_owned(), value.clone())));
        self.body.as_object_mut().expect("an object").remove("prompt_cache_key");
        let text = self.body.to_string();
        let own =
            text.split_once("sessionId=").and_then(|(_, rest)| rest.split_once(' ')).map(|(own, _)| own.to_owned());
        match own.filter(|own| !own.starts_with("internal")) {
            Some(own) => self.replace(&own, id).replace("agent=main", "agent=ops"),
            None => self,
        }
    }

    /// With another model.
    pub(crate) fn model(mut self, model: &str) -> Self {
        self.body["model"] = json!(model);
        self
    }

    fn client(&self, client: &Client) -> Client {
        self.headers.iter().fold(client.clone(), |client, (name, value)| client.with(name, value))
    }

    /// Sends it.
    pub(crate) async fn stream(&self, daemon: &Daemon) -> Stream {
        self.client(&daemon.client).stream_body(&self.body).await
    }

    /// Sends it; the whole text of the answer.
    pub(crate) async fn answer(&self, daemon: &Daemon) -> String {
        self.stream(daemon).await.rest().await.0
    }

    /// Sends it, for an answer that is no stream.
    pub(crate) async fn reply(&self, daemon: &Daemon) -> Reply {
        self.client(&daemon.client).post("/v1/chat/completions", &self.body).await
    }
}
