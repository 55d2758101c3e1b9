//! Pseudo-terminals, for agents that are only themselves on a screen.
//!
//! ```text
//!  keystrokes ──▶ Terminal (master) ══▶ slave: stdin, stdout, stderr and controlling terminal of the child
//!      screen ◀──   dropped: SIGHUP  ◀══   last one closed: the end
//! ```
//!
//! A child with a terminal leads a session of its own, and with it a process group of its own, as every child has. What
//! it prints has to be read: when some ten KiB wait it stands still, and claude in that state ends neither at SIGTERM
//! nor at SIGINT. The hang-up, which is the terminal dropped, needs no reader: nothing can be printed any more.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use bytes::BytesMut;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::libc;
use nix::pty::{Winsize, openpty};
use nix::unistd::{read, setsid, write};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Linux gives one byte less at a time.
const READ_BYTES: usize = 4096;

/// The size of a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// In lines.
    pub rows: u16,
    /// In characters.
    pub cols: u16,
}

/// Our side of a child's terminal. Dropping it hangs up: the child's foreground group gets SIGHUP, and what is read or
/// written on the other side from then on ends or fails.
#[derive(Debug)]
pub struct Terminal {
    master: AsyncFd<OwnedFd>,
}

impl Terminal {
    pub(super) fn new(master: OwnedFd) -> io::Result<Self> {
        #[expect(unsafe_code, reason = "tokio's safe function for this is deprecated")]
        // SAFETY: an OwnedFd is open and always the same one, and the AsyncFd owns it.
        let master = unsafe { AsyncFd::register(master) };
        Ok(Self { master: master? })
    }

    /// Waits for output, adds it to the buffer (at most 4 KiB at a time), and says how many bytes that were. 0 is the
    /// end: nobody has the terminal open any more. A descendant may keep it open after the child's exit, so that exit
    /// is to be awaited too. Cancel-safe.
    ///
    /// # Errors
    /// What the system says; none is usual.
    pub async fn read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        let outcome = self.master.async_io(Interest::READABLE, |master| read_once(master, buffer)).await;
        match outcome {
            // Linux's way to say that the last one has closed it.
            Err(error) if error.raw_os_error() == Some(Errno::EIO as i32) => Ok(0),
            outcome => outcome,
        }
    }

    /// Types all of this, waiting while the child does not read. Not cancel-safe: dropped in between, a part may have
    /// been typed. A keystroke, which goes in at once or not at all, is better typed by [`Terminal::try_write`].
    ///
    /// # Errors
    /// What the system says, as when nobody has the terminal open any more.
    pub async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = self.master.async_io(Interest::WRITABLE, |master| Ok(write(master, bytes)?)).await?;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    /// Waits until there is room, types what there is room for, and says how many bytes that were. Cancel-safe: dropped while
    /// it waits it has typed nothing.
    ///
    /// # Errors
    /// As for [`Terminal::write`].
    pub async fn write_some(&self, bytes: &[u8]) -> io::Result<usize> {
        self.master.async_io(Interest::WRITABLE, |master| Ok(write(master, bytes)?)).await
    }

    /// Types what there is room for, and says how many bytes that were.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room at all, for the child does not read; else what the system says.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(write(self.master.get_ref(), bytes)?)
    }

    /// Tells the child's foreground group of another size (SIGWINCH).
    ///
    /// # Errors
    /// What the system says; none is usual.
    pub fn resize(&self, size: TerminalSize) -> io::Result<()> {
        let size = winsize(size);
        #[expect(unsafe_code, reason = "nix has no function for this request")]
        // SAFETY: the descriptor is open for as long as `self`, and the request reads one winsize.
        let code = unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        Ok(Errno::result(code).map(drop)?)
    }
}

/// Both sides of a new terminal.
pub(super) struct Pair {
    /// Ours: non-blocking.
    pub(super) master: OwnedFd,
    /// The child's.
    pub(super) slave: OwnedFd,
}

/// Opens a terminal. For the thread that forks: between opening and close-on-exec no child of ours can inherit it.
pub(super) fn open(size: TerminalSize) -> io::Result<Pair> {
    let pair = openpty(&winsize(size), None)?;
    for side in [&pair.master, &pair.slave] {
        fcntl(side, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    }
    let flags = OFlag::from_bits_retain(fcntl(&pair.master, FcntlArg::F_GETFL)?);
    fcntl(&pair.master, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(Pair { master: pair.master, slave: pair.slave })
}

/// Makes the terminal that is stdin the controlling one of a new session. Runs in the child between fork and exec:
/// calls only what is safe there, and allocates nothing. The child must lead no process group yet.
pub(super) fn lead_session() -> io::Result<()> {
    setsid()?;
    #[expect(unsafe_code, reason = "nix has no function for this request")]
    // SAFETY: descriptor 0 is open, and the request takes an integer.
    let code = unsafe { libc::ioctl(0, libc::TIOCSCTTY as _, 0) };
    Ok(Errno::result(code).map(drop)?)
}

fn read_once(master: impl AsFd, buffer: &mut BytesMut) -> io::Result<usize> {
    let mut bytes = [0; READ_BYTES];
    let count = read(master, &mut bytes)?;
    buffer.extend_from_slice(&bytes[..count]);
    Ok(count)
}

fn winsize(size: TerminalSize) -> Winsize {
    Winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: 0, ws_ypixel: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_side_is_inherited_and_ours_never_blocks() {
        let pair = open(TerminalSize { rows: 24, cols: 80 }).expect("a terminal");
        for side in [&pair.master, &pair.slave] {
            let flags = fcntl(side, FcntlArg::F_GETFD).expect("its flags");
            assert!(FdFlag::from_bits_retain(flags).contains(FdFlag::FD_CLOEXEC));
        }
        let error = read_once(&pair.master, &mut BytesMut::new()).expect_err("nothing was printed");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
