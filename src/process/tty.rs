//! The terminal that this process was started in: its size, and its keys one by one.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::libc;
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use super::TerminalSize;

/// How the terminal was before. In a static, for a panic's hook needs it, too; held for a move, never across an await.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// While it is there, stdin's terminal gives every key at once, shows none by itself, and makes no signals of them. Dropped,
/// the terminal is as it was.
#[derive(Debug)]
pub struct RawTerminal(());

impl RawTerminal {
    /// Takes the keys.
    ///
    /// # Errors
    /// When stdin is no terminal.
    pub fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin().as_fd())?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        BEFORE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(before);
        let entered = Self(());
        tcsetattr(io::stdin().as_fd(), SetArg::TCSADRAIN, &raw)?;
        Ok(entered)
    }

    /// Makes the terminal as it was, if that is still to be done: for a panic's hook, which comes before the drop.
    pub fn restore() {
        let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(before) = before {
            // A terminal that is gone needs nothing.
            let _ = tcsetattr(io::stdin().as_fd(), SetArg::TCSADRAIN, &before);
        }
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        Self::restore();
    }
}

/// The size of stdout's terminal; none where it is none, or does not know.
pub fn terminal_size() -> Option<TerminalSize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    #[expect(unsafe_code, reason = "nix has no function for this request")]
    // SAFETY: the request writes one winsize, and any descriptor may be asked.
    let code = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    Errno::result(code).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some(TerminalSize { rows: size.ws_row, cols: size.ws_col })
}
