//! Daemons that are started for calls, and what is none.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::roots;
use crate::harness::{Daemon, Turnmux, agents_of, all_gone, gone, pids, stand_in};

/// The usual port at an address that no other test has.
fn listen() -> String {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let pid = std::process::id();
    format!("127.{}.{}.{}:7433", 64 + (pid >> 8) % 128, pid % 256, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A user with a home, and with the stand-in as claude; and with whatever daemon a call starts, which ends with it.
struct User {
    turnmux: Turnmux,
    home: PathBuf,
}

impl User {
    fn new() -> Self {
        let turnmux = Turnmux::new(&[]);
        let root = turnmux.home().canonicalize().unwrap();
        // As `agents_of` looks for it.
        let home = root.join("home");
        for folder in ["home", "bin"] {
            std::fs::create_dir(root.join(folder)).unwrap();
        }
        symlink(stand_in(), root.join("bin/claude")).unwrap();
        let path = format!("{}:{}", root.join("bin").display(), std::env::var("PATH").unwrap());
        let turnmux = turnmux.env("HOME", home.display().to_string()).env("PATH", path);
        let turnmux = turnmux.env("TURNMUX_SERVER__LISTEN", listen());
        let turnmux = turnmux.file("home/.config/turnmux/turnmux.toml", &roots());
        Self { turnmux, home }
    }

    fn turnmux(&self, args: &[&str]) -> Turnmux {
        self.turnmux.clone().args(args)
    }

    fn call(&self, more: &[&str]) -> Turnmux {
        self.turnmux(&["call", "-r", "hello"]).args(more)
    }

    /// The daemons that run with this home.
    fn daemons(&self) -> Vec<u32> {
        let home = format!("HOME={}", self.home.display()).into_bytes();
        let is_daemon = |pid: &u32| {
            let read = |file| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            read("environ").split(|byte| *byte == 0).any(|entry| entry == home)
                && read("cmdline").split(|byte| *byte == 0).nth(1) == Some(b"serve")
        };
        pids().filter(is_daemon).collect()
    }

    fn root(&self) -> &std::path::Path {
        self.home.parent().unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.home.join(".local/state/turnmux/turnmux.log")).unwrap_or_default()
    }

    /// Ends what was started.
    async fn leave(&self) {
        for pid in self.daemons() {
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM);
            gone(pid).await;
        }
        all_gone(self.root()).await;
    }
}

impl Drop for User {
    fn drop(&mut self) {
        // After a failed test; agents go with their daemon.
        for pid in self.daemons() {
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
        }
    }
}

const ANSWER: &str = "You said: hello [turn 1]\n";

#[tokio::test]
async fn a_daemon_is_started_where_there_is_none_and_is_warm_for_the_next_call() {
    let user = User::new();
    let first = user.call(&[]).run().await;
    assert_eq!((first.code, &*first.stdout), (Some(0), ANSWER), "{first:?}");
    assert!(first.stderr.contains("starting a daemon in the background"), "{first:?}");
    let (daemons, agents) = (user.daemons(), agents_of(user.root()));
    assert_eq!((daemons.len(), agents.len()), (1, 1));
    assert_eq!(user.call(&[]).run().await.ok(), ANSWER);
    assert_eq!(user.daemons(), daemons);
    // It belongs to no terminal, nor to whoever started it.
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemons[0])).unwrap();
    let session = stat.rsplit(") ").next().unwrap().split(' ').nth(3).unwrap().to_owned();
    assert_eq!(session, daemons[0].to_string(), "it leads a session of its own");
    assert!(user.log().contains("serving"), "{}", user.log());
    user.leave().await;
}

#[tokio::test]
async fn calls_that_find_no_daemon_start_one_together() {
    let user = User::new();
    let call = user.call(&[]);
    let (one, other, third) = tokio::join!(call.run(), call.run(), call.run());
    for ran in [one, other, third] {
        assert_eq!((ran.code, &*ran.stdout), (Some(0), ANSWER), "{ran:?}");
    }
    assert_eq!(user.daemons().len(), 1);
    user.leave().await;
}

#[tokio::test]
async fn a_daemon_that_does_not_start_says_why() {
    let user = User::new();
    let call = user.call(&[]).env("TURNMUX_STORE__PATH", "/proc/none/turnmux.db");
    let said = call.run().await.failed(3, &["the one that was started ended at once", "/proc/none", "turnmux.log"]);
    assert!(said.contains("its log is"), "{said}");
    assert_eq!(user.daemons(), [0; 0]);
}

#[tokio::test]
async fn none_is_started_where_somebody_said_where_it_is() {
    let user = User::new();
    let url = "http://127.0.0.1:1";
    user.call(&["--url", url]).run().await.failed(3, &["no daemon at 127.0.0.1:1"]);
    user.call(&[]).env("TURNMUX_URL", url).run().await.failed(3, &["no daemon at 127.0.0.1:1"]);
    assert_eq!(user.daemons(), [0; 0]);
}

#[tokio::test]
async fn a_call_alone_leaves_nothing_behind() {
    let user = User::new();
    let prompt = "::tool Bash {\"command\": \"ls\"}\n::say done";
    let ran = user.turnmux(&["call", "-r", prompt, "--alone"]).run().await;
    assert_eq!((ran.code, &*ran.stdout, &*ran.stderr), (Some(0), "done\n", "· Bash: ls\n"));
    assert_eq!((user.daemons(), agents_of(user.root())), (vec![], vec![]));
    assert!(!user.home.join(".local/state/turnmux/store").exists(), "nothing is kept");
    let failed = user.turnmux(&["call", "-r", "::exit 3", "--alone"]).run().await;
    failed.failed(1, &["(agent_lost)"]);
    assert_eq!(agents_of(user.root()), [0; 0]);
    // In any folder: it is the user's own.
    let elsewhere = user.turnmux.clone().file("home/.config/turnmux/turnmux.toml", "server.workspace_roots = []");
    assert_eq!(elsewhere.args(&["call", "-r", "hello", "--alone"]).run().await.ok(), ANSWER);
}

#[tokio::test]
async fn a_call_alone_that_is_interrupted_leaves_nothing_behind() {
    let user = User::new();
    let mut running = user.turnmux(&["call", "-r", "::say \"begun\\n\"\n::silent", "--alone"]).spawn();
    assert_eq!(running.line().await.as_deref(), Some("begun"));
    assert_eq!(agents_of(user.root()).len(), 1);
    running.interrupt();
    assert_eq!(running.ended().await.code, Some(130));
    assert_eq!(agents_of(user.root()), [0; 0]);
}

#[tokio::test]
async fn a_wrong_key_is_a_wrong_key() {
    let daemon = Daemon::stand_in().config(&roots()).env("TURNMUX_API_KEY", "the-right-key").start().await;
    let call = daemon.turnmux(&["call", "-r", "hello"]);
    call.run().await.failed(4, &["wants an API key"]);
    call.clone().env("TURNMUX_API_KEY", "another-key").run().await.failed(4, &["does not know this API key"]);
    assert_eq!(call.env("TURNMUX_API_KEY", "the-right-key").run().await.ok(), ANSWER);
}
