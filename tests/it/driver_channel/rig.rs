//! A driver with a hub, a model and a claude of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::oneshot;
use turnmux::channel::{Hub, HubConfig};
use turnmux::driver::claude_channel::{ChannelFolder, ClaudeChannel, NAME};
use turnmux::driver::{Driver as _, OpenRequest, RawWanted, TerminalSlot};
use turnmux::process::{Supervisor, SupervisorConfig};
use turnmux::protocol::{BackendId, BackendSpec, EnvPolicy, Limits, ThreadId, ThreadOrigin, TurnOptions};

use super::log;
use super::talk::Talk;
use crate::harness::{Claude, Transcripts, channel_memory};
use crate::support::model::Model;

/// Ends with the test.
pub(super) struct Rig {
    pub(super) model: Model,
    pub(super) transcripts: Transcripts,
    /// The session's key, by which the log tells it from others.
    pub(super) label: String,
    pub(super) hub: Hub,
    scratch: TempDir,
    driver: ClaudeChannel,
    spec: Arc<BackendSpec>,
    _stop: oneshot::Sender<()>,
}

/// Bounds of time that no test comes near, unless it means to.
pub(super) fn patient() -> HubConfig {
    let long = Duration::from_hours(1);
    HubConfig { ping: long, grace: long, ..HubConfig::default() }
}

impl Rig {
    pub(super) async fn new(claude: Claude) -> Self {
        Self::with(claude, patient()).await
    }

    pub(super) async fn with(claude: Claude, config: HubConfig) -> Self {
        log::keep();
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let root = scratch.path().canonicalize().expect("the folder is there");
        for folder in ["home", "work"] {
            std::fs::create_dir(root.join(folder)).expect("a folder");
        }
        let memory = channel_memory().to_string().replace("@WORK@", &root.join("work").display().to_string());
        std::fs::write(root.join("home/.claude.json"), memory).expect("a file");
        let (hub, listener) = Hub::bind("127.0.0.1:0".parse().unwrap(), config).await.expect("a port");
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(listener.run(async {
            let _ = stopped.await;
        }));
        let model = Model::start().await;
        let driver = ClaudeChannel {
            supervisor: Supervisor::start(SupervisorConfig::default()).expect("a supervisor"),
            limits: Limits::default(),
            folder: ChannelFolder::create(&root.join("channel"), hub.address().port()).expect("a folder"),
            roots: Vec::new(),
            hub: hub.clone(),
            program: env!("CARGO_BIN_EXE_turnmux").into(),
        };
        Self {
            transcripts: Transcripts::of(&root.join("home"), &root.join("work")),
            label: format!("tester::{}", uuid::Uuid::new_v4().simple()),
            spec: Arc::new(spec(claude, &root.join("home"), &model)),
            model,
            hub,
            scratch,
            driver,
            _stop: stop,
        }
    }

    /// Opens a thread.
    pub(super) fn open(&self, origin: ThreadOrigin) -> Talk {
        Talk::new(self.driver.open(OpenRequest {
            origin,
            spec: self.spec.clone(),
            directory: self.work(),
            options: TurnOptions::default(),
            label: self.label.clone(),
            raw: RawWanted::default(),
            terminal: TerminalSlot::default(),
        }))
    }

    /// A new thread, ready.
    pub(super) async fn fresh(&self) -> Talk {
        let mut talk = self.open(ThreadOrigin::New(ThreadId::generate()));
        talk.ready().await;
        talk
    }

    /// Where claude runs.
    pub(super) fn work(&self) -> PathBuf {
        self.scratch.path().canonicalize().expect("the folder is there").join("work")
    }

    /// The hooks of the plugin that claude is started with, to be changed before.
    pub(super) fn hooks_file(&self) -> PathBuf {
        let entries = std::fs::read_dir(self.scratch.path().join("channel")).expect("a folder");
        let mut folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
        folders.next().expect("the driver's folder").join("plugin/hooks/hooks.json")
    }

    /// The log as far as it is this test's.
    pub(super) async fn logged(&self, what: &str) {
        log::line(&self.label, what).await;
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if std::thread::panicking() {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "── the log of {} ──\n{}", self.label, log::of(&self.label));
        }
    }
}

fn spec(claude: Claude, home: &Path, model: &Model) -> BackendSpec {
    let env = [
        ("HOME", home.display().to_string()),
        ("ANTHROPIC_BASE_URL", model.url()),
        ("ANTHROPIC_API_KEY", "sk-ant-dummy-key-for-tests".into()),
        ("DISABLE_AUTOUPDATER", "1".into()),
        ("CLAUDE_CODE_MAX_RETRIES", "1".into()),
        // What claude wants of the world meets a closed door at once.
        ("HTTPS_PROXY", "http://127.0.0.1:9".into()),
    ];
    BackendSpec {
        env: env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        env_policy: EnvPolicy::Strict,
        ..BackendSpec::new(BackendId::new("claude-code"), NAME, claude.path().display().to_string())
    }
}
