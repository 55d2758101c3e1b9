//! claude in a terminal, as far as turnmux's driver for it sees that: it asks nothing, logs that it takes messages, and is the
//! plugin by itself, without an MCP server between. `--plugin-dir` begins it; the hang-up of the terminal ends it.
//!
//! Each message becomes a turn of its own: `UserPromptSubmit`, `MessageDisplay` in two pieces, a line of the transcript, `Stop`,
//! each hook over a connection of its own, which is the most that claude can ask of turnmux. What `::say` says is the answer;
//! with `::stamps` it begins with `READ_NS WRITTEN_NS`. Other directives, keys, tools and resumed threads mean nothing here.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket, client::client};
use uuid::Uuid;

use super::{
    super::script::{AgentStep, Script, Step},
    args::Args,
    clock,
};

/// What the log says of a channel that works.
const REGISTERED: &str = "[DEBUG] MCP server \"plugin:turnmux:turnmux\": Channel notifications registered";

/// Takes messages until turnmux hangs up; gives the exit code.
pub(super) fn run(args: &Args) -> io::Result<u8> {
    let url = variable("TURNMUX_CHANNEL_URL")?;
    let address = url.strip_prefix("ws://").and_then(|rest| rest.split('/').next()).unwrap_or_default().to_owned();
    let session = args.session_id.clone().or(args.resume.clone()).unwrap_or_else(|| Uuid::new_v4().to_string());
    let folder = PathBuf::from(variable("HOME")?).join(".claude/projects/stand-in");
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{session}.jsonl"));
    let transcript = OpenOptions::new().create(true).append(true).open(&path)?;
    let (socket, _) = client(&*url, connected(&address)?).map_err(|error| io::Error::other(error.to_string()))?;
    let hooks = Hooks {
        address,
        token: variable("TURNMUX_CHANNEL_TOKEN")?,
        common: json!({
            "session_id": session,
            "transcript_path": path,
            "permission_mode": args.permission_mode.as_deref().unwrap_or("default"),
        }),
    };
    let mut channel = Channel { socket, hooks, transcript };
    channel.send(&json!({"type": "hello", "pid": std::process::id(), "token": channel.hooks.token, "protocol": 2}))?;
    if let Some(log) = &args.debug_file {
        writeln!(OpenOptions::new().append(true).open(log)?, "{REGISTERED}")?;
    }
    channel.serve()?;
    Ok(0)
}

/// The plugin's socket, and what claude tells of its turns.
struct Channel {
    socket: WebSocket<TcpStream>,
    hooks: Hooks,
    transcript: File,
}

impl Channel {
    /// Returns when the connection is closed.
    fn serve(&mut self) -> io::Result<()> {
        loop {
            let message = match self.socket.read() {
                Ok(message) => message,
                Err(tungstenite::Error::ConnectionClosed) => return Ok(()),
                Err(error) => return Err(io::Error::other(error)),
            };
            let read_ns = clock::now_ns();
            let Message::Text(text) = message else { continue };
            let frame: Value = serde_json::from_str(&text)?;
            match frame["type"].as_str() {
                Some("inbound") => {
                    self.send(&json!({"type": "ack", "seq": frame["seq"]}))?;
                    self.turn(&frame, read_ns)?;
                }
                Some("ping") => self.send(&json!({"type": "pong"}))?,
                _ => {}
            }
        }
    }

    fn turn(&mut self, frame: &Value, read_ns: u64) -> io::Result<()> {
        let (content, meta) = (frame["content"].as_str().unwrap_or_default(), &frame["meta"]);
        let prompt = format!(
            "<channel source=\"turnmux\" chat_id={} message_id={} ts={}>\n{content}\n</channel>",
            meta["chat_id"], meta["message_id"], meta["ts"]
        );
        self.hooks.call("UserPromptSubmit", json!({"prompt": prompt}))?;
        let (stamps, mut answer) = answer(content);
        let message = Uuid::new_v4().to_string();
        let written_ns = clock::now_ns();
        let first = if stamps { format!("{read_ns} {written_ns}") } else { String::new() };
        self.hooks
            .call("MessageDisplay", json!({"message_id": message, "index": 0, "final": false, "delta": first}))?;
        self.hooks
            .call("MessageDisplay", json!({"message_id": message, "index": 1, "final": true, "delta": answer}))?;
        answer.insert_str(0, &first);
        let said = json!({"type": "assistant", "message": {
            "id": message, "model": "claude-stand-in", "role": "assistant", "stop_reason": "end_turn",
            "usage": {"input_tokens": 1, "output_tokens": 1}, "content": [{"type": "text", "text": answer}],
        }});
        self.transcript.write_all(format!("{said}\n").as_bytes())?;
        self.hooks.call("Stop", json!({"last_assistant_message": answer.trim()}))
    }

    fn send(&mut self, frame: &Value) -> io::Result<()> {
        self.socket.send(Message::text(frame.to_string())).map_err(io::Error::other)
    }
}

/// Where hooks are told.
struct Hooks {
    address: String,
    token: String,
    /// What every hook says.
    common: Value,
}

impl Hooks {
    /// Calls a hook and waits for its answer.
    fn call(&self, name: &str, mut more: Value) -> io::Result<()> {
        more["hook_event_name"] = name.into();
        if let (Some(more), Some(common)) = (more.as_object_mut(), self.common.as_object()) {
            more.extend(common.clone());
        }
        let body = more.to_string();
        let mut socket = connected(&self.address)?;
        let request = format!(
            "POST /hooks HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            self.token,
            body.len()
        );
        socket.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer)?;
        if answer.starts_with(b"HTTP/1.1 200 ") {
            return Ok(());
        }
        Err(io::Error::other(format!("the hook {name} was answered {}", String::from_utf8_lossy(&answer))))
    }
}

/// Whether the text asks for stamps, and what is to be answered behind them.
fn answer(content: &str) -> (bool, String) {
    let steps = Script::parse(content).map(|script| script.steps).unwrap_or_default();
    let said: String =
        steps.iter().filter_map(|step| if let Step::Say(text) = step { Some(&**text) } else { None }).collect();
    let said = if said.is_empty() { format!("You said: {content}") } else { said };
    (steps.contains(&Step::Agent(AgentStep::Stamps)), said)
}

fn connected(address: &str) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}")))
}
