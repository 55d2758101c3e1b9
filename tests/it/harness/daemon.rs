//! A daemon of the test's own: the real program, in a scratch home, with a clean environment.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::{Claude, Client, Transcripts, agents_of, stand_in, within};
use crate::support::model::Model;

/// The key that is in the daemon's environment. It opens nothing.
const API_KEY: &str = "sk-ant-dummy-key-for-tests";

/// What claude remembers of somebody who has been through all its questions, in an account that has channels.
pub(crate) fn channel_memory() -> serde_json::Value {
    serde_json::json!({
        "hasCompletedOnboarding": true,
        "theme": "dark",
        "customApiKeyResponses": {"approved": [&API_KEY[API_KEY.len() - 20..]]},
        "projects": {"@WORK@": {"hasTrustDialogAccepted": true}},
        "cachedGrowthBookFeatures": {"tengu_harbor": true, "tengu_harbor_permissions": true},
    })
}

/// How a daemon is to be.
pub(crate) struct DaemonBuilder {
    program: PathBuf,
    agent: PathBuf,
    config: String,
    env: BTreeMap<String, String>,
    without: Vec<&'static str>,
    args: Vec<String>,
    scratch: Option<Arc<TempDir>>,
    /// What claude remembers of its user, as its `.claude.json`.
    memory: Option<serde_json::Value>,
    /// Its key file.
    keys: Option<String>,
    /// A descriptor that it is handed as a service manager does it.
    handed: Option<OwnedFd>,
}

/// A running daemon. Dropped, it is killed; [`Daemon::stop`] ends it in order.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) client: Client,
    /// The model that its agents talk to.
    pub(crate) model: Model,
    scratch: Arc<TempDir>,
    log: watch::Receiver<String>,
}

impl Daemon {
    /// With the real claude, against a model of its own.
    pub(crate) fn claude(claude: Claude) -> DaemonBuilder {
        let builder = DaemonBuilder::new(claude.path());
        if !claude.in_terminal() {
            return builder;
        }
        // As somebody has it who has used it before, in an account that has channels.
        builder
            .config("backends.claude-code.driver = \"claude-channel\"")
            // It would switch channels off. What claude wants of the world meets a closed door at once.
            .without("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC")
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .remembering(channel_memory())
    }

    /// With the stand-in in claude's place.
    pub(crate) fn stand_in() -> DaemonBuilder {
        let builder = DaemonBuilder::new(stand_in());
        builder.env_in_scratch("STAND_IN_STATE", "threads").env_in_scratch("STAND_IN_LOG", "turns.log")
    }

