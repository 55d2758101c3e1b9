//! The command line as people use it: the real program, in an environment of its own.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::{Daemon, within};

/// `turnmux` with some arguments and variables. By itself it knows of no daemon but the default one, which is not there: its
/// port is never used here.
#[derive(Clone)]
pub(crate) struct Turnmux {
    args: Vec<String>,
    env: BTreeMap<String, String>,
    stdin: String,
    /// Its home and working directory.
    home: Arc<TempDir>,
}

/// What one run of it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// One that runs. Dropped, it is killed.
pub(crate) struct Running {
    pub(crate) child: Child,
    stdout: Option<Lines<BufReader<ChildStdout>>>,
    _home: Arc<TempDir>,
}

impl Daemon {
    /// The command line for this daemon, by `TURNMUX_URL`.
    pub(crate) fn turnmux(&self, args: &[&str]) -> Turnmux {
        Turnmux::new(args).env("TURNMUX_URL", format!("http://{}", self.client.address))
    }
}

impl Turnmux {
    pub(crate) fn new(args: &[&str]) -> Self {
        Self {
            args: args.iter().map(ToString::to_string).collect(),
            env: BTreeMap::new(),
            stdin: String::new(),
            home: Arc::new(tempfile::tempdir().expect("a home")),
        }
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(ToString::to_string));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// What it reads.
    pub(crate) fn stdin(mut self, text: &str) -> Self {
        text.clone_into(&mut self.stdin);
        self
    }

    /// A file in its home, for it to find.
    pub(crate) fn file(self, name: &str, text: &(impl AsRef<[u8]> + ?Sized)) -> Self {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        std::fs::write(path, text).expect("the file");
        self
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs it to its end.
    pub(crate) async fn run(&self) -> Ran {
        let mut child = self.start(Stdio::piped());
        let mut stdin = child.stdin.take().expect("a pipe");
        let fed = async {
            // It need not read all of it.
            let _ = stdin.write_all(self.stdin.as_bytes()).await;
            drop(stdin);
        };
        let what = format!("the end of turnmux {}", self.args.join(" "));
        let ((), output) = within(&what, async { tokio::join!(fed, child.wait_with_output()) }).await;
        let output = output.expect("output");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Starts it, to be read while it runs.
    pub(crate) fn spawn(&self) -> Running {
        let mut child = self.start(Stdio::piped());
        let stdout = child.stdout.take().map(|stdout| BufReader::new(stdout).lines());
        Running { child, stdout, _home: self.home.clone() }
    }

    /// Runs it with a terminal as its stdout, and gives what it wrote there.
    pub(crate) async fn run_in_terminal(&self) -> String {
        let terminal = nix::pty::openpty(None, None).expect("a terminal");
        let mut child = self.start(terminal.slave.into());
        let status = within("the end of turnmux", child.wait()).await.expect("it ends");
        assert!(status.success(), "{status}");
        // What was written waits in the terminal; behind it is an error, for nobody has its other end any more.
        let mut shown = Vec::new();
        let _ = std::fs::File::from(terminal.master).read_to_end(&mut shown);
        String::from_utf8(shown).expect("UTF-8").replace("\r\n", "\n")
    }

    fn start(&self, stdout: Stdio) -> Child {
        let program: PathBuf = env!("CARGO_BIN_EXE_turnmux").into();
        Command::new(program)
            .args(&self.args)
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", std::env::var("PATH").expect("PATH is set"))
            // What is there where nobody said otherwise belongs to whoever runs the tests.
            .env("TURNMUX_SERVER__LISTEN", "127.0.0.1:1")
            .envs(&self.env)
            .current_dir(self.home.path())
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("turnmux starts")
    }
}

impl Ran {
    /// Panics unless it went well.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!((self.code, &*self.stderr), (Some(0), ""), "{self:?}");
        self.stdout
    }

    /// Panics unless it failed with this code, a sentence that has these words in it, and nothing on stdout.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, words: &[&str]) -> String {
        assert_eq!((self.code, &*self.stdout), (Some(code), ""), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {self:?}");
        }
        self.stderr
    }

    /// Its output as JSON.
    #[track_caller]
    pub(crate) fn json(self) -> serde_json::Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
    }
}

impl Running {
    /// The next line of its output. None at its end.
    pub(crate) async fn line(&mut self) -> Option<String> {
        let stdout = self.stdout.as_mut().expect("it is read");
        within("a line", stdout.next_line()).await.expect("stdout can be read")
    }

    /// Lines up to one that has this in it, that one included.
    pub(crate) async fn until(&mut self, what: &str) -> String {
        let mut said = String::new();
        loop {
            let line = self.line().await.unwrap_or_else(|| panic!("no {what:?} after {said:?}"));
            said.push_str(&line);
            said.push('\n');
            if line.contains(what) {
                return said;
            }
        }
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        let pid = self.child.id().expect("it runs");
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGINT).expect("it runs");
    }

    /// Reads no more.
    pub(crate) fn close_stdout(&mut self) {
        self.stdout = None;
    }

    /// Waits for its end: its exit code, what is left on stdout, and stderr.
    pub(crate) async fn ended(mut self) -> Ran {
        let mut stdout = String::new();
        while self.stdout.is_some() {
            match self.line().await {
                Some(line) => stdout.push_str(&(line + "\n")),
                None => self.stdout = None,
            }
        }
        let output = within("the end of turnmux", self.child.wait_with_output()).await.expect("output");
        Ran { code: output.status.code(), stdout, stderr: String::from_utf8(output.stderr).expect("UTF-8") }
    }
}
