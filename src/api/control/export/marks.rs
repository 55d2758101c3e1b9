//! Text of others inside Markdown. It may be anything, and must neither end what it stands in nor begin something of its
//! own: what people and models said stands in quotes, which nothing in them can leave; what tools said between fences that
//! are longer than any in it; names in code spans.

use std::time::SystemTime;

/// The fewest backticks that a fence has.
const FENCE_MIN: usize = 3;

/// A paragraph of our own.
pub(super) fn paragraph(out: &mut String, text: &str) {
    out.push_str(text);
    out.push_str("\n\n");
}

/// A text that is Markdown itself.
pub(super) fn quote(out: &mut String, text: &str) {
    for line in lines(text) {
        out.push_str(if line.is_empty() { ">" } else { "> " });
        out.push_str(line);
        out.push('\n');
    }
    out.push('\n');
}

/// A text that is shown as it is.
pub(super) fn fence(out: &mut String, language: &str, text: &str) {
    let fence = "`".repeat(FENCE_MIN.max(longest_run(text) + 1));
    out.push_str(&fence);
    out.push_str(language);
    out.push('\n');
    for line in lines(text) {
        out.push_str(line);
        out.push('\n');
    }
    paragraph(out, &fence);
}

/// A name or a path in a line.
pub(super) fn code(text: &str) -> String {
    let fence = "`".repeat(longest_run(text) + 1);
    let text = one_line(text);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Begins what is folded, under a title.
pub(super) fn open_details(out: &mut String, title: &str) {
    let title = one_line(title).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    out.push_str("<details>\n<summary>");
    out.push_str(&title);
    paragraph(out, "</summary>");
}

/// Ends what is folded.
pub(super) fn close_details(out: &mut String) {
    paragraph(out, "</details>");
}

/// A moment, to the second.
pub(super) fn time(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string().replace('T', " ").replace('Z', " UTC")
}

/// A text's lines; Markdown knows three kinds of ends.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_a_quote_or_a_fence() {
        let mut out = String::new();
        quote(&mut out, "a\n\n```\r\n# b\rc");
        assert_eq!(out, "> a\n>\n> ```\n> # b\n> c\n\n");
        out.clear();
        fence(&mut out, "json", "````\nx\n```\n");
        assert_eq!(out, "`````json\n````\nx\n```\n`````\n\n");
        out.clear();
        fence(&mut out, "", "");
        assert_eq!(out, "```\n\n```\n\n");
        out.clear();
        open_details(&mut out, "</summary>\n\n& more");
        assert_eq!(out, "<details>\n<summary>&lt;/summary&gt;  &amp; more</summary>\n\n");
    }

    #[test]
    fn a_name_stays_in_its_line() {
        assert_eq!(code("a b"), "`a b`");
        assert_eq!(code("`a``\nb"), "``` `a`` b ```");
        assert_eq!(code(""), "``");
        assert_eq!(time(SystemTime::UNIX_EPOCH), "1970-01-01 00:00:00 UTC");
    }
}
