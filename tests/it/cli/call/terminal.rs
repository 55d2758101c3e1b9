//! What people see on a terminal.

use std::ffi::OsString;

use bytes::BytesMut;
use turnmux::process::{Child, SpawnRequest, Supervisor, SupervisorConfig, Terminal, TerminalSize};

use super::stand_in;
use crate::harness::{Daemon, within};

const SIZE: TerminalSize = TerminalSize { rows: 24, cols: 120 };

/// The spinner's pictures.
const PICTURES: &str = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";

/// A program that runs on a terminal.
struct Screen {
    child: Child,
    terminal: Terminal,
    printed: BytesMut,
    _supervisor: Supervisor,
}

impl Screen {
    /// Runs a line of shell, in which `turnmux` is the program, and `$1` … are what it is given.
    async fn run(daemon: &Daemon, script: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        let supervisor = Supervisor::start(SupervisorConfig::default()).expect("a supervisor");
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_turnmux"));
        let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let home = daemon.scratch().join("home");
        let own = [
            ("HOME", home.display().to_string()),
            ("PATH", path),
            ("TERM", "xterm-256color".to_owned()),
            ("TURNMUX_URL", format!("http://{}", daemon.client.address)),
        ];
        let env = own.into_iter().chain(env.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let script = ["-c", script, "sh"].into_iter().chain(args.iter().copied());
        let request = SpawnRequest {
            program: "/bin/sh".into(),
            args: script.map(OsString::from).collect(),
            env: env.map(|(name, value)| (name.into(), value.into())).collect(),
            directory: daemon.work(),
            terminal: Some(SIZE),
            label: "a shell".to_owned(),
        };
        let mut child = within("a shell", supervisor.spawn(request)).await.expect("a shell");
        let terminal = child.terminal.take().expect("a terminal");
        Self { child, terminal, printed: BytesMut::new(), _supervisor: supervisor }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.printed).into_owned()
    }

    async fn read(&mut self, what: &str) -> usize {
        within(what, self.terminal.read(&mut self.printed)).await.expect("the terminal can be read")
    }

    /// Reads until this was printed.
    async fn until(&mut self, what: &str) {
        while !self.text().contains(what) {
            assert_ne!(self.read(what).await, 0, "the end comes before {what:?}: {:?}", self.text());
        }
    }

    /// Reads to the end: what is left on the screen, and the exit code.
    async fn ended(mut self) -> (String, Option<i32>) {
        while self.read("the end of output").await > 0 {}
        let status = within("the end", self.child.exit().wait()).await;
        let of = |size| std::num::NonZero::new(size).expect("a screen has a size");
        let mut parser = vt100::Parser::new(of(SIZE.rows), of(SIZE.cols), 0);
        parser.process(&self.printed);
        let screen = parser.screen().contents().trim_end().to_owned();
        (screen, status.code())
    }
}

const CALL: &str = "turnmux call -r \"$@\"";

#[tokio::test]
async fn a_spinner_turns_until_there_is_an_answer() {
    let daemon = stand_in().start().await;
    let gate = daemon.gate("gate");
    let prompt = format!("{}\n::tool Bash {{\"command\": \"ls\"}}\n::say done", gate.hold());
    let mut screen = Screen::run(&daemon, CALL, &[&prompt], &[]).await;
    for picture in PICTURES.chars().take(3) {
        screen.until(&picture.to_string()).await;
    }
    assert!(screen.text().contains("\x1b[2m"), "dimmed: {:?}", screen.text());
    gate.open();
    assert_eq!(screen.ended().await, ("· Bash: ls\ndone".to_owned(), Some(0)), "no trace of the spinner");
}

#[tokio::test]
async fn no_colour_where_none_is_wanted_and_no_spinner_where_it_is_to_be_quiet() {
    let daemon = stand_in().start().await;
    let prompt = "::silent 500\n::tool Bash {\"command\": \"ls\"}\n::say done";
    let mut screen = Screen::run(&daemon, CALL, &[prompt], &[("NO_COLOR", "1")]).await;
    screen.until("done").await;
    assert!(!screen.text().contains("\x1b[2m") && screen.text().contains('⠋'), "{:?}", screen.text());
    let mut quiet = Screen::run(&daemon, CALL, &["-q", prompt], &[]).await;
    quiet.until("done").await;
    assert!(!quiet.text().contains('\x1b') && !quiet.text().contains('⠋'), "{:?}", quiet.text());
    assert_eq!(quiet.ended().await, ("done".to_owned(), Some(0)));
}

#[tokio::test]
async fn what_is_said_between_tools_keeps_its_lines() {
    let daemon = stand_in().start().await;
    let prompt = "::say Looking.\n::tool Bash {\"command\": \"ls\"}\n::say Done.";
    let screen = Screen::run(&daemon, CALL, &[prompt], &[]).await;
    let (text, code) = screen.ended().await;
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    assert_eq!((&*lines, code), (&["Looking.", "· Bash: ls", "Done."][..], Some(0)), "{text:?}");
}

#[tokio::test]
async fn an_answer_does_nothing_to_the_terminal() {
    let daemon = stand_in().start().await;
    let prompt = "::tool Bash {\"command\": \"\\u001b]0;mine\\u0007\"}\n::say \"\\u001b[2J\\u001b]0;mine\\u0007\"";
    let mut screen = Screen::run(&daemon, CALL, &[prompt], &[]).await;
    while screen.read("the end").await > 0 {}
    let printed = screen.text();
    assert!(!printed.contains("\x1b]0;") && !printed.contains("\x1b[2J"), "{printed:?}");
    assert!(printed.contains("\\u{1b}[2J"), "{printed:?}");
}

#[tokio::test]
async fn ctrl_c_at_the_keyboard_interrupts() {
    let daemon = stand_in().start().await;
    // A shell would end with its program.
    let script = format!("trap : INT; {CALL}; echo code $?");
    let mut screen = Screen::run(&daemon, &script, &["::say begun\n::silent"], &[]).await;
    screen.until("begun").await;
    screen.terminal.write(b"\x03").await.expect("typed");
    screen.until("code 130").await;
    let turn = daemon.client.get("/v1/turns").await.json()["data"][0].clone();
    assert_eq!(turn["status"], "interrupted");
    let (text, _) = screen.ended().await;
    assert!(text.contains("turnmux: interrupted"), "{text}");
}

#[tokio::test]
async fn the_answer_may_go_to_a_file_while_people_watch() {
    let daemon = stand_in().start().await;
    let gate = daemon.gate("gate");
    let prompt = format!("{}\n::say \"a\\u001bb\"", gate.hold());
    let mut screen = Screen::run(&daemon, &format!("{CALL} > out"), &[&prompt], &[]).await;
    screen.until("⠋").await;
    gate.open();
    assert_eq!(screen.ended().await, (String::new(), Some(0)));
    assert_eq!(std::fs::read_to_string(daemon.work().join("out")).unwrap(), "a\u{1b}b\n", "as it was said");
}

#[tokio::test]
async fn somebody_without_a_prompt_is_told_so() {
    let daemon = stand_in().start().await;
    let (text, code) = Screen::run(&daemon, "turnmux call", &[], &[]).await.ended().await;
    assert_eq!(code, Some(2));
    assert!(text.contains("give a prompt"), "{text}");
    // With `-` they have it coming.
    let mut screen = Screen::run(&daemon, CALL, &["-"], &[]).await;
    screen.terminal.write(b"hello\n\x04").await.expect("typed");
    screen.until("You said: hello").await;
    assert_eq!(screen.ended().await.1, Some(0));
}
