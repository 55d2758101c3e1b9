//! Programs: started with a clean environment in a scratch folder, and ended when their handle goes.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tempfile::TempDir;

use super::interrupts;

/// How long a program may take to end when it is asked to; turnmux itself gives running turns ten seconds.
const END_WAIT: Duration = Duration::from_secs(20);

/// The key in every environment. It opens nothing.
const API_KEY: &str = "sk-ant-dummy-key-for-benchmarks";

/// Who answers.
#[derive(Debug)]
pub(crate) enum Agent {
    /// The test double, by itself.
    StandIn,
    /// The real claude, against the model at this URL.
    Claude {
        /// The program.
        program: PathBuf,
        /// `http://127.0.0.1:PORT`
        model: String,
    },
}

/// A folder with a home and a working directory, and the environment that goes with it.
#[derive(Debug)]
pub(crate) struct Scratch {
    root: TempDir,
    program: PathBuf,
    model: String,
    channels: bool,
}

impl Scratch {
    /// Makes one, in which `claude` is that agent.
    pub(crate) fn new(agent: &Agent) -> anyhow::Result<Self> {
        let root = tempfile::tempdir().context("cannot make a scratch folder")?;
        for folder in ["home", "work", "bin"] {
            fs::create_dir(root.path().join(folder))?;
        }
        let (program, model) = match agent {
            Agent::StandIn => (built("examples/stand-in-agent")?, "http://127.0.0.1:9".to_owned()),
            Agent::Claude { program, model } => (program.canonicalize().context("no claude there")?, model.clone()),
        };
        std::os::unix::fs::symlink(&program, root.path().join("bin/claude"))?;
        fs::write(root.path().join("turnmux.toml"), "")?;
        Ok(Self { root, program, model, channels: false })
    }

    /// Makes one for a claude in a terminal: as somebody has it who has answered claude's questions before, in an account
    /// that has channels.
    pub(crate) fn with_channels(agent: &Agent) -> anyhow::Result<Self> {
        let scratch = Self { channels: true, ..Self::new(agent)? };
        let memory = json!({
            "hasCompletedOnboarding": true,
            "theme": "dark",
            "customApiKeyResponses": {"approved": [&API_KEY[API_KEY.len() - 20..]]},
            "projects": {scratch.work().canonicalize()?.to_string_lossy(): {"hasTrustDialogAccepted": true}},
            "cachedGrowthBookFeatures": {"tengu_harbor": true, "tengu_harbor_permissions": true},
        });
        fs::write(scratch.root.path().join("home/.claude.json"), memory.to_string())?;
        fs::write(scratch.root.path().join("turnmux.toml"), "[backends.claude-code]\ndriver = \"claude-channel\"\n")?;
        Ok(scratch)
    }

    /// The agent's program.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// The working directory.
    pub(crate) fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// The home directory.
    pub(crate) fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// The configuration of turnmux.
    pub(crate) fn config(&self) -> PathBuf {
        self.root.path().join("turnmux.toml")
    }

    /// The whole environment of a program: nothing of the caller's but PATH.
    pub(crate) fn environment(&self) -> anyhow::Result<Vec<(OsString, OsString)>> {
        let path = std::env::var("PATH").context("PATH is not set")?;
        let root = self.root.path();
        let (name, value) = if self.channels {
            // The other would switch channels off. What claude wants of the world meets a closed door at once.
            ("HTTPS_PROXY", "http://127.0.0.1:9")
        } else {
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
        };
        Ok(vec![
            ("HOME".into(), root.join("home").into()),
            ("PATH".into(), format!("{}:{path}", root.join("bin").display()).into()),
            ("ANTHROPIC_BASE_URL".into(), self.model.clone().into()),
            ("ANTHROPIC_API_KEY".into(), API_KEY.into()),
            ("DISABLE_AUTOUPDATER".into(), "1".into()),
            ("CLAUDE_CODE_MAX_RETRIES".into(), "1".into()),
            (name.into(), value.into()),
        ])
    }

    /// A command in the working directory.
    #[expect(clippy::disallowed_methods, reason = "the bench is a program of its own, which starts what it measures")]
    pub(crate) fn command(&self, program: &Path) -> anyhow::Result<Command> {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(self.environment()?)
            .current_dir(self.work())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(self.root.path().join("stderr.log"))?);
        Ok(command)
    }

    /// All that the programs of this folder complained.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.root.path().join("stderr.log")).unwrap_or_default()
    }

    /// The last lines that the programs of this folder complained.
    pub(crate) fn complaints(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

/// A running program. Dropped, it is asked to end, waited for, and killed if it does not.
#[derive(Debug)]
pub(crate) struct Program {
    /// None when it was waited for.
    child: Option<Child>,
    pid: u32,
}

impl Program {
    /// Starts it.
    pub(crate) fn start(mut command: Command) -> anyhow::Result<Self> {
        let name = command.get_program().display().to_string();
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let pid = child.id();
        interrupts::started(pid);
        let program = Self { child: Some(child), pid };
        if interrupts::stopping() {
            bail!("stopped by a signal");
        }
        Ok(program)
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Its output, once.
    pub(crate) fn stdout(&mut self) -> anyhow::Result<ChildStdout> {
        self.child.as_mut().and_then(|child| child.stdout.take()).context("its stdout is somebody else's")
    }

    /// Its input, once.
    pub(crate) fn stdin(&mut self) -> anyhow::Result<ChildStdin> {
        self.child.as_mut().and_then(|child| child.stdin.take()).context("its stdin is somebody else's")
    }

    /// Its first line of output, which is where it listens.
    pub(crate) fn first_line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        BufReader::new(self.stdout()?).read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// Closes its input, asks it to end by this signal, and waits; what takes too long is killed, and is an error.
    pub(crate) fn end(mut self, signal: Option<Signal>) -> anyhow::Result<()> {
        self.reap(signal)
    }

    fn reap(&mut self, signal: Option<Signal>) -> anyhow::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let (pid, target) = (self.pid, Pid::from_raw(self.pid.cast_signed()));
        drop(child.stdin.take());
        if let Some(signal) = signal {
            let _ = kill(target, signal);
        }
        let (exited, waiting) = mpsc::sync_channel(1);
        let waiter = thread::spawn(move || {
            let _ = exited.send(child.wait());
            interrupts::ended(pid);
        });
        let late = waiting.recv_timeout(END_WAIT).is_err();
        if late {
            let _ = kill(target, Signal::SIGKILL);
        }
        let _ = waiter.join();
        if late {
            bail!("process {pid} did not end within {END_WAIT:?} and was killed");
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Whatever goes wrong here, something else has gone wrong before.
        let _ = self.reap(Some(Signal::SIGTERM));
    }
}

/// A program that cargo put beside this one.
pub(crate) fn built(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).context("the bench does not lie in a target folder")?;
    let path = folder.join(name);
    if !path.exists() {
        bail!("{} is not there: start the bench with scripts/bench, which builds it", path.display());
    }
    Ok(path)
}
