//! Text of others on somebody's terminal: it must not drive it.
//!
//! An agent, or a file that it read, may say escape sequences: those move the cursor over what stands there, change the title,
//! answer questions in the user's name. So whatever was not written here is shown with its control characters spelled out,
//! to a pipe as well, for that may end in a terminal, too.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::IsTerminal as _;

/// A text with everything spelled out that is no line end, tab or visible character: `\u{1b}[2J`.
pub fn plain(text: &str) -> Cow<'_, str> {
    spelled(text, |out, character| {
        // Into memory, which cannot fail.
        let _ = write!(out, "{}", character.escape_default());
    })
}

/// A text on one line, and no more than so many characters of it.
pub fn one_line(text: &str, max: usize) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut line = plain(&words).into_owned();
    if let Some((end, _)) = line.char_indices().nth(max) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// The same for JSON, which spells some of these out by itself, and not those above ASCII. It means what it meant.
pub(super) fn plain_json(json: &str) -> Cow<'_, str> {
    spelled(json, |out, character| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Outside of strings JSON has no such characters.
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

/// How a text may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// What matters less.
    Dim,
    /// What matters more.
    Bold,
    /// What went well.
    Good,
    /// What went wrong.
    Bad,
    /// What waits for somebody.
    Asks,
}

/// Whether styles are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint(bool);

impl Paint {
    /// For stdout: on a terminal, unless `NO_COLOR` says otherwise (no-color.org) or the terminal has no colours.
    pub fn of_stdout() -> Self {
        Self(std::io::stdout().is_terminal() && is_wanted())
    }

    /// For stderr, likewise.
    pub fn of_stderr() -> Self {
        Self(std::io::stderr().is_terminal() && is_wanted())
    }

    /// Shows none.
    pub const fn none() -> Self {
        Self(false)
    }

    /// Text of anybody's, made harmless ([`plain`]) and styled.
    pub fn text(self, style: Style, text: &str) -> String {
        let (on, off) = self.around(style);
        format!("{on}{}{off}", plain(text))
    }

    /// Adds text of anybody's, line by line, each made harmless and styled.
    pub fn lines(self, out: &mut String, style: Style, text: &str) {
        for line in text.lines() {
            out.push_str(&self.text(style, line));
            out.push('\n');
        }
    }

    /// What stands around a text of that style.
    pub fn around(self, style: Style) -> (&'static str, &'static str) {
        let on = match style {
            _ if !self.0 => return ("", ""),
            Style::Plain => return ("", ""),
            Style::Dim => "\x1b[2m",
            Style::Bold => "\x1b[1m",
            Style::Good => "\x1b[32m",
            Style::Bad => "\x1b[31m",
            Style::Asks => "\x1b[33m",
        };
        (on, "\x1b[0m")
    }
}

fn is_wanted() -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !no_color && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn spelled(text: &str, spell: impl Fn(&mut String, char)) -> Cow<'_, str> {
    let Some(first) = text.find(is_unsafe) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(&text[..first]);
    let mut rest = text[first..].chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            // The line end of other systems; alone, a carriage return writes over the line.
            '\r' if rest.peek() == Some(&'\n') => {}
            character if is_unsafe(character) => spell(&mut out, character),
            character => out.push(character),
        }
    }
    Cow::Owned(out)
}

/// Control characters of both kinds, and those that turn the direction of writing, by which a text can look like another one.
fn is_unsafe(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        character => character.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        assert_eq!(plain("a\tb\nü 漢 🦀"), "a\tb\nü 漢 🦀");
        assert_eq!(plain("\x1b]0;title\x07\x1b[2Jx"), "\\u{1b}]0;title\\u{7}\\u{1b}[2Jx");
        assert_eq!(plain("a\r\nb\rc"), "a\nb\\rc");
        assert_eq!(plain("\u{9b}31m \u{7f} \u{202e}txt.exe"), "\\u{9b}31m \\u{7f} \\u{202e}txt.exe");
        for character in (0..=0x10_ffff).filter_map(char::from_u32) {
            let text = character.to_string();
            let shown = plain(&text);
            assert!(shown.chars().all(|shown| shown == '\n' || shown == '\t' || !shown.is_control()), "{character:?}");
        }
    }

    #[test]
    fn json_means_what_it_meant() {
        let text = "\u{9b}31m\u{7f}\u{202e}\x1b ü";
        let json = serde_json::to_string(text).unwrap();
        let plain = plain_json(&json);
        assert!(plain.is_ascii() || plain.chars().all(|shown| !is_unsafe(shown)), "{plain}");
        assert_eq!(serde_json::from_str::<String>(&plain).unwrap(), text);
    }

    #[test]
    fn a_line_is_one_line() {
        assert_eq!(one_line("a\n  b\tc", 10), "a b c");
        assert_eq!(one_line("abcdef", 3), "abc…");
        assert_eq!(one_line("äöü", 3), "äöü");
    }

    #[test]
    fn styles_are_shown_or_not() {
        assert_eq!(Paint::none().text(Style::Bad, "x"), "x");
        assert_eq!(Paint(true).text(Style::Bad, "x\x1b"), "\x1b[31mx\\u{1b}\x1b[0m");
        assert_eq!(Paint(true).text(Style::Plain, "x"), "x");
    }
}
