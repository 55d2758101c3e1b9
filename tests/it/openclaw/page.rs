//! `docs/openclaw.md`, as somebody types it: every block of commands is run as it stands there, in its order.
//!
//! A block behind `<!-- stays: TEXT -->` runs on when it has said TEXT, as in a terminal of its own. A block of TOML is
//! turnmux's configuration. The ports alone are others, for tests run side by side.

use std::path::Path;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::gateway::LIMIT;
use super::world::{OpenClaw, alone, root, said};
use crate::harness::{all_gone, within_at_most};
use crate::support::model::Model;

const PAGE: &str = include_str!("../../../docs/openclaw.md");

/// A block of the page.
#[derive(Debug)]
enum Block {
    /// To be written into turnmux.toml.
    Config(String),
    /// Commands that end.
    Run(String),
    /// A command that stays, and what it says when it is ready.
    Stays(String, String),
}

fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut ready = None;
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if let Some(text) = line.strip_prefix("<!-- stays: ") {
            ready = Some(text.trim_end_matches(" -->").to_owned());
        }
        let Some(kind) = line.strip_prefix("```") else { continue };
        let text = lines.by_ref().take_while(|line| *line != "```").collect::<Vec<_>>().join("\n");
        blocks.push(match (kind, ready.take()) {
            ("toml", None) => Block::Config(text),
            ("sh", None) => Block::Run(text),
            ("sh", Some(ready)) => Block::Stays(text, ready),
            _ => panic!("what is a block of {kind:?} for? {text}"),
        });
    }
    blocks
}

/// Ports that nobody has.
async fn free_ports() -> [String; 2] {
    let listeners = [TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap()];
    listeners.map(|listener| listener.local_addr().unwrap().port().to_string())
}

/// Starts a command that stays, and waits until it is ready.
async fn stay(mut command: Command, ready: &str) -> Child {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    within_at_most(LIMIT, ready, async {
        while let Some(line) = lines.next_line().await.expect("its output can be read") {
            if line.contains(ready) {
                return;
            }
        }
        panic!("it ended before it said {ready:?}");
    })
    .await;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    child
}

#[tokio::test]
async fn every_command_of_the_page_does_what_it_says() {
    let _alone = alone().await;
    let scratch = tempfile::tempdir().expect("a scratch folder");
    // The folder's own name, and where `all_gone` looks.
    let home = scratch.path().canonicalize().unwrap().join("home");
    let model = Model::start().await;
    let openclaw = OpenClaw::at(&home);
    let [port, gateway_port] = free_ports().await;
    let bash = |text: &str| {
        let mut command = openclaw.command_with_claude("bash", &model);
        let text = text.replace("7433", &port);
        command.args(["-euo", "pipefail", "-c", &text]).env("OPENCLAW_GATEWAY_PORT", &gateway_port).current_dir(root());
        command
    };

    let (mut output, mut staying) = (String::new(), Vec::new());
    for block in blocks() {
        match block {
            Block::Config(text) => {
                let folder = home.join(".config/turnmux");
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(folder.join("turnmux.toml"), text).unwrap();
            }
            Block::Run(text) => {
                let said = said(&mut bash(&text)).await;
                assert!(said.success, "{text}\n{said:?}");
                output.push_str(&said.stdout);
            }
            Block::Stays(text, ready) => staying.push(stay(bash(&format!("exec {text}")), &ready).await),
        }
    }
    for answer in ["You said: Say hello in five words [turn 1]", "You said: And once more [turn 2]"] {
        assert!(output.contains(answer), "{answer} is missing in {output}");
    }
    let workspace = format!("\"directory\":\"{}\"", openclaw.workspace().display());
    assert!(output.contains(&workspace), "the agent works in OpenClaw's workspace: {output}");
    let config = std::fs::read_to_string(openclaw.config_file()).unwrap_or_default();
    assert!(!config.contains("turnmux"), "the last command has taken it back: {config}");

    for mut child in staying.into_iter().rev() {
        kill(Pid::from_raw(child.id().expect("it runs").cast_signed()), Signal::SIGTERM).expect("it runs");
        within_at_most(LIMIT, "the end of what stayed", child.wait()).await.expect("it can be waited for");
    }
    all_gone(Path::new(home.parent().unwrap())).await;
}