    /// The pid of the daemon itself.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("the daemon runs")
    }

    /// The folder that everything of this daemon lies in: `home`, `work` (its working directory), `bin`.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// The same, to be handed to another daemon.
    pub(crate) fn share_scratch(&self) -> Arc<TempDir> {
        self.scratch.clone()
    }

    /// The daemon's working directory.
    pub(crate) fn work(&self) -> PathBuf {
        self.scratch.path().join("work")
    }

    /// The transcripts of the sessions in its working directory.
    pub(crate) fn transcripts(&self) -> Transcripts {
        Transcripts::of(&self.scratch().join("home"), &self.work())
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.borrow().clone()
    }

    /// How many agents it has started so far.
    pub(crate) fn started(&self) -> usize {
        self.log.borrow().matches("started an agent").count()
    }

    /// Waits until it has logged this so many times.
    pub(crate) async fn logged(&self, what: &str, times: usize) {
        let mut log = self.log.clone();
        let there = log.wait_for(|log| log.matches(what).count() >= times);
        let _log = within(&format!("the daemon to log {what:?}"), there).await.expect("the daemon logs");
    }

    /// The user texts that reached turns of the stand-in, in order.
    pub(crate) fn stand_in_turns(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.scratch().join("turns.log")).unwrap_or_default();
        let text =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("a JSON line")["text"].to_string();
        log.lines().map(text).map(|text| serde_json::from_str(&text).expect("a string")).collect()
    }

    /// The images that reached turns of the stand-in, as base64: those of each turn, in order.
    pub(crate) fn stand_in_images(&self) -> Vec<Vec<String>> {
        let log = std::fs::read_to_string(self.scratch().join("turns.log")).unwrap_or_default();
        let images = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
            serde_json::from_value::<Option<Vec<String>>>(line["images"].clone()).expect("base64").unwrap_or_default()
        };
        log.lines().map(images).collect()
    }

    /// The session as `GET /v1/sessions` shows it.
    pub(crate) async fn session(&self, key: &str) -> Option<serde_json::Value> {
        let list = self.client.get("/v1/sessions").await;
        list.json()["data"].as_array().expect("a list").iter().find(|session| session["key"] == key).cloned()
    }

    /// The process of a session. Panics when it has none.
    pub(crate) async fn agent(&self, key: &str) -> u32 {
        let session = self.session(key).await.unwrap_or_else(|| panic!("there is no session {key}"));
        let pid = session["pid"].as_u64().unwrap_or_else(|| panic!("no process: {session}"));
        u32::try_from(pid).expect("a pid")
    }

    /// Sends the daemon a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().cast_signed()), signal).expect("the daemon runs");
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        within("the daemon's end", self.child.wait()).await.expect("the daemon can be waited for")
    }

    /// SIGTERM, and the exit status. Asserts that the daemon left no process behind.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        let status = self.ended().await;
        assert_eq!(agents_of(self.scratch()), [0; 0], "processes that the daemon left behind");
        status
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Beside the test's own panic, which is what people read first.
            let _ = writeln!(std::io::stderr(), "── the daemon's log ──\n{}", self.log());
        }
    }
}

impl DaemonBuilder {
    fn new(agent: PathBuf) -> Self {
        Self {
            program: env!("CARGO_BIN_EXE_turnmux").into(),
            agent,
            config: String::new(),
            env: BTreeMap::new(),
            without: Vec::new(),
            args: Vec::new(),
            scratch: None,
            memory: None,
            keys: None,
            handed: None,
        }
    }

    /// Another build of turnmux.
    pub(crate) fn program(mut self, program: &Path) -> Self {
        program.clone_into(&mut self.program);
        self
    }

    /// What claude remembers of its user. `@WORK@` as a key becomes the daemon's working directory.
    pub(crate) fn remembering(mut self, memory: serde_json::Value) -> Self {
        self.memory = Some(memory);
        self
    }

    /// Lines for its turnmux.toml. `@SCRATCH@` becomes the scratch folder.
    pub(crate) fn config(mut self, toml: &str) -> Self {
        self.config.push_str(toml);
        self.config.push('\n');
        self
    }

    /// With this key file. `@SCRATCH@` becomes the scratch folder.
    pub(crate) fn keys(mut self, toml: &str) -> Self {
        self.keys = Some(toml.to_owned());
        self.config("server.key_file = \"@SCRATCH@/keys.toml\"")
    }

    /// A variable of its environment, which the agents inherit.
    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// Without a variable that it would have.
    pub(crate) fn without(mut self, name: &'static str) -> Self {
        self.without.push(name);
        self
    }

    fn env_in_scratch(self, name: &str, file: &str) -> Self {
        self.env(name, format!("@SCRATCH@/{file}"))
    }

