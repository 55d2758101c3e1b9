//! A machine of the test's own: a home, a folder of programs in front of the system's, and turnmux run in it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::harness::within;

/// Its programs are in `bin`, its user's files in `home`, and `work` is where turnmux is started.
pub(super) struct Machine {
    scratch: TempDir,
    env: Vec<(String, String)>,
}

/// What a verb came to.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl Machine {
    /// With nothing on it.
    pub(super) fn new() -> Self {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        for folder in ["home", "bin", "work"] {
            std::fs::create_dir(scratch.path().join(folder)).expect("a folder");
        }
        Self { scratch, env: Vec::new() }
    }

    /// With a claude that says this of its release and of its sign-in.
    pub(super) fn with_claude(self, release: &str, sign_in: &str) -> Self {
        let answers = format!("case \"$1\" in --version) echo '{release}';; auth) echo '{sign_in}';; esac");
        self.program("claude", &answers)
    }

    /// With a claude that is as it should be.
    pub(super) fn with_good_claude(self) -> Self {
        self.with_claude("2.1.329 (Claude Code)", r#"{"loggedIn": true, "authMethod": "api_key"}"#)
    }

    /// With a program that is this script.
    pub(super) fn program(self, name: &str, script: &str) -> Self {
        let path = self.path("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
        self
    }

    /// With a program that is a link to another.
    pub(super) fn link(self, name: &str, to: &Path) -> Self {
        std::os::unix::fs::symlink(to, self.path("bin").join(name)).expect("a link");
        self
    }

    /// With this file, readable by its owner alone.
    pub(super) fn file(self, path: &str, text: &str) -> Self {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
        self
    }

    /// With this configuration of the user's.
    pub(super) fn config(self, toml: &str) -> Self {
        self.file("home/.config/turnmux/turnmux.toml", toml)
    }

    /// With a variable.
    pub(super) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A path in it.
    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.scratch.path().canonicalize().expect("the scratch folder is there").join(below)
    }

    /// What a file says; panics where there is none.
    pub(super) fn read(&self, below: &str) -> String {
        std::fs::read_to_string(self.path(below)).unwrap_or_else(|error| panic!("{below}: {error}"))
    }

    /// All files of the user, sorted.
    pub(super) fn files(&self) -> Vec<String> {
        let (mut found, mut folders) = (Vec::new(), vec![self.path("home")]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else {
                    found.push(entry.strip_prefix(self.path("home")).expect("below").display().to_string());
                }
            }
        }
        found.sort();
        found
    }

    /// Runs a verb to its end.
    pub(super) async fn turnmux(&self, args: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_turnmux"));
        command
            .args(args)
            .env_clear()
            .env("HOME", self.path("home"))
            .env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(self.path("work"))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = within(&format!("turnmux {args:?}"), command.output()).await.expect("turnmux starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Said {
    /// What it said on stdout, having done what it was asked to.
    pub(super) fn done(self) -> String {
        assert_eq!((self.code, &*self.err), (Some(0), ""), "{}", self.out);
        self.out
    }

    /// The same as JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// What it complained of, having failed with this code.
    pub(super) fn failed(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        &self.err
    }
}
