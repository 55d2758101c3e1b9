//! What claude's terminal shows, as lines of text. claude paints with movements of the cursor, so that its bytes mean nothing
//! without a terminal that carries them out. Pure: bytes in, lines out.

use std::num::NonZeroU16;

use super::dialog::{self, Dialog};

/// Most rows and columns, so that a screen has a bound: many times what the largest real terminal has.
const SIDE_MAX: u16 = 1_000;

/// Longest text that is quoted, in bytes.
const TEXT_BYTES_MAX: usize = 4 << 10;

/// What is to be in claude's environment, so that it takes the terminal for one that can hold back a frame while it is
/// painted, as this one does: between frames claude's screen is whole. (There are other names that have this effect, and
/// change the keyboard, too.)
pub(super) const ENVIRONMENT: [(&str, &str); 2] = [("TERM", "xterm-256color"), ("VTE_VERSION", "7600")];

/// The private mode that is set while a frame is painted.
const FRAME_MODE: &[u16] = &[2026];

/// A terminal's screen. It keeps nothing of what scrolled away.
pub(super) struct Screen {
    terminal: vt100::Parser<Frame>,
}

/// Whether a frame is being painted.
#[derive(Debug, Default)]
struct Frame {
    is_open: bool,
}

impl Screen {
    /// An empty screen of so many rows and columns, of each at least 1 and at most 1,000.
    pub(super) fn new(rows: u16, cols: u16) -> Self {
        Self { terminal: vt100::Parser::new_with_callbacks(side(rows), side(cols), 0, Frame::default()) }
    }

    /// Takes what claude printed, cut anywhere.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.terminal.process(bytes);
    }

    /// Takes another size, as [`Screen::new`] does. claude paints anew when it is told of it.
    pub(super) fn resize(&mut self, rows: u16, cols: u16) {
        self.terminal.set_size(side(rows), side(cols));
    }

    /// All rows from the top, without the blanks at their ends.
    pub(super) fn lines(&self) -> Vec<String> {
        let (_, cols) = self.terminal.screen().size();
        self.terminal.screen().rows(0, cols.get()).map(|row| row.trim_end().to_owned()).collect()
    }

    /// The whole picture, to be shown elsewhere.
    pub(super) fn picture(&self) -> vt100::Screen {
        self.terminal.screen().clone()
    }

    /// Whether claude's prompt box is there.
    pub(super) fn takes_input(&self) -> bool {
        dialog::takes_input(&self.lines())
    }

    /// What stands on the screen, to be quoted in an error: without margins, frames and pictures, the last 4 KiB of it. It may
    /// hold secrets, which the caller takes out.
    pub(super) fn text(&self) -> String {
        let lines = self.lines();
        let lines: Vec<&str> = lines.iter().map(|line| words(line)).filter(|line| !line.is_empty()).collect();
        let text = lines.join("\n");
        let start = text.ceil_char_boundary(text.len().saturating_sub(TEXT_BYTES_MAX));
        text.get(start..).unwrap_or_default().to_owned()
    }

    /// The dialog that is open; none while claude takes input, or nothing can be told yet, or a frame is being painted.
    pub(super) fn dialog(&self) -> Option<Dialog> {
        self.is_whole().then(|| dialog::seen(&self.lines())).flatten()
    }

    /// Whether no frame is being painted. Within one, old and new lines stand side by side.
    pub(super) fn is_whole(&self) -> bool {
        !self.terminal.callbacks().is_open
    }
}

impl vt100::Callbacks for Frame {
    fn unhandled_csi(
        &mut self,
        _: &mut vt100::Screen,
        first: Option<u8>,
        _: Option<u8>,
        parameters: &[&[u16]],
        last: char,
    ) {
        if first == Some(b'?') && parameters.contains(&FRAME_MODE) {
            match last {
                'h' => self.is_open = true,
                'l' => self.is_open = false,
                _ => {}
            }
        }
    }
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What stands on it is a conversation.
        f.debug_struct("Screen").field("size", &self.terminal.screen().size()).finish_non_exhaustive()
    }
}

