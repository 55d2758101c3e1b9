//! The agent's screen, drawn on this terminal, whatever the size of either: what does not fit is left out. The last line is not
//! the agent's, but says where one is and how to leave.

use std::fmt::Write as _;
use std::num::NonZeroU16;

use crate::cli::terminal::one_line;
use crate::protocol::ScreenSize;

/// What is set up on this terminal: a screen of its own, so that the shell's is as it was afterwards, on which no line wraps.
pub(super) const ENTER: &str = "\x1b[?1049h\x1b[?7l\x1b[m\x1b[2J";

/// What is taken back, whatever the agent's screen has set: a frame, paste marks, mouse, keypad, arrows, cursor, colours.
pub(super) const LEAVE: &str = "\x1b[?2026l\x1b[?7h\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b>\x1b[?1l\x1b[0 q\x1b[?25h\x1b[m\x1b[?1049l";

/// The two screens.
pub(super) struct Screen {
    agent: vt100::Parser<()>,
    /// What is drawn, row by row, and the screen that it was drawn from; none when this terminal is to be drawn anew.
    drawn: Option<(Vec<String>, vt100::Screen)>,
    size: ScreenSize,
    status: String,
    /// Modes that change what keys send are for whoever types.
    types: bool,
}

impl Screen {
    /// On a terminal of this size. `status` is the last line's text.
    pub(super) fn new(size: ScreenSize, status: String, types: bool) -> Self {
        let agent = parser(inner(size));
        Self { agent, drawn: None, size, status, types }
    }

    /// This terminal has another size. Gives what is left of it for the agent.
    pub(super) fn resized(&mut self, size: ScreenSize) -> ScreenSize {
        self.size = size;
        self.drawn = None;
        inner(size)
    }

    /// The agent's screen has another size; all of it follows.
    pub(super) fn agent_resized(&mut self, size: ScreenSize) {
        self.agent = parser(size);
        self.drawn = None;
    }

    /// The agent's screen changes so.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.agent.process(bytes);
    }

    /// What draws that on this terminal.
    pub(super) fn draw(&mut self) -> String {
        let screen = self.agent.screen();
        let inner = inner(self.size);
        let mut out = String::from("\x1b[?2026h\x1b[?25l");
        let before = self.drawn.take();
        if before.is_none() {
            let status = one_line(&self.status, inner.cols().saturating_sub(3).into());
            // Into memory, which cannot fail; here and below.
            let _ = write!(out, "\x1b[m\x1b[2J\x1b[{};1H\x1b[7m {status} \x1b[m", self.size.rows());
        }
        let rows: Vec<String> =
            screen.rows_formatted(0, inner.cols().min(screen.size().1.get())).take(inner.rows().into()).collect();
        for (at, row) in rows.iter().enumerate() {
            if before.as_ref().and_then(|(before, _)| before.get(at)) != Some(row) {
                let _ = write!(out, "\x1b[m\x1b[{};1H\x1b[2K{row}", at + 1);
            }
        }
        if self.types {
            match &before {
                Some((_, before)) => out.push_str(&screen.input_mode_diff(before)),
                None => out.push_str(&screen.input_mode_formatted()),
            }
        }
        let (row, col) = screen.cursor_position();
        if !screen.hide_cursor() && row < inner.rows() && col < inner.cols() {
            let _ = write!(out, "\x1b[{};{}H\x1b[?25h", row + 1, col + 1);
        }
        out.push_str("\x1b[?2026l");
        self.drawn = Some((rows, screen.clone()));
        out
    }
}

/// What a terminal of this size has for the agent.
pub(super) fn inner(size: ScreenSize) -> ScreenSize {
    ScreenSize::new(size.rows().saturating_sub(1), size.cols())
}

fn parser(size: ScreenSize) -> vt100::Parser<()> {
    let side = |side: u16| NonZeroU16::new(side).unwrap_or(NonZeroU16::MIN);
    vt100::Parser::new(side(size.rows()), side(size.cols()), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal, and what is drawn on it.
    struct Desk {
        screen: Screen,
        terminal: vt100::Parser<()>,
    }

    impl Desk {
        fn new(rows: u16, cols: u16) -> Self {
            let size = ScreenSize::new(rows, cols);
            let mut terminal = parser(size);
            terminal.process(ENTER.as_bytes());
            Self { screen: Screen::new(size, "main::a · Ctrl-\\ twice detaches".into(), true), terminal }
        }

        fn shows(&mut self, bytes: &[u8]) -> Vec<String> {
            self.screen.take(bytes);
            let drawn = self.screen.draw();
            self.terminal.process(drawn.as_bytes());
            let (_, cols) = self.terminal.screen().size();
            self.terminal.screen().rows(0, cols.get()).map(|row| row.trim_end().to_owned()).collect()
        }
    }

    #[test]
    fn the_last_line_says_how_to_leave_and_the_others_are_the_agents() {
        let mut desk = Desk::new(4, 40);
        assert_eq!(desk.shows(b"one\r\ntwo"), ["one", "two", "", " main::a \u{b7} Ctrl-\\ twice detaches"]);
        assert_eq!(
            desk.shows(b"\x1b[1;1HONE\x1b[2;1H\x1b[K"),
            ["ONE", "", "", " main::a \u{b7} Ctrl-\\ twice detaches"]
        );
        assert_eq!(desk.terminal.screen().cursor_position(), (1, 0));
    }

    #[test]
    fn a_screen_of_another_size_is_cut_and_never_wraps() {
        let mut desk = Desk::new(3, 10);
        desk.screen.agent_resized(ScreenSize::new(4, 20));
        let shown = desk.shows(b"0123456789abcdefghijwrapped\r\nthree\r\nfour\x1b[4;15H");
        assert_eq!(shown, ["0123456789", "wrapped", " main::a…"]);
        desk.screen.agent_resized(ScreenSize::new(1, 5));
        assert_eq!(desk.shows(b"fiver"), ["fiver", "", " main::a…"]);
    }

    #[test]
    fn modes_of_the_keyboard_are_for_whoever_types() {
        let (mut types, mut watches) = (Desk::new(4, 40), Desk::new(4, 40));
        watches.screen.types = false;
        for desk in [&mut types, &mut watches] {
            desk.shows(b"\x1b[?2004h\x1b[?1h");
        }
        assert!(types.terminal.screen().bracketed_paste() && types.terminal.screen().application_cursor());
        assert!(!watches.terminal.screen().bracketed_paste() && !watches.terminal.screen().application_cursor());
        types.terminal.process(LEAVE.as_bytes());
        let screen = types.terminal.screen();
        assert!(!screen.bracketed_paste() && !screen.application_cursor() && !screen.hide_cursor());
    }
}
