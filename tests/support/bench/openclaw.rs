//! OpenClaw, the real one from npm: an installation in a scratch home, and its gateway, which is asked over its own HTTP
//! endpoint.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::Signal;
use serde_json::json;

use super::client::Client;
use super::programs::{Agent, Program, Scratch};

/// What its gateway asks for. It opens nothing else.
const TOKEN: &str = "token-of-the-bench";

/// An installation: a home, and the programs on its PATH.
#[derive(Debug)]
pub(crate) struct OpenClaw {
    scratch: Scratch,
    /// The folder with `openclaw` and `node`.
    programs: PathBuf,
}

/// A running gateway.
#[derive(Debug)]
pub(crate) struct Gateway {
    program: Program,
    address: String,
}

impl OpenClaw {
    /// One whose agents have turnmux at this address, as `scripts/setup-openclaw.sh` does it.
    pub(crate) fn with_turnmux(folder: &Path, agent: &Agent, address: &str) -> anyhow::Result<Self> {
        let openclaw = Self::new(folder, agent, &json!({}))?;
        let (_, port) = address.rsplit_once(':').context("an address has a port")?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/setup-openclaw.sh");
        let mut command = openclaw.command(&script)?;
        command.args(["--port", port]);
        let mut program = Program::start(command)?;
        let mut said = String::new();
        program.stdout()?.read_to_string(&mut said)?;
        program.end(None)?;
        ensure!(said.contains("--undo takes it back"), "{} failed:\n{}", script.display(), openclaw.complaints());
        Ok(openclaw)
    }

    /// One whose agents have this model of its own claude backend's.
    pub(crate) fn with_builtin(folder: &Path, agent: &Agent, model: &str) -> anyhow::Result<Self> {
        let agents = json!({"defaults": {"model": {"primary": format!("claude-cli/{model}")}}});
        let openclaw = Self::new(folder, agent, &agents)?;
        // It takes these variables from its claude, which finds them again in its user's settings.
        let environment = openclaw.scratch.environment()?;
        let text = |text: std::ffi::OsString| text.into_string().ok();
        let pairs = environment.into_iter().filter_map(|(name, value)| Some((text(name)?, json!(text(value)?))));
        let kept = pairs.filter(|(name, _)| name.starts_with("ANTHROPIC_"));
        let settings = json!({"env": kept.collect::<serde_json::Map<_, _>>()});
        let folder = openclaw.scratch.home().join(".claude");
        fs::create_dir(&folder)?;
        fs::write(folder.join("settings.json"), settings.to_string())?;
        Ok(openclaw)
    }

    fn new(folder: &Path, agent: &Agent, agents: &serde_json::Value) -> anyhow::Result<Self> {
        let programs = folder.join("bin").canonicalize().context("no OpenClaw there: run scripts/fetch-openclaw")?;
        let scratch = Scratch::new(agent)?;
        let endpoints = json!({"chatCompletions": {"enabled": true}});
        let config = json!({"gateway": {"mode": "local", "http": {"endpoints": endpoints}}, "agents": agents});
        let folder = scratch.home().join(".openclaw");
        fs::create_dir(&folder)?;
        fs::write(folder.join("openclaw.json"), config.to_string())?;
        Ok(Self { scratch, programs })
    }

    /// Starts its gateway and waits until it is ready.
    pub(crate) fn gateway(&self) -> anyhow::Result<Gateway> {
        // The port is free for nobody else asks for it: the system gives out another one each time.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let (_, port) = address.rsplit_once(':').context("an address has a port")?;
        let mut command = self.command(&self.programs.join("openclaw"))?;
        let args = ["gateway", "run", "--bind", "loopback", "--auth", "token", "--allow-unconfigured", "--port", port];
        command.args(args).env("OPENCLAW_GATEWAY_TOKEN", TOKEN);
        let mut program = Program::start(command)?;
        let mut lines = BufReader::new(program.stdout()?).lines();
        loop {
            match lines.next() {
                Some(line) if line.as_ref().is_ok_and(|line| line.ends_with("[gateway] ready")) => break,
                Some(line) => drop(line?),
                None => bail!("the gateway did not start:\n{}", self.complaints()),
            }
        }
        // It writes on, and must not wait for a reader.
        thread::Builder::new().spawn(move || lines.for_each(drop))?;
        Ok(Gateway { program, address })
    }

    /// The last lines that it complained.
    pub(crate) fn complaints(&self) -> String {
        self.scratch.complaints()
    }

    fn command(&self, program: &Path) -> anyhow::Result<Command> {
        let mut command = self.scratch.command(program)?;
        let environment = self.scratch.environment()?;
        let path = environment.iter().find(|(name, _)| name == "PATH").context("a PATH")?.1.to_string_lossy();
        command.env("PATH", format!("{}:{path}", self.programs.display()));
        // It announces itself in the network otherwise.
        command.env("OPENCLAW_DISABLE_BONJOUR", "1");
        Ok(command)
    }
}

impl Gateway {
    /// Somebody who says this text in this session of its agent `main`.
    pub(crate) fn client(&self, session: &str, text: &str) -> anyhow::Result<Client> {
        let address = &self.address;
        let body = json!({"model": "openclaw", "stream": true, "messages": [{"role": "user", "content": text}]});
        let body = body.to_string();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             authorization: Bearer {TOKEN}\r\nx-openclaw-session-key: agent:main:{session}\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        Client::with_request(address, [head, body].concat().into_bytes())
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Ends it, and with it every claude of its own.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.program.end(Some(Signal::SIGTERM))
    }
}
