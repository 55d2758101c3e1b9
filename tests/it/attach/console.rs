//! Somebody's terminal with a program in it.

use std::ffi::OsString;
use std::num::NonZeroU16;
use std::os::unix::process::ExitStatusExt as _;

use bytes::BytesMut;
use turnmux::process::{Child, SpawnRequest, Supervisor, SupervisorConfig, Terminal, TerminalSize};

use crate::harness::{Daemon, within};

/// What is at its end.
pub(super) struct Console {
    child: Child,
    terminal: Terminal,
    screen: vt100::Parser<()>,
    printed: BytesMut,
    _supervisor: Supervisor,
}

impl Console {
    /// `turnmux attach` in a terminal of 30 lines and 100 characters.
    pub(super) async fn attach(daemon: &Daemon, args: &[&str]) -> Self {
        let quoted: Vec<String> = args.iter().map(|arg| format!("'{arg}'")).collect();
        Self::shell(daemon, &format!("exec \"$TURNMUX\" attach {}", quoted.join(" "))).await
    }

    /// A shell's command line, in which `$TURNMUX` is the program.
    pub(super) async fn shell(daemon: &Daemon, script: &str) -> Self {
        let env = [
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("HOME", daemon.scratch().join("home").display().to_string()),
            ("TERM", "xterm-256color".to_owned()),
            ("TURNMUX_URL", format!("http://{}", daemon.client.address)),
            ("TURNMUX", env!("CARGO_BIN_EXE_turnmux").to_owned()),
        ];
        let supervisor = Supervisor::start(SupervisorConfig::default()).expect("a supervisor");
        let request = SpawnRequest {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), OsString::from(script)],
            env: env.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            directory: daemon.work(),
            label: "attach".to_owned(),
            terminal: Some(TerminalSize { rows: 30, cols: 100 }),
        };
        let mut child = supervisor.spawn(request).await.expect("a shell");
        let terminal = child.terminal.take().expect("a terminal");
        let screen = parser(30, 100);
        Self { child, terminal, screen, printed: BytesMut::new(), _supervisor: supervisor }
    }

    /// What is on the screen.
    pub(super) fn text(&self) -> String {
        self.screen.screen().contents()
    }

    /// Waits until this stands on the screen.
    pub(super) async fn sees(&mut self, text: &str) {
        self.sees_if(text, |screen| screen.contains(text)).await;
    }

    /// Waits until the screen is as it is to be.
    pub(super) async fn sees_if(&mut self, what: &str, is_it: impl Fn(&str) -> bool) {
        while !is_it(&self.text()) {
            let read = tokio::time::timeout(crate::harness::LIMIT, self.terminal.read(&mut self.printed)).await;
            match read {
                Ok(Ok(count)) if count > 0 => self.screen.process(&self.printed.split()),
                end => panic!("{what:?} is not to be seen ({end:?}) on:\n{}", self.text()),
            }
        }
    }

    /// Types.
    pub(super) async fn types(&self, keys: &str) {
        within("keys to be taken", self.terminal.write(keys.as_bytes())).await.expect("the terminal is open");
    }

    /// Makes the terminal another size.
    pub(super) fn resize(&mut self, rows: u16, cols: u16) {
        self.screen = parser(rows, cols);
        self.terminal.resize(TerminalSize { rows, cols }).expect("it has a size");
    }

    /// Waits for the end of what runs there, and gives its exit code and all that is left on the screen.
    pub(super) async fn ends(mut self) -> (Option<i32>, String) {
        let exit = self.child.exit();
        let mut status = None;
        while status.is_none() {
            status = within("the program's end", async {
                tokio::select! {
                    biased;
                    read = self.terminal.read(&mut self.printed) => match read {
                        Ok(count) if count > 0 => None,
                        _ => Some(exit.wait().await),
                    },
                    status = exit.wait() => Some(status),
                }
            })
            .await;
            self.screen.process(&self.printed.split());
        }
        // What was printed before the exit is there by now.
        while let Ok(Ok(1..)) =
            tokio::time::timeout(std::time::Duration::from_millis(50), self.terminal.read(&mut self.printed)).await
        {
            self.screen.process(&self.printed.split());
        }
        let status = status.expect("an exit");
        assert_eq!(status.signal(), None, "{}", self.text());
        (status.code(), self.text())
    }
}

fn parser(rows: u16, cols: u16) -> vt100::Parser<()> {
    let side = |side: u16| NonZeroU16::new(side).expect("a side");
    vt100::Parser::new(side(rows), side(cols), 0)
}