    /// More arguments for `turnmux serve`.
    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(ToString::to_string));
        self
    }

    /// With a socket that somebody listens on for it already.
    pub(crate) fn handing_over(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.handed = Some(socket.into());
        self
    }

    /// In the scratch folder of an earlier daemon: the same home, the same threads.
    pub(crate) fn scratch(mut self, scratch: Arc<TempDir>) -> Self {
        self.scratch = Some(scratch);
        self
    }

    /// Starts it and waits until it listens.
    pub(crate) async fn start(self) -> Daemon {
        let model = Model::start().await;
        let (mut child, scratch) = self.spawn(&model.url());
        let (kept, log) = watch::channel(String::new());
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = stderr.next_line().await {
                kept.send_modify(|kept| {
                    kept.push_str(&line);
                    kept.push('\n');
                });
            }
        });
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let line = within("the daemon to listen", stdout.next_line()).await.expect("stdout can be read");
        let line = line.unwrap_or_else(|| panic!("the daemon did not start:\n{}", *log.borrow()));
        let url = line.strip_prefix("turnmux listening on http://").expect("the line that says where it listens");
        let client = Client::new(url);
        Daemon { child, client, model, scratch, log }
    }

    /// Starts it although it is not going to listen, and gives what it says and its exit status.
    pub(crate) async fn refuse(self) -> (String, ExitStatus) {
        let (child, _scratch) = self.spawn("http://127.0.0.1:9");
        let output = within("the daemon's refusal", child.wait_with_output()).await.expect("output");
        (String::from_utf8_lossy(&output.stderr).into_owned(), output.status)
    }

    /// Starts it, and waits for nothing.
    pub(crate) fn spawn(self, model: &str) -> (Child, Arc<TempDir>) {
        let scratch = self.scratch.unwrap_or_else(|| Arc::new(tempfile::tempdir().expect("a scratch folder")));
        let root = scratch.path().canonicalize().expect("the scratch folder is there");
        for folder in ["home", "work", "bin", "threads"] {
            std::fs::create_dir_all(root.join(folder)).expect("a folder");
        }
        let link = root.join("bin/claude");
        // A second daemon in the same scratch folder may have another agent.
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(&self.agent, &link).expect("a link");
        let root = root.display().to_string();
        std::fs::write(scratch.path().join("turnmux.toml"), self.config.replace("@SCRATCH@", &root)).expect("a file");
        if let Some(memory) = &self.memory {
            let memory = memory.to_string().replace("@WORK@", &format!("{root}/work"));
            std::fs::write(scratch.path().join("home/.claude.json"), memory).expect("a file");
        }
        if let Some(keys) = &self.keys {
            let file = scratch.path().join("keys.toml");
            std::fs::write(&file, keys.replace("@SCRATCH@", &root)).expect("a file");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
        }
        let path = std::env::var("PATH").expect("PATH is set");
        let mut command = match self.handed {
            Some(socket) => handing_over(&self.program, socket),
            None => Command::new(&self.program),
        };
        command
            .args(["serve", "--config"])
            .arg(scratch.path().join("turnmux.toml"))
            .args(&self.args)
            .args(if self.args.iter().any(|arg| arg == "--port") { &[][..] } else { &["--port", "0"] })
            .env_clear()
            .env("HOME", scratch.path().join("home"))
            .env("PATH", format!("{root}/bin:{path}"))
            .env("TURNMUX_LOG", "debug")
            .env("TURNMUX_LOG_FORMAT", "human")
            .env("ANTHROPIC_BASE_URL", model)
            .env("ANTHROPIC_API_KEY", API_KEY)
            .env("DISABLE_AUTOUPDATER", "1")
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .env("CLAUDE_CODE_MAX_RETRIES", "1")
            .envs(self.env.iter().map(|(name, value)| (name, value.replace("@SCRATCH@", &root))))
            .current_dir(scratch.path().join("work"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        for name in self.without {
            command.env_remove(name);
        }
        (command.spawn().expect("turnmux starts"), scratch)
    }
}

/// A program that finds `socket` as its descriptor 3, and in its environment that it is meant.
fn handing_over(program: &Path, socket: OwnedFd) -> Command {
    // A process knows its own number when it is there; a shell can say it and become the program.
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "export LISTEN_FDS=${LISTEN_FDS-1} LISTEN_PID=$$; exec \"$0\" \"$@\""]).arg(program);
    #[expect(unsafe_code, reason = "a descriptor of a certain number can only be had between fork and exec")]
    // SAFETY: dup2 and fcntl are async-signal-safe and take integers; nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            let is_there = libc::dup2(socket.as_raw_fd(), 3) == 3 && libc::fcntl(3, libc::F_SETFD, 0) == 0;
            if is_there { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        });
    }
    command
}
