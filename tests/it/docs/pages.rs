//! The pages, one test each.

use std::sync::Arc;

use futures_util::future::join_all;

use super::block::{blocks, root};
use super::quoted::{check_quote, source};
use super::run::{Reader, check_names};
use crate::harness::Daemon;

/// Pages whose blocks are run here, and those that have tests of their own.
const PAGES: [&str; 4] = ["clients.md", "exposing.md", "openclaw.md", "troubleshooting.md"];

#[test]
fn every_page_is_known_here() {
    for entry in std::fs::read_dir(root().join("docs")).expect("the folder is there") {
        let name = entry.expect("an entry").file_name();
        assert!(PAGES.iter().any(|page| name == **page), "{} is run by no test", name.display());
    }
}

#[test]
fn links_lead_somewhere() {
    for page in ["README.md", "docs/clients.md", "docs/exposing.md", "docs/troubleshooting.md"] {
        let path = root().join(page);
        let text = std::fs::read_to_string(&path).expect("the page is there");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            let there = std::fs::read_to_string(&target).unwrap_or_else(|error| panic!("{page}: {link}: {error}"));
            let mut headings = there.lines().filter(|line| line.starts_with('#')).map(anchor_of);
            assert!(anchor.is_empty() || headings.any(|heading| heading == anchor), "{page}: nothing is at {link}");
        }
    }
}

#[tokio::test]
async fn the_readmes_quick_start_runs() {
    let daemon = Daemon::stand_in().start().await;
    let reader = Reader::of(&daemon);
    for block in blocks("README.md", Some("## Use it")) {
        reader.read(&block).await;
    }
}

#[tokio::test]
async fn what_the_page_on_clients_says_runs() {
    let daemon = Daemon::stand_in().start().await;
    let reader = Reader::of(&daemon);
    // Each client has a section; they are tried side by side, for most of the time goes into their imports.
    let blocks = blocks("docs/clients.md", None);
    let sections = blocks.chunk_by(|one, next| one.section == next.section);
    let reader = &reader;
    join_all(sections.map(|blocks| async move {
        for block in blocks {
            reader.read(block).await;
        }
    }))
    .await;
}

#[tokio::test]
async fn what_the_page_on_exposing_says_runs() {
    let scratch = Arc::new(tempfile::tempdir().expect("a folder"));
    // First the keys, then the configuration that names them, then a daemon with it.
    let mut reader = Reader::before(scratch.path().join("home"));
    let mut daemon = None;
    for block in blocks("docs/exposing.md", None) {
        if block.language == "toml" {
            let started = Daemon::stand_in().scratch(scratch.clone()).config(&block.text).start().await;
            reader = Reader::of(&started);
            assert!(daemon.replace(started).is_none(), "{}: one daemon is enough", block.place);
        } else {
            reader.read(&block).await;
        }
    }
    assert!(daemon.is_some(), "the page has a configuration");
}

#[tokio::test]
async fn what_the_page_on_troubles_says_runs_and_quotes_real_errors() {
    let daemon = Daemon::stand_in().start().await;
    let reader = Reader::of(&daemon);
    let source = source();
    for block in blocks("docs/troubleshooting.md", None) {
        if block.language == "text" {
            check_quote(&block.text, &source, &block.place);
        } else {
            reader.read(&block).await;
        }
    }
}

#[test]
#[should_panic(expected = "no model claude-codex")]
fn a_model_that_there_is_not_is_found() {
    check_names("--model openai/claude-codex", "a page");
}

#[test]
#[should_panic(expected = "turnmux says nothing like")]
fn a_quote_that_is_none_is_found() {
    check_quote("the turn was interrupted: by a cat", &source(), "a page");
}

/// The anchor that a heading gets where pages are shown.
fn anchor_of(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    text.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
}
