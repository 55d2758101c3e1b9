//! What reaches the agent while it works: lines of stdin, and FIFOs that were opened. One thread reads stdin, so that an
//! interrupt is seen in the middle of a turn; the queue between is bounded.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, Read as _},
    path::PathBuf,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::Instant,
};

use super::clock;

/// Messages that wait at most; then stdin is not read until one was taken.
const MESSAGES_MAX: usize = 64;
/// Longest line of input, in bytes; images come in lines of some MB.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Stack of a helper thread: it only reads.
const STACK_BYTES: usize = 128 * 1024;

/// Something that reached the agent.
#[derive(Debug)]
pub(super) enum Message {
    /// A line of stdin, and when its last byte was read.
    Line { bytes: Vec<u8>, read_ns: u64 },
    /// The FIFO of that number was opened for writing.
    Opened(u64),
    /// Stdin ended.
    End,
}

/// The agent's end of the queue.
#[derive(Debug)]
pub(super) struct Inbox {
    messages: Receiver<Message>,
    sender: SyncSender<Message>,
    fifos: u64,
}

impl Inbox {
    /// Starts to read stdin.
    pub(super) fn open() -> io::Result<Self> {
        let (sender, messages) = sync_channel(MESSAGES_MAX);
        let lines = sender.clone();
        thread::Builder::new().stack_size(STACK_BYTES).spawn(move || read_lines(&lines))?;
        Ok(Self { messages, sender, fifos: 0 })
    }

    /// The next message, if one is there.
    pub(super) fn try_next(&self) -> Option<Message> {
        self.messages.try_recv().ok()
    }

    /// The next message; `None` when none came before the deadline. Without one it waits for ever.
    pub(super) fn next(&self, deadline: Option<Instant>) -> Option<Message> {
        let Some(deadline) = deadline else {
            return self.messages.recv().ok();
        };
        let left = deadline.saturating_duration_since(Instant::now());
        self.messages.recv_timeout(left).ok()
    }

    /// Waits for a FIFO in the background; its number comes as [`Message::Opened`] when somebody opened it for writing.
    pub(super) fn watch_fifo(&mut self, path: PathBuf) -> io::Result<u64> {
        // A path that is not there would be waited for in vain.
        fs::metadata(&path)?;
        self.fifos += 1;
        let (number, sender) = (self.fifos, self.sender.clone());
        thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            // Opening blocks until the other end is opened.
            if File::open(path).is_ok() {
                let _ = sender.send(Message::Opened(number));
            }
        })?;
        Ok(number)
    }
}

fn read_lines(lines: &SyncSender<Message>) {
    let mut stdin = io::stdin().lock();
    loop {
        let mut bytes = Vec::new();
        let read = stdin.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
        let message = match read {
            Ok(read) if read > 0 => Message::Line { bytes, read_ns: clock::now_ns() },
            _ => Message::End,
        };
        let ended = matches!(message, Message::End);
        if lines.send(message).is_err() || ended {
            return;
        }
    }
}