fn side(length: u16) -> NonZeroU16 {
    NonZeroU16::new(length.min(SIDE_MAX)).unwrap_or(NonZeroU16::MIN)
}

/// A line without its margins and frames; nothing when there is no letter or digit in it.
fn words(line: &str) -> &str {
    let frame = |c: char| c.is_whitespace() || matches!(c, '\u{2500}'..='\u{259f}');
    let line = line.trim_matches(frame);
    if line.chars().any(char::is_alphanumeric) { line } else { "" }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn screen(bytes: &[u8]) -> Screen {
        let mut screen = Screen::new(50, 160);
        screen.feed(bytes);
        screen
    }

    #[test]
    fn movements_of_the_cursor_are_carried_out() {
        let screen = screen(b"one\x1b[3Ctwo\r\n\r\n  three\x1b[2;1Hbetween\x1b[1;1Hg");
        assert_eq!(screen.lines()[..3], ["gne   two", "between", "  three"]);
    }

    #[test]
    fn the_text_has_no_frames_and_no_pictures() {
        let screen = screen("──────\r\n  │ Not here: │\r\n ▐▛███▜▌ \r\n...\r\n\r\n  ❯ 1. Yes".as_bytes());
        assert_eq!(screen.text(), "Not here:\n❯ 1. Yes");
    }

    #[test]
    fn the_text_is_bounded_and_its_end_counts() {
        let mut screen = Screen::new(100, 200);
        screen.feed("é".repeat(100 * 200).as_bytes());
        screen.feed(b"\r\nthe reason");
        let text = screen.text();
        assert!(text.len() <= TEXT_BYTES_MAX && text.len() > TEXT_BYTES_MAX - 8, "{}", text.len());
        assert!(text.ends_with("the reason"));
    }

    #[test]
    fn a_frame_is_not_looked_at_before_it_is_whole() {
        let rule = "─".repeat(160);
        let dialog = format!("{rule}\r\n Rewind\r\n\r\n Esc to cancel");
        let mut screen = screen(format!("\x1b[?25l\x1b[?2026h{dialog}").as_bytes());
        assert_eq!((screen.is_whole(), screen.dialog()), (false, None));
        screen.feed(b"\x1b[?2026");
        assert!(!screen.is_whole());
        screen.feed(b"l");
        assert_eq!((screen.is_whole(), screen.dialog()), (true, Some(Dialog::Rewind)));
    }

    #[test]
    fn what_scrolled_away_is_not_kept() {
        let mut screen = Screen::new(2, 20);
        for number in 0..10_000 {
            screen.feed(format!("\r\nline {number}").as_bytes());
        }
        assert_eq!(screen.lines(), ["line 9998", "line 9999"]);
        assert_eq!(screen.terminal.screen().scrollback_len(), 0);
    }

    /// Bytes as they may come: anything, or sequences that move, erase, scroll and set modes.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let any = proptest::collection::vec(any::<u8>(), 0..64);
        let csi = "\x1b\\[[?>]?[0-9;]{0,8}[@A-HJ-MPSTXa-hl-nr-u]".prop_map(String::into_bytes);
        let other = "(\x1b[\\]PX^_78cDEHM=>]|[\u{4e00}\u{300}\u{200d}\u{1f600}a ]{1,9}|[\r\n\t\x08])"
            .prop_map(String::into_bytes);
        proptest::collection::vec(prop_oneof![any, csi, other], 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_at_any_size(
            steps in proptest::collection::vec((bytes(), 0u16..40, 0u16..40), 1..6),
        ) {
            let mut screen = Screen::new(1, 1);
            for (bytes, rows, cols) in steps {
                screen.resize(rows, cols);
                screen.feed(&bytes);
                let lines = screen.lines();
                prop_assert_eq!(lines.len(), usize::from(rows.max(1)));
                let _ = (screen.text(), screen.dialog(), dialog::keys_to_choose(&lines, "Yes"));
            }
        }
    }
}
