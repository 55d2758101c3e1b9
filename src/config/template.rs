//! A `turnmux.toml` to begin with: every key, commented out, with what `schema.rs` says of it.
//!
//! It is made from the text of that file, so a key cannot be missing here, and the tests hold the defaults that the docs
//! name against those that there are.

use std::fmt::Write as _;

/// Where the keys stand with their docs.
const SCHEMA: &str = include_str!("schema.rs");

/// The structs that begin and that stand for a type of another module.
const ROOT: &str = "Schema";
const STANDS_FOR: (&str, &str) = ("Limits", "LimitKeys");

/// Ids for tables that may have any: a backend that is built in, and somebody's agent.
const IDS: [(&str, &str); 2] = [("backends", "claude-code"), ("agents", "ops")];

/// Behind a value that is not the default, for that cannot be written down.
pub(super) const EXAMPLE_MARK: &str = "  # for example";

/// Longest line of a comment, in characters.
const WIDTH: usize = 110;

const HEAD: &str = "\
What turnmux can be told: every key with its default. As it stands, this file says nothing; to say something, take the
`#` in front of a key away and change its value.

turnmux takes the first of: --config FILE, $TURNMUX_CONFIG, ./turnmux.toml, ~/.config/turnmux/turnmux.toml. The environment
beats the file (TURNMUX_SERVER__HEARTBEAT=5s is heartbeat under [server]), and flags beat both. What has no key here is
refused. `turnmux doctor` says what comes of it.";

/// The text of the file.
pub fn template() -> String {
    let mut text = String::new();
    comment(&mut text, HEAD);
    let (plain, tables): (Vec<Field>, Vec<Field>) = fields(ROOT).into_iter().partition(|field| table(field).is_none());
    for field in plain {
        key(&mut text, &field);
    }
    for field in tables {
        text.push('\n');
        // The name stands in the header below.
        comment(&mut text, &capitalised(field.docs.split_once("`: ").map_or(&*field.docs, |(_, what)| what)));
        match table(&field) {
            Some(Table::Keys(of)) => {
                let id = IDS.iter().find(|(name, _)| *name == field.name).map(|(_, id)| id);
                // A table of somebody's is there when its header is.
                let header = id.map_or_else(|| format!("[{}]", field.name), |id| format!("#[{}.{id}]", field.name));
                let _ = writeln!(text, "{header}");
                for field in fields(of) {
                    key(&mut text, &field);
                }
            }
            Some(Table::Free) | None => {
                let _ = writeln!(text, "[{}]", field.name);
                if let Some(example) = quoted_after(&field.docs, "Example: ") {
                    let _ = writeln!(text, "#{example}{EXAMPLE_MARK}");
                }
            }
        }
    }
    text
}

/// A key as it is declared.
struct Field {
    name: &'static str,
    kind: &'static str,
    docs: String,
    /// Whether it is a size, which may have a unit.
    is_size: bool,
}

/// What a table's keys are.
enum Table {
    /// The fields of this struct.
    Keys(&'static str),
    /// Whatever their author likes.
    Free,
}

/// The fields of a struct, in their order.
fn fields(of: &str) -> Vec<Field> {
    let of = if of == STANDS_FOR.0 { STANDS_FOR.1 } else { of };
    let head = format!("struct {of} {{\n");
    let body = SCHEMA.split_once(&head).and_then(|(_, rest)| rest.split_once("\n}\n")).map_or("", |(body, _)| body);
    let (mut found, mut docs, mut is_size) = (Vec::new(), String::new(), false);
    for line in body.lines().map(str::trim) {
        if let Some(doc) = line.strip_prefix("///") {
            docs.push_str(doc);
        } else if line.starts_with("#[") {
            is_size |= line.contains("\"size\"");
        } else if let Some((name, kind)) = line.trim_end_matches(',').split_once(": ") {
            let name = name.trim_start_matches("pub(super) ");
            found.push(Field { name, kind, docs: std::mem::take(&mut docs).trim().to_owned(), is_size });
            is_size = false;
        }
    }
    found
}

fn table(field: &Field) -> Option<Table> {
    match field.kind {
        "BTreeMap<String, String>" if !field.docs.starts_with("`[") => None,
        "BTreeMap<String, String>" => Some(Table::Free),
        kind => {
            let of = kind.strip_prefix("BTreeMap<String, ").map_or(kind, |rest| rest.trim_end_matches('>'));
            (!fields(of).is_empty()).then_some(Table::Keys(of))
        }
    }
}

/// A key with its docs, as a comment.
fn key(text: &mut String, field: &Field) {
    text.push('\n');
    let docs = field.docs.split(" Example: ").next().unwrap_or_default();
    comment(text, docs);
    let (value, mark) = value(field);
    let _ = writeln!(text, "#{} = {value}{mark}", field.name);
}

/// The value to be shown, and what stands behind it: the default, or an example where the docs have one.
fn value(field: &Field) -> (String, &'static str) {
    if let Some(example) = quoted_after(&field.docs, "Example: ") {
        return (toml(field, example), EXAMPLE_MARK);
    }
    match quoted_after(&field.docs, "Default: ") {
        Some(default) => (toml(field, default), ""),
        None if field.kind.contains("Vec<") => ("[]".to_owned(), ""),
        None if field.kind.contains("BTreeMap<") => ("{}".to_owned(), ""),
        None => ("\"\"".to_owned(), ""),
    }
}

/// The text in backticks that comes right behind a word.
fn quoted_after<'a>(docs: &'a str, word: &str) -> Option<&'a str> {
    let (_, rest) = docs.split_once(word)?;
    rest.strip_prefix('`')?.split_once('`').map(|(quoted, _)| quoted)
}

/// As TOML writes it: numbers, booleans and lists bare, all else in quotes.
fn toml(field: &Field, value: &str) -> String {
    let is_bare = match field.kind {
        "bool" => true,
        "usize" | "Option<usize>" => !field.is_size,
        _ => value.starts_with('['),
    };
    if is_bare { value.to_owned() } else { format!("\"{value}\"") }
}

/// Text as comment lines; an empty line stays one.
fn comment(text: &mut String, what: &str) {
    for paragraph in what.split("\n\n") {
        if !text.is_empty() && !text.ends_with("\n\n") && what.contains("\n\n") {
            text.push_str("#\n");
        }
        let mut line = String::from("#");
        for word in paragraph.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > WIDTH {
                let _ = writeln!(text, "{line}");
                line.truncate(1);
            }
            line.push(' ');
            line.push_str(word);
        }
        let _ = writeln!(text, "{line}");
    }
}

fn capitalised(text: &str) -> String {
    let text = text.split(" Default: ").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
