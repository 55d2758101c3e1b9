//! The last words of a child: its stderr is read for ever, and the end of it kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;

use super::redact::Redactor;
use super::table::lock;

/// Read at once: what a pipe holds, so that a talkative child seldom waits.
const READ_BYTES: usize = 64 * 1024;

/// The end of what a child has written to stderr. Clones show the same.
#[derive(Clone, Debug)]
pub struct StderrTail {
    kept: Arc<Mutex<Kept>>,
    redactor: Arc<Redactor>,
    ended: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Kept {
    bytes: VecDeque<u8>,
    /// How many bytes `tail` may show. So many more are kept as the longest secret has, to recognise one that is cut.
    shown_max: usize,
    room: usize,
    was_cut: bool,
}

impl StderrTail {
    /// Starts a task that reads until the end, whether or not anybody looks, so that the child never stands still over
    /// its stderr. Keeps the last `bytes_max` bytes (and as many as the longest secret has).
    pub fn start(source: impl AsyncRead + Send + Unpin + 'static, bytes_max: usize, redactor: Redactor) -> Self {
        let room = bytes_max + redactor.secret_bytes_max();
        let kept = Kept { bytes: VecDeque::new(), shown_max: bytes_max, room, was_cut: false };
        let kept = Arc::new(Mutex::new(kept));
        let (has_ended, ended) = watch::channel(false);
        tokio::spawn(drain(source, Arc::clone(&kept), has_ended));
        Self { kept, redactor: Arc::new(redactor), ended }
    }

    /// The last whole lines, as text, with secrets replaced by `***`. When something was written before them, the first
    /// line is left out unless it is the only one, because its beginning is missing.
    pub fn tail(&self) -> String {
        let (bytes, offset, was_cut) = {
            let kept = lock(&self.kept);
            let offset = kept.bytes.len().saturating_sub(kept.shown_max);
            (kept.bytes.iter().copied().collect::<Vec<u8>>(), offset, kept.was_cut || offset > 0)
        };
        let shown = self.redactor.redact_after(&bytes, offset);
        let text = String::from_utf8_lossy(&shown);
        let text = text.trim_end();
        match text.split_once('\n') {
            Some((_, whole)) if was_cut => whole.to_owned(),
            _ => text.to_owned(),
        }
    }

    /// Waits until everything has been read: after a child's exit, for its last words. A descendant that has inherited
    /// stderr keeps it open, so the caller sets a limit. Cancel-safe.
    pub async fn ended(&self) {
        // An error says that the task is gone, and that is an end too.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }
}

async fn drain(mut source: impl AsyncRead + Unpin, kept: Arc<Mutex<Kept>>, has_ended: watch::Sender<bool>) {
    let mut buffer = vec![0; READ_BYTES];
    // An error of a pipe means that there is nothing more to be had.
    while let Ok(count @ 1..) = source.read(&mut buffer).await {
        lock(&kept).add(&buffer[..count]);
    }
    has_ended.send_replace(true);
}

impl Kept {
    fn add(&mut self, new: &[u8]) {
        let new_kept = &new[new.len().saturating_sub(self.room)..];
        let surplus = (self.bytes.len() + new_kept.len()).saturating_sub(self.room);
        self.was_cut |= surplus > 0 || new_kept.len() < new.len();
        self.bytes.drain(..surplus);
        self.bytes.extend(new_kept);
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    async fn tail_of(text: &[u8], bytes_max: usize, secrets: &[&str]) -> (String, usize) {
        let redactor = Redactor::new(secrets.iter().map(OsStr::new));
        // Through a small pipe, so that it arrives in pieces.
        let (mut writer, reader) = tokio::io::duplex(7);
        let tail = StderrTail::start(reader, bytes_max, redactor);
        tokio::io::AsyncWriteExt::write_all(&mut writer, text).await.expect("everything is read");
        drop(writer);
        tail.ended().await;
        let kept = lock(&tail.kept).bytes.len();
        (tail.tail(), kept)
    }

    #[tokio::test]
    async fn what_is_short_is_kept_whole() {
        assert_eq!(tail_of(b"one\ntwo\n", 100, &[]).await.0, "one\ntwo");
        assert_eq!(tail_of(b"", 100, &[]).await.0, "");
        assert_eq!(tail_of(b"bad \xff byte", 100, &[]).await.0, "bad \u{fffd} byte");
    }

    #[tokio::test]
    async fn only_the_end_is_kept_and_in_whole_lines() {
        let text = "a line\n".repeat(1000) + "line 998\nline 999\n";
        let (tail, kept) = tail_of(text.as_bytes(), 20, &[]).await;
        assert_eq!(tail, "line 998\nline 999");
        assert_eq!(kept, 20);
        assert_eq!(tail_of(&[b'x'; 50], 20, &[]).await.0, "x".repeat(20), "one long line is better than none");
    }

    #[tokio::test]
    async fn a_secret_is_not_shown_even_if_it_is_cut() {
        let text = format!("{}hunter2hunter2{}", "a".repeat(50), "b".repeat(10));
        for bytes_max in 10..=24 {
            let (tail, _) = tail_of(text.as_bytes(), bytes_max, &["hunter2hunter2"]).await;
            let expected = if bytes_max == 10 { "b".repeat(10) } else { format!("***{}", "b".repeat(10)) };
            assert_eq!(tail, expected, "with room for {bytes_max} bytes");
        }
    }
}
