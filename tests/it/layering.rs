//! Which layer may name which: reads every path in src/ and fails on an upward one, with the file and the path.
//!
//! Tests inside src/ are left out (a session's tests may bring a driver of their own), and so are `lib.rs`, `main.rs` and
//! `app.rs`, which put everything together.

mod paths;

use std::path::{Path, PathBuf};

use paths::{Tokens, expand};

/// Longest source file, in lines without its tests. One that grows past it has two roles.
const LINES_MAX: usize = 600;

/// What a layer may name of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum May {
    /// Everything that is visible.
    All,
    /// What stands in its `mod.rs`, and what is in these of its modules.
    Items(&'static [&'static str]),
}
use May::{All, Items};

/// Who may name whom, in the order in which a request travels.
const LAYERS: [(&str, &[(&str, May)]); 13] = [
    ("cli", &[("protocol", All), ("wire", All), ("config", All), ("process", Items(&[]))]),
    ("config", &[("protocol", All)]),
    ("api", &[("protocol", All), ("wire", All), ("dispatch", Items(&[]))]),
    ("dispatch", &[("protocol", All), ("session", Items(&[])), ("store", Items(&[])), ("driver", Items(&["catalog"]))]),
    ("session", &[("protocol", All), ("driver", Items(&[])), ("store", Items(&[])), ("broken", All)]),
    ("driver", &[("protocol", All), ("wire", All), ("process", Items(&[])), ("channel", Items(&["plugin"]))]),
    ("channel", &[("protocol", All), ("wire", All)]),
    ("store", &[("protocol", All), ("broken", All)]),
    ("process", &[]),
    ("wire", &[]),
    ("protocol", &[]),
    ("telemetry", &[]),
    // Faults on purpose, in builds for one test.
    ("broken", &[]),
];

/// Files that put the layers together.
const ROOTS: [&str; 3] = ["lib.rs", "main.rs", "app.rs"];

/// A source file without its tests.
struct Source {
    /// From src/ on.
    name: String,
    text: String,
}

#[test]
fn no_layer_names_one_above_it() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some((layer, modules)) = modules_of(&source.name) else { continue };
        let allowed = LAYERS.iter().find(|(name, _)| *name == layer).map(|(_, allowed)| *allowed);
        let allowed = allowed.unwrap_or_else(|| panic!("src/{} is in no layer: add it to LAYERS", source.name));
        for path in expand(&Tokens::of(&source.text)) {
            let names: Vec<&str> = path.iter().map(String::as_str).collect();
            if !may(layer, modules, allowed, &names) {
                wrong.push(format!("src/{}: {}", source.name, names.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "these paths go upwards, or past a port:\n{}", wrong.join("\n"));
}

#[test]
fn only_process_touches_the_system() {
    let mut wrong = Vec::new();
    for source in sources().into_iter().filter(|source| !source.name.starts_with("process/")) {
        let tokens = Tokens::of(&source.text);
        if tokens.has("unsafe") {
            wrong.push(format!("src/{}: unsafe", source.name));
        }
        for path in expand(&tokens) {
            let names: Vec<&str> = path.iter().map(String::as_str).collect();
            if matches!(names[..], ["nix" | "libc", ..] | ["std" | "tokio", "process", "Command" | "Child", ..])
                || matches!(names[..], ["tokio", "process"])
            {
                wrong.push(format!("src/{}: {}", source.name, names.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "only src/process/ may have these:\n{}", wrong.join("\n"));
}

#[test]
fn no_file_is_too_long_to_be_read_in_one_sitting() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|source| (source.text.lines().count(), source.name))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .collect();
    assert!(long.is_empty(), "split these: {long:?}");
}

/// Every layer is a folder or file of src/, so that the table above does not rot.
#[test]
fn the_table_names_what_there_is() {
    let names: Vec<String> = sources().into_iter().map(|source| source.name).collect();
    for (layer, _) in LAYERS {
        let there = names.iter().any(|name| name.starts_with(&format!("{layer}/")) || *name == format!("{layer}.rs"));
        assert!(there, "src/{layer} is not there");
    }
}

/// The layer of a file, and how many modules lie between the crate's root and what the file holds.
fn modules_of(name: &str) -> Option<(&str, usize)> {
    if ROOTS.contains(&name) {
        return None;
    }
    let parts: Vec<&str> = name.trim_end_matches(".rs").split('/').collect();
    let modules = parts.len() - usize::from(parts.last() == Some(&"mod"));
    Some((parts.first()?, modules))
}

fn may(layer: &str, modules: usize, allowed: &[(&str, May)], path: &[&str]) -> bool {
    let named = match path {
        ["crate", rest @ ..] => rest,
        // `super` as often as there are modules is the crate's root, which has a name.
        ["super", ..] => return path.iter().take_while(|name| **name == "super").count() < modules,
        _ => return true,
    };
    match named {
        [own, ..] if *own == layer => true,
        [other, rest @ ..] => match allowed.iter().find(|(name, _)| name == other) {
            None => false,
            Some((_, All)) => true,
            Some((_, Items(open))) => match rest {
                [first, _, ..] if first.starts_with(char::is_lowercase) => open.contains(first),
                [first] if first.starts_with(char::is_lowercase) => open.contains(first) || is_function(other, first),
                [] => false,
                _ => true,
            },
        },
        [] => false,
    }
}

/// Whether a name in lower case is a function, and no module, of a layer.
fn is_function(layer: &str, name: &str) -> bool {
    let folder = root().join(layer);
    !folder.join(name).exists() && !folder.join(format!("{name}.rs")).exists()
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("src/ can be read") {
            let path = entry.expect("an entry").path();
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if stem == "tests" || stem.starts_with("tests_") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(read(&path));
            }
        }
    }
    assert!(found.len() > 50, "only {} files found: this test looks in the wrong place", found.len());
    found
}

fn read(path: &Path) -> Source {
    let name = path.strip_prefix(root()).expect("below src/").display().to_string();
    let text = std::fs::read_to_string(path).expect("UTF-8");
    // Inline tests stand at a file's end.
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    Source { name, text: text[..end].to_owned() }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

#[test]
fn the_rules_can_be_broken() {
    let paths = |text: &str| expand(&Tokens::of(text));
    let allowed = |layer: &str, modules, text: &str| {
        let (_, allowed) = LAYERS.iter().find(|(name, _)| *name == layer).expect("a layer");
        paths(text).iter().all(|path| {
            let names: Vec<&str> = path.iter().map(String::as_str).collect();
            may(layer, modules, allowed, &names)
        })
    };
    assert!(allowed("session", 2, "use crate::driver::{Attachment, Command}; let x = crate::protocol::TurnId;"));
    assert!(!allowed("session", 2, "use crate::driver::{Attachment, catalog::Catalog};"));
    assert!(!allowed("session", 2, "use crate::{protocol::TurnId, driver::claude_stream};"));
    assert!(!allowed("wire", 2, "fn f() -> crate::protocol::TurnId { todo!() }"));
    assert!(!allowed("api", 2, "use crate::session::EventReader;"));
    assert!(!allowed("api", 2, "use super::super::session::EventReader;"), "around the name of the crate");
    assert!(allowed("api", 3, "use super::super::respond::ApiError;"));
    assert!(allowed("wire", 2, "/* crate::api */ // crate::api\nconst X: &str = \"crate::api::Y\";"));
}
