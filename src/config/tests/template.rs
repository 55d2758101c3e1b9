//! The file that `turnmux init` writes: it says nothing as it stands, and the truth when its comments are taken away.

use super::World;
use crate::config::Config;
use crate::config::template::{EXAMPLE_MARK, template};

/// The template with the `#` in front of every key and header taken away, where `which` says yes to the line.
fn uncommented(which: impl Fn(&str) -> bool) -> String {
    let is_key = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line != "#";
    let text = template();
    let lines = text.lines().map(|line| if is_key(line) && which(line) { &line[1..] } else { line });
    lines.fold(String::new(), |text, line| text + line + "\n")
}

fn load(text: &str) -> Config {
    let config = World::with_file(text).try_load();
    Config { file: None, ..config.unwrap_or_else(|error| panic!("{error}\n{text}")) }
}

/// What the two are without the paths, which have a scratch folder in them.
fn same(one: &Config, other: &Config) {
    let pruned = |config: &Config| {
        let mut config = config.clone();
        (config.store.path, config.state) = (None, None);
        config.server.workspace_roots.clear();
        format!("{config:?}")
    };
    assert_eq!(pruned(one), pruned(other));
    assert_eq!(one.backends, other.backends);
}

#[test]
fn as_it_stands_it_says_nothing() {
    same(&load(&template()), &load(""));
}

#[test]
fn the_defaults_that_it_names_are_those_that_there_are() {
    // An agent is there as soon as its table is.
    let text = uncommented(|line| !line.ends_with(EXAMPLE_MARK) && !line.starts_with("#[agents."));
    assert!(text.contains("\nheartbeat = \"15s\"") && text.contains("\n[backends.claude-code]\n"), "{text}");
    same(&load(&text), &load(""));
}

#[test]
fn its_examples_can_be_used() {
    let text = uncommented(|line| !line.starts_with("#key_file"));
    let config = load(&text);
    assert_eq!(config.sessions.max_live, 8);
    assert_eq!(config.aliases["gpt-4o"].as_str(), "claude-code");
    assert_eq!(config.agents["ops"].backend.as_ref().unwrap().as_str(), "claude-code-opus");
    assert!(config.store.path.unwrap().ends_with("turnmux.db"));
}

/// Every field of the schema, as the compiler's own list of a table's keys has it, stands there once with a comment above.
#[test]
fn every_key_stands_there_with_what_it_means() {
    let text = template();
    let schema = include_str!("../schema.rs");
    let fields = schema
        .lines()
        .filter(|line| line.starts_with("    pub(super) ") || line.ends_with("usize,") || line.ends_with("Duration,"));
    let names =
        fields.filter_map(|line| line.trim().trim_start_matches("pub(super) ").split_once(": ")).map(|(name, _)| name);
    let mut count = 0;
    for name in names {
        count += 1;
        let there = text.contains(&format!("#{name} = ")) || text.contains(&format!("[{name}"));
        assert!(there, "{name} is missing:\n{text}");
    }
    assert!(count > 50, "only {count} keys found");
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let is_key =
            line.starts_with('#') && !line.starts_with("# ") && line.contains(" = ") && !line.starts_with("#\"");
        assert!(!is_key || lines[at - 1].starts_with("# "), "nothing says what {line} is");
        assert!(line.chars().count() <= 140 && !line.contains(".rs`"), "{line}");
    }
}
