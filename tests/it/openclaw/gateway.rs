//! A gateway of OpenClaw's, and a client of its WebSocket: what its apps and channels use.

use std::collections::VecDeque;
use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Child;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::world::OpenClaw;
use crate::harness::within_at_most;

/// OpenClaw computes for ten seconds before it listens, and for some before a session's first turn: minutes, where many
/// others compute too.
pub(super) const LIMIT: Duration = Duration::from_mins(6);
const TOKEN: &str = "token-of-the-gateway";

/// A running gateway with one client. Dropped, it is killed.
pub(super) struct Gateway {
    child: Child,
    port: u16,
    socket: WebSocketStream<TcpStream>,
    requests: u64,
    /// What came while something else was waited for.
    events: VecDeque<Value>,
    /// What it has written so far.
    log: watch::Receiver<String>,
}

/// A turn that the gateway has taken.
#[derive(Debug, Clone)]
pub(super) struct Run(String);

impl OpenClaw {
    /// Starts one.
    pub(super) async fn gateway(&self) -> Gateway {
        // The port is free for nobody else asks for it: the system gives out another one each time.
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        drop(listener);
        self.gateway_on(port).await
    }

    async fn gateway_on(&self, port: u16) -> Gateway {
        let args = ["gateway", "run", "--bind", "loopback", "--auth", "token", "--allow-unconfigured", "--port"];
        let mut command = self.command("openclaw");
        command.args(args).arg(port.to_string()).env("OPENCLAW_GATEWAY_TOKEN", TOKEN).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::inherit()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let (writer, log) = watch::channel(String::new());
        within_at_most(LIMIT, "the gateway to be ready", async {
            while let Some(line) = lines.next_line().await.expect("its output can be read") {
                let is_ready = line.ends_with("[gateway] ready");
                add(&writer, &line);
                if is_ready {
                    return;
                }
            }
            panic!("the gateway ended:\n{}", *writer.borrow());
        })
        .await;
        // It writes on, and must not wait for a reader.
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                add(&writer, &line);
            }
        });
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
        let (socket, _) = client_async(format!("ws://127.0.0.1:{port}/"), stream).await.expect("an upgrade");
        let mut gateway = Gateway { child, port, socket, requests: 0, events: VecDeque::new(), log };
        gateway.hello().await;
        gateway
    }
}

impl Gateway {
    async fn hello(&mut self) {
        while self.frame().await["event"] != "connect.challenge" {}
        let client = json!({"id": "gateway-client", "version": "1", "platform": "linux", "mode": "backend"});
        let scopes = ["operator.admin", "operator.read", "operator.write", "operator.approvals"];
        let hello = json!({
            "minProtocol": 4, "maxProtocol": 4, "client": client, "role": "operator", "scopes": scopes,
            "caps": ["approvals"], "commands": [], "permissions": {}, "auth": {"token": TOKEN},
        });
        self.call("connect", hello).await;
    }

    /// Ends it as its user does, and starts it again with the same port and state.
    pub(super) async fn restart(self, openclaw: &OpenClaw) -> Self {
        let port = self.port;
        self.stop().await;
        openclaw.gateway_on(port).await
    }

    /// Ends it as its user does.
    pub(super) async fn stop(mut self) {
        let pid = self.child.id().expect("it runs");
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM).expect("it runs");
        within_at_most(LIMIT, "the gateway's end", self.child.wait()).await.expect("it can be waited for");
    }

    /// Waits until it has written this, and gives that line.
    pub(super) async fn logged(&self, what: &str) -> String {
        let mut log = self.log.clone();
        let there = log.wait_for(|log| log.contains(what));
        let log = within_at_most(LIMIT, &format!("the gateway to write {what:?}"), there).await.expect("it writes");
        log.lines().find(|line| line.contains(what)).unwrap_or_default().to_owned()
    }

    /// A request and its answer. Panics when it is refused.
    pub(super) async fn call(&mut self, method: &str, params: Value) -> Value {
        self.requests += 1;
        let id = self.requests.to_string();
        let frame = json!({"type": "req", "id": id, "method": method, "params": params});
        self.socket.send(Message::text(frame.to_string())).await.expect("the gateway listens");
        loop {
            let frame = self.frame().await;
            if frame["type"] == "res" && frame["id"] == *id {
                assert_eq!(frame["ok"], true, "{method}: {frame}");
                return frame["payload"].clone();
            }
            self.events.push_back(frame);
        }
    }

    /// `127.0.0.1:PORT`, for what it serves over HTTP.
    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Gives a session of OpenClaw's a message.
    pub(super) async fn send(&mut self, session: &str, text: &str) -> Run {
        self.send_with(session, text, &json!([])).await
    }

    /// The same with files.
    pub(super) async fn send_with(&mut self, session: &str, text: &str, files: &Value) -> Run {
        let id = uuid::Uuid::new_v4();
        let params = json!({"sessionKey": session, "message": text, "idempotencyKey": id, "attachments": files});
        let run = self.call("chat.send", params).await["runId"].clone();
        Run(run.as_str().expect("a run").to_owned())
    }

    /// Waits until the run has come to this, and gives the text of its answer so far.
    pub(super) async fn until(&mut self, run: &Run, state: &str) -> String {
        loop {
            let event = match self.events.iter().position(|event| is_of(event, run)) {
                Some(at) => self.events.remove(at).expect("it is there"),
                None => self.frame().await,
            };
            if !is_of(&event, run) {
                self.events.push_back(event);
                continue;
            }
            let now = event["payload"]["state"].as_str().unwrap_or_default();
            if now == state {
                return event["payload"]["message"]["content"][0]["text"].as_str().unwrap_or_default().to_owned();
            }
            assert!(matches!(now, "status" | "delta"), "instead of {state}: {event}");
        }
    }

    /// The next event of this kind, and what it says.
    pub(super) async fn event(&mut self, kind: &str) -> Value {
        let is_it = |event: &Value| event["event"] == kind;
        if let Some(at) = self.events.iter().position(is_it) {
            return self.events.remove(at).expect("it is there")["payload"].clone();
        }
        // Others come all the time.
        within_at_most(LIMIT, kind, async {
            loop {
                let event = self.frame().await;
                if is_it(&event) {
                    return event["payload"].clone();
                }
                self.events.push_back(event);
            }
        })
        .await
    }

    /// A turn that does not end until the model is let go with `work`, and that is stopped as a person stops one.
    pub(super) async fn stopped_turn(&mut self, session: &str) {
        let held = self.send(session, "long work\n::say \"begun\\n\"\n::hold work").await;
        self.until(&held, "delta").await;
        self.call("chat.abort", json!({"sessionKey": session})).await;
        self.until(&held, "aborted").await;
    }

    /// A turn, and its answer.
    pub(super) async fn turn(&mut self, session: &str, text: &str) -> String {
        let run = self.send(session, text).await;
        self.until(&run, "final").await
    }

    async fn frame(&mut self) -> Value {
        loop {
            let message = within_at_most(LIMIT, "a frame of the gateway", self.socket.next()).await;
            match message.expect("the gateway closed").expect("a message") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Close(close) => panic!("the gateway closed: {close:?}"),
                _ => {}
            }
        }
    }
}

fn add(log: &watch::Sender<String>, line: &str) {
    log.send_modify(|log| {
        log.push_str(line);
        log.push('\n');
    });
}

/// Whether an event tells of this run, as a chat shows it.
fn is_of(event: &Value, run: &Run) -> bool {
    event["event"] == "chat" && event["payload"]["runId"] == *run.0
}
