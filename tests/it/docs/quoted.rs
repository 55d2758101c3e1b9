//! Error texts that a page quotes: each has to stand in the source, word by word, with `…` for what is put in.

use std::path::Path;

use super::block::root;

/// The source as it reads to people: strings in one piece, with `…` for each `{…}` in them.
pub(super) fn source() -> String {
    let mut source = String::new();
    collect(&root().join("src"), &mut source);
    assert!(source.contains("`…` is not a host of this server;"), "the source is not read as it should be");
    source
}

/// Panics unless the source says this.
pub(super) fn check_quote(quote: &str, source: &str, place: &str) {
    let quote = quote.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(source.contains(&quote), "{place}: turnmux says nothing like {quote:?}");
}

fn collect(folder: &Path, source: &mut String) {
    for entry in std::fs::read_dir(folder).expect("the source is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, source);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            source.push_str(&readable(&std::fs::read_to_string(&path).expect("UTF-8")));
        }
    }
}

fn readable(code: &str) -> String {
    let mut text = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(['{', '\\']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(next_line) = rest.strip_prefix("\\\n") {
            rest = next_line.trim_start();
        } else if let Some(quoted) = rest.strip_prefix("\\\"") {
            text.push('"');
            rest = quoted;
        } else if let Some(end) = placeholder(rest) {
            text.push('…');
            rest = &rest[end..];
        } else {
            text.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    text + rest
}

/// Where a placeholder of a format string ends that begins here.
fn placeholder(text: &str) -> Option<usize> {
    let end = text.find('}')?;
    let is_one = text[1..end].bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:?#.$<>".contains(&byte));
    is_one.then_some(end + 1)
}

#[test]
fn strings_are_read_as_they_are_said() {
    let code = "\"the {thing} of {0:?} {{}} \\\n         goes \\\"on\\\"\" if a { b }";
    assert_eq!(readable(code), "\"the … of … {…} goes \"on\"\" if a { b }");
}
