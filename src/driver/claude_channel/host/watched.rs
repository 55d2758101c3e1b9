//! Who is attached to the terminal: pictures for them, their keys, and the size that fits all of them.

use std::collections::VecDeque;

use bytes::Buf as _;

use super::Host;
use crate::driver::claude_channel::launch::SIZE;
use crate::driver::{Ask, Typed, Wish};
use crate::process::{Terminal, TerminalSize};
use crate::protocol::ScreenSize;

/// Ctrl-Z. claude would stop its own process, and here is no shell that lets it go on.
const SUSPEND: u8 = 0x1a;

impl Host<'_> {
    /// Does what a viewer asks.
    pub(super) fn asked(&mut self, ask: Ask) {
        match self.audience.take(ask) {
            Wish::Picture(reply) => drop(reply.send(self.start.screen().picture())),
            Wish::Type(mut typed) => {
                if typed.keys.contains(&SUSPEND) {
                    typed.keys = typed.keys.iter().copied().filter(|key| *key != SUSPEND).collect();
                }
                if !typed.keys.is_empty() {
                    self.exchange.keys(&typed.keys);
                    self.typing.push_back(typed);
                }
            }
            Wish::Nothing => {}
        }
    }

    /// The terminal took so much of what waits; none when it takes nothing any more.
    pub(super) fn typed(&mut self, typed: Option<usize>) {
        let Some(front) = self.typing.front_mut() else { return };
        match typed {
            Some(count) => front.keys.advance(count.min(front.keys.len())),
            // Its end shows when it is read.
            None => front.keys.clear(),
        }
        if front.keys.is_empty() {
            self.typing.pop_front();
        }
    }

    /// The screen may have changed.
    pub(super) fn show(&self) {
        if self.start.screen().is_whole() {
            self.audience.painted();
        }
    }

    /// Makes the terminal as large as the smallest of those that watch, or what it was at first when none says its size. Not
    /// before claude is ready: the dialogs of the start are read off the screen, and may wrap on a narrow one.
    pub(super) fn fit(&mut self) {
        let wanted = self.audience.size().filter(|_| self.exchange.ready());
        let wanted = wanted.unwrap_or_else(|| ScreenSize::new(SIZE.rows, SIZE.cols));
        if wanted == self.size {
            return;
        }
        self.size = wanted;
        self.start.resized(wanted);
        if let Err(error) = self.terminal.resize(TerminalSize { rows: wanted.rows(), cols: wanted.cols() }) {
            tracing::warn!(session = self.label, %error, "the terminal cannot be made another size");
        }
        self.audience.painted();
    }

    /// Whether somebody with the keyboard has something else than the prompt before them: a menu that they have opened. What is
    /// pushed then waits in claude until they have closed it.
    pub(super) fn person_is_elsewhere(&self) -> bool {
        self.audience.has_keyboard() && !self.start.screen().takes_input()
    }
}

/// Types what waits, as far as the terminal takes it.
pub(super) async fn type_some(terminal: &Terminal, typing: &VecDeque<Typed>) -> std::io::Result<usize> {
    match typing.front() {
        Some(typed) => terminal.write_some(&typed.keys).await,
        None => std::future::pending().await,
    }
}
