//! An OpenClaw of the test's own: the real program from npm, in a scratch home, with a clean environment.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::sync::{Mutex, MutexGuard};

use crate::harness::{Claude, Daemon, DaemonBuilder, within_at_most};
use crate::support::model::Model;

/// OpenClaw's own command line takes two to three seconds of a processor for itself, each time.
const LIMIT: Duration = Duration::from_mins(5);

/// Held by whoever has a gateway. Its start gives up where its own threads get no processor for five seconds, and each gateway
/// takes two for itself: on a small machine they would stop each other.
static GATEWAYS: Mutex<()> = Mutex::const_new(());

/// Waits until no other test has a gateway.
pub(super) async fn alone() -> MutexGuard<'static, ()> {
    GATEWAYS.lock().await
}

/// An installation: a home, and the programs on PATH.
pub(super) struct OpenClaw {
    home: PathBuf,
    path: String,
}

/// What a program has said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) success: bool,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// The same daemon, whose agents may work where those of [`OpenClaw::in_front_of`] do.
pub(super) fn daemon(builder: DaemonBuilder) -> DaemonBuilder {
    builder.config("server.workspace_roots = [\"@SCRATCH@/openclaw\"]")
}

impl OpenClaw {
    /// With a home in the daemon's scratch folder, and set up for it.
    pub(super) async fn in_front_of(daemon: &Daemon) -> Self {
        let (_, port) = daemon.client.address.rsplit_once(':').expect("a port");
        let openclaw = Self::beside(daemon);
        openclaw.set_up(&["--port", port]).await;
        openclaw
    }

    /// With a home in the daemon's scratch folder, where nothing of OpenClaw's is yet.
    pub(super) fn beside(daemon: &Daemon) -> Self {
        Self::at(&daemon.scratch().canonicalize().expect("a folder").join("openclaw"))
    }

    /// With this home. Panics when OpenClaw is not there: a test that needs it must not pass without it.
    pub(super) fn at(home: &Path) -> Self {
        let programs = root().join(".cache/openclaw/bin");
        let there = programs.join("openclaw");
        assert!(there.exists(), "{} is not there: run scripts/test, or scripts/fetch-openclaw", there.display());
        Self::with_programs(home, &programs)
    }

    /// With this home, and other programs than the fetched ones in front of the system's.
    pub(super) fn with_programs(home: &Path, programs: &Path) -> Self {
        std::fs::create_dir_all(home).expect("a folder");
        let turnmux = Path::new(env!("CARGO_BIN_EXE_turnmux")).parent().expect("the program lies in a folder");
        let system = std::env::var("PATH").expect("PATH is set");
        let path = format!("{}:{}:{system}", programs.display(), turnmux.display());
        Self { home: home.to_owned(), path }
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// Where its agent `main` works.
    pub(super) fn workspace(&self) -> PathBuf {
        self.home.join(".openclaw/workspace")
    }

    /// Its configuration.
    pub(super) fn config_file(&self) -> PathBuf {
        self.home.join(".openclaw/openclaw.json")
    }

    /// Writes it, as somebody who knows what is to stand in it.
    pub(super) fn configure(&self, config: &str) {
        std::fs::create_dir(self.home.join(".openclaw")).expect("a folder");
        std::fs::write(self.config_file(), config).expect("a file");
    }

    /// The same, read.
    pub(super) fn config(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.config_file()).expect("a configuration")).expect("JSON")
    }

    /// A program in this installation's environment.
    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", &self.home)
            .env("PATH", &self.path)
            // It announces itself in the network otherwise.
            .env("OPENCLAW_DISABLE_BONJOUR", "1")
            .current_dir(&self.home)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// The same with `claude` on PATH, whose model is this one: for what starts agents itself.
    pub(super) fn command_with_claude(&self, program: impl AsRef<std::ffi::OsStr>, model: &Model) -> Command {
        let bin = self.home.join("bin");
        if !bin.exists() {
            std::fs::create_dir(&bin).expect("a folder");
            std::os::unix::fs::symlink(Claude::Newest.path(), bin.join("claude")).expect("a link");
        }
        let mut command = self.command(program);
        command
            .env("PATH", format!("{}:{}", bin.display(), self.path))
            .env("ANTHROPIC_BASE_URL", model.url())
            .env("ANTHROPIC_API_KEY", "sk-ant-dummy-key-for-tests")
            .env("DISABLE_AUTOUPDATER", "1")
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
        command
    }

    /// `openclaw` with these arguments; what it says on stdout. Panics when it fails.
    pub(super) async fn run(&self, args: &[&str]) -> String {
        let said = said(self.command("openclaw").args(args)).await;
        assert!(said.success, "openclaw {args:?}: {said:?}");
        said.stdout
    }

    /// `scripts/setup-openclaw.sh` with these arguments.
    pub(super) async fn script(&self, args: &[&str]) -> Said {
        said(self.command(root().join("scripts/setup-openclaw.sh")).args(args)).await
    }

    /// The same, which must succeed.
    pub(super) async fn set_up(&self, args: &[&str]) -> Said {
        let said = self.script(args).await;
        assert!(said.success, "setup-openclaw.sh {args:?}: {said:?}");
        said
    }
}

/// The newest request of a turn with this text in it, as the model got it.
pub(super) fn asked(daemon: &Daemon, text: &str) -> Value {
    let requests = daemon.model.requests();
    let fits = requests.iter().rfind(|request| !request.on_the_side && request.user_text.contains(text));
    fits.unwrap_or_else(|| panic!("nobody asked {text}")).body.clone()
}

/// The project's folder.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs it to its end.
pub(super) async fn said(command: &mut Command) -> Said {
    let what = format!("{:?}", command.as_std());
    let output: Output = within_at_most(LIMIT, &what, command.output()).await.expect("the program starts");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Said { success: output.status.success(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}
