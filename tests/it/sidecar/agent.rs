//! The agent's side: starts the sidecar as claude does, and speaks JSON-RPC with it, a line each.

use std::process::{ExitStatus, Stdio};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::Hub;
use crate::harness::within;

/// A secret that nothing may show.
pub(super) const TOKEN: &str = "very-secret-token";

pub(super) struct Agent {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
    calls: u64,
}

impl Agent {
    pub(super) fn start(hub: &Hub) -> Self {
        let url = hub.url();
        let variables = [("TURNMUX_CHANNEL_URL", &*url), ("TURNMUX_CHANNEL_TOKEN", TOKEN)];
        Self::with(&[&variables[..], &[("TURNMUX_CHANNEL_SESSION", "main::chat")]].concat())
    }

    /// With this environment and nothing else.
    pub(super) fn with(variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_turnmux"));
        command.arg("channel").env_clear().envs(variables.iter().copied()).kill_on_drop(true);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the sidecar starts");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child, stdin, stdout, calls: 0 }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id().expect("the sidecar runs")
    }

    /// `initialize` and `notifications/initialized`, as claude 2.1 sends them.
    pub(super) async fn shake_hands(&mut self) -> Value {
        let result = self.initialize("2025-11-25").await;
        self.initialized().await;
        result
    }

    pub(super) async fn initialize(&mut self, revision: &str) -> Value {
        let client = json!({ "name": "claude-code", "version": "2" });
        let params = json!({ "protocolVersion": revision, "capabilities": { "roots": {} }, "clientInfo": client });
        self.call("initialize", params).await["result"].clone()
    }

    pub(super) async fn initialized(&mut self) {
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    }

    /// Calls a method; the whole answer.
    pub(super) async fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        let answer = self.line().await;
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// Calls `reply`; whether it was an error, and what it said.
    pub(super) async fn reply(&mut self, arguments: Value) -> (bool, String) {
        let answer = self.call("tools/call", json!({ "name": "reply", "arguments": arguments })).await;
        let result = &answer["result"];
        let text = result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {answer}"));
        (result["isError"].as_bool().expect("a flag"), text.to_owned())
    }

    pub(super) async fn send(&mut self, message: &Value) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(format!("{message}\n").as_bytes()).await.expect("the sidecar reads");
    }

    /// The next message of the sidecar.
    pub(super) async fn line(&mut self) -> Value {
        let line = within("a line of the sidecar", self.stdout.next_line()).await.expect("UTF-8");
        serde_json::from_str(&line.expect("the sidecar lives")).expect("JSON")
    }

    /// Nothing more comes from the agent.
    pub(super) fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// Waits for its end; what it wrote to stderr. What it wrote to stdout and nobody has read stays where it is.
    pub(super) async fn ended(&mut self) -> (ExitStatus, String) {
        let status = within("the end of the sidecar", self.child.wait()).await.expect("it can be waited for");
        let mut text = String::new();
        let mut stderr = self.child.stderr.take().expect("a pipe");
        let _bytes = within("the end of its stderr", stderr.read_to_string(&mut text)).await.expect("UTF-8");
        assert!(!text.contains(TOKEN), "a secret: {text}");
        (status, text)
    }

    /// Hangs up, and asserts that the sidecar ends in order and has nothing to complain about.
    pub(super) async fn stop(mut self) {
        self.hang_up();
        let (status, stderr) = self.ended().await;
        assert!(status.success(), "{status}: {stderr}");
        assert_eq!(stderr, "");
    }
}
