//! Somebody's terminal with a program in it.

use std::ffi::OsString;
use std::num::NonZeroU16;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;

use bytes::BytesMut;
use turnmux::process::{Child, SpawnRequest, Supervisor, SupervisorConfig, Terminal, TerminalSize};

use super::{Daemon, within};

const SIZE: TerminalSize = TerminalSize { rows: 30, cols: 100 };

/// A terminal of 30 lines and 100 characters, and what is at its end.
pub(crate) struct Console {
    child: Child,
    terminal: Terminal,
    screen: vt100::Parser<()>,
    printed: BytesMut,
    _supervisor: Supervisor,
}

impl Console {
    /// `turnmux attach`.
    pub(crate) async fn attach(daemon: &Daemon, args: &[&str]) -> Self {
        Self::shell(daemon, "exec turnmux attach \"$@\"", args).await
    }

    /// A shell's command line, in which `turnmux` is the program, with this daemon, and `$1` … are the arguments.
    pub(crate) async fn shell(daemon: &Daemon, script: &str, args: &[&str]) -> Self {
        let programs = Path::new(env!("CARGO_BIN_EXE_turnmux")).parent().expect("the program lies in a folder");
        let system = std::env::var("PATH").expect("PATH is set");
        let env = [
            ("PATH", format!("{}:{system}", programs.display())),
            ("HOME", daemon.scratch().join("home").display().to_string()),
            ("TERM", "xterm-256color".to_owned()),
            ("TURNMUX_URL", format!("http://{}", daemon.client.address)),
        ];
        let supervisor = Supervisor::start(SupervisorConfig::default()).expect("a supervisor");
        let request = SpawnRequest {
            program: "/bin/sh".into(),
            args: ["-c", script, "sh"].iter().chain(args).map(OsString::from).collect(),
            env: env.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            directory: daemon.work(),
            label: "a shell".to_owned(),
            terminal: Some(SIZE),
        };
        let mut child = within("a shell", supervisor.spawn(request)).await.expect("a shell");
        let terminal = child.terminal.take().expect("a terminal");
        Self { child, terminal, screen: parser(SIZE), printed: BytesMut::new(), _supervisor: supervisor }
    }

    /// What is on the screen.
    pub(crate) fn text(&self) -> String {
        self.screen.screen().contents()
    }

    /// All that was written to the terminal.
    pub(crate) fn printed(&self) -> String {
        String::from_utf8_lossy(&self.printed).into_owned()
    }

    /// Waits until this stands on the screen.
    pub(crate) async fn sees(&mut self, text: &str) {
        self.sees_if(text, |screen| screen.contains(text)).await;
    }

    /// Waits until the screen is as it is to be.
    pub(crate) async fn sees_if(&mut self, what: &str, is_it: impl Fn(&str) -> bool) {
        while !is_it(&self.text()) {
            assert!(self.read(what).await, "the end comes before {what:?} on:\n{}", self.text());
        }
    }

    /// Waits until this was written, whatever became of it on the screen.
    pub(crate) async fn prints(&mut self, what: &str) {
        while !self.printed().contains(what) {
            assert!(self.read(what).await, "the end comes before {what:?}: {:?}", self.printed());
        }
    }

    /// Types.
    pub(crate) async fn types(&self, keys: &str) {
        within("keys to be taken", self.terminal.write(keys.as_bytes())).await.expect("the terminal is open");
    }

    /// Makes the terminal another size.
    pub(crate) fn resize(&mut self, rows: u16, cols: u16) {
        let size = TerminalSize { rows, cols };
        self.screen = parser(size);
        self.terminal.resize(size).expect("it has a size");
    }

    /// Waits for the end of what runs there: its exit code, and what is left on the screen.
    pub(crate) async fn ends(&mut self) -> (Option<i32>, String) {
        while self.read("the end").await {}
        let status = within("the program's exit", self.child.exit().wait()).await;
        assert_eq!(status.signal(), None, "{}", self.text());
        (status.code(), self.text().trim_end().to_owned())
    }

    /// Takes what comes next. False at the end.
    async fn read(&mut self, what: &str) -> bool {
        let seen = self.printed.len();
        let read = within(what, self.terminal.read(&mut self.printed));
        let count =
            read.await.unwrap_or_else(|error| panic!("{what:?}: {error} on:\n{}", self.screen.screen().contents()));
        self.screen.process(&self.printed[seen..]);
        count > 0
    }
}

fn parser(size: TerminalSize) -> vt100::Parser<()> {
    let side = |side: u16| NonZeroU16::new(side).expect("a side");
    vt100::Parser::new(side(size.rows), side(size.cols), 0)
}
