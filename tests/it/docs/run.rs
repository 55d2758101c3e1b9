//! Runs blocks against a daemon.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::block::{Block, root};
use crate::harness::{Daemon, within_at_most};

/// Where the pages say that turnmux listens.
pub(super) const ADDRESS: &str = "127.0.0.1:7433";

/// What turnmux has without a configuration.
const MODELS: [&str; 4] = ["claude-code", "claude-code-opus", "claude-code-sonnet", "claude-channel"];

/// Most that a program may take. The slowest needs a few seconds of a core of its own for its imports.
const PROGRAM_MAX: Duration = Duration::from_mins(2);

/// Where the blocks of a page run.
pub(super) struct Reader {
    /// The daemon's own home, which its configuration speaks of.
    home: PathBuf,
    /// The daemon's address; the page's own where there is none yet.
    address: String,
}

impl Reader {
    /// Somebody who does what a page says, with this daemon.
    pub(super) fn of(daemon: &Daemon) -> Self {
        Self { home: daemon.scratch().join("home"), address: daemon.client.address.clone() }
    }

    /// Somebody who has no daemon yet.
    pub(super) fn before(home: PathBuf) -> Self {
        std::fs::create_dir_all(&home).expect("a home");
        Self { home, address: ADDRESS.to_owned() }
    }

    /// Does with a block what its language says. Panics where that goes wrong, and for a language that it does not know.
    pub(super) async fn read(&self, block: &Block) {
        match &*block.language {
            "sh" | "python" | "js" => self.run(block).await,
            "yaml" => self.check_yaml(block).await,
            "text" => check_names(&block.text, &block.place),
            other => panic!("{}: nobody knows what to do with a block of language {other:?}", block.place),
        }
    }

    async fn run(&self, block: &Block) {
        let Block { place, .. } = block;
        let prints = block.prints.as_ref().unwrap_or_else(|| panic!("{place}: what does it print?"));
        check_names(&block.text, place);
        let (mut command, name) = match &*block.language {
            "sh" => (Command::new("sh"), "block.sh"),
            "python" => (Command::new(sdk(python(&block.text)).join("bin/python")), "block.py"),
            _ => (Command::new("node"), "block.mjs"),
        };
        if block.language == "sh" {
            command.arg("-e");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(name);
        std::fs::write(&file, block.text.replace(ADDRESS, &self.address)).expect("the program is written");
        if block.language == "js" {
            // Where node looks for packages.
            symlink(sdk("node").join("node_modules"), folder.path().join("node_modules")).expect("a link");
        }
        let (out, err, success) = self.finish(command.arg(file), "", place).await;
        assert!(success && out.contains(prints), "{place} prints\n{out}\n{err}\ninstead of {prints:?}");
    }

    async fn check_yaml(&self, block: &Block) {
        let convert = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)";
        let mut command = Command::new(sdk("frameworks").join("bin/python"));
        let (out, err, _) = self.finish(command.args(["-c", convert]), &block.text, &block.place).await;
        let value: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{}: {err}", block.place));
        let model = &value["models"][0];
        assert_eq!(model["apiBase"], format!("http://{ADDRESS}/v1"), "{}", block.place);
        assert!(MODELS.iter().any(|known| model["model"] == *known), "{}: {model}", block.place);
    }

    /// Runs a program to its end, in the environment of somebody who has just signed in: what it says, and whether it
    /// went well.
    async fn finish(&self, command: &mut Command, stdin: &str, place: &str) -> (String, String, bool) {
        let path = std::env::var("PATH").expect("PATH is set");
        let mut child = command
            .env_clear()
            .env("PATH", format!("{}:{path}", sdk("frameworks").join("bin").display()))
            .env("HOME", &self.home)
            .env("LANG", "C.UTF-8")
            .current_dir(&self.home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{place} cannot be run: {error}"));
        let mut pipe = child.stdin.take().expect("a pipe");
        let done = async {
            // It need not read it.
            let _ = pipe.write_all(stdin.as_bytes()).await;
            drop(pipe);
            child.wait_with_output().await
        };
        let output = within_at_most(PROGRAM_MAX, place, done).await.expect("its output");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr), output.status.success())
    }
}

/// Panics when a text names an address of turnmux's or a model that there is not.
pub(super) fn check_names(text: &str, place: &str) {
    for (at, _) in text.match_indices("http://127.0.0.1:") {
        let address = &text[at + "http://".len()..];
        let rest =
            address.strip_prefix(ADDRESS).unwrap_or_else(|| panic!("{place}: the port is not that of the others"));
        let rest = rest.split(|c: char| c.is_whitespace() || "\"'`;,".contains(c)).next().unwrap_or_default();
        let is_known = ["", "/v1", "/health"].contains(&rest) || rest.starts_with("/v1/");
        assert!(is_known, "{place}: {rest} is nothing that turnmux has");
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    for name in text.split(|c| !is_name(c)).filter(|name| name.starts_with("claude-")) {
        // npm's name of claude's own package.
        assert!(MODELS.contains(&name) || text.contains(&format!("@anthropic-ai/{name}")), "{place}: no model {name}");
    }
}

/// Which of the Python environments a program needs: `LangChain` and `LlamaIndex` have an `openai` of their own.
fn python(program: &str) -> &'static str {
    if program.contains("langchain") || program.contains("llama_index") { "frameworks" } else { "python" }
}

/// Where scripts/fetch-sdks puts something. A test that needs it must not pass without it.
fn sdk(name: &str) -> PathBuf {
    let home = root().join(".cache/sdk").join(name);
    let there = home.join(if name == "frameworks" { "version" } else { "openai-version" });
    assert!(there.exists(), "{} is not there: run scripts/test, or scripts/fetch-sdks", there.display());
    home
}
