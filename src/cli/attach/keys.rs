//! What is typed, and the keys that detach.

use std::io::Read as _;

use bytes::Bytes;
use tokio::sync::mpsc;

/// Ctrl-\, which is pressed twice to detach: nothing else in a terminal means that.
const DETACH: u8 = 0x1c;

/// Ctrl-C.
const INTERRUPT: u8 = 0x03;

/// Read at a time, in bytes. Less than a message may have.
const READ_BYTES: usize = 16 << 10;

/// Reads that may wait to be sent: what is pasted waits in the terminal then.
const READS_MAX: usize = 4;

/// Reads stdin on a thread of its own, for a read cannot be given up; it ends with the program. The end of stdin closes the
/// channel.
///
/// # Errors
/// When the system has no thread.
pub(super) fn stdin() -> std::io::Result<mpsc::Receiver<Bytes>> {
    let (keys, typed) = mpsc::channel(READS_MAX);
    let read = move || {
        let mut buffer = vec![0; READ_BYTES];
        while let Ok(count @ 1..) = std::io::stdin().lock().read(&mut buffer) {
            let read = buffer.get(..count).unwrap_or_default();
            if keys.blocking_send(Bytes::copy_from_slice(read)).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("stdin".to_owned()).spawn(read)?;
    Ok(typed)
}

/// Tells the keys that are meant for this program from those for the agent.
#[derive(Debug)]
pub(super) struct Keys {
    watch: bool,
    /// The last key was the first half of what detaches; it is for the agent if the next is another.
    half: bool,
}

/// What keys mean.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// They are for the agent; there may be none.
    Agent(Bytes),
    /// This program is to detach. What was typed before that is dropped with it.
    Detach,
}

impl Keys {
    /// With `watch` none is for the agent, and more of them detach.
    pub(super) fn new(watch: bool) -> Self {
        Self { watch, half: false }
    }

    /// Takes what was typed.
    pub(super) fn take(&mut self, typed: &[u8]) -> Meant {
        if self.watch {
            let leaves = |key: &u8| matches!(*key, DETACH | INTERRUPT | b'q');
            return if typed.iter().any(leaves) { Meant::Detach } else { Meant::Agent(Bytes::new()) };
        }
        let mut keys = Vec::with_capacity(typed.len() + 1);
        for &key in typed {
            match (key, std::mem::take(&mut self.half)) {
                (DETACH, true) => return Meant::Detach,
                (DETACH, false) => self.half = true,
                (key, true) => keys.extend([DETACH, key]),
                (key, false) => keys.push(key),
            }
        }
        Meant::Agent(keys.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(keys: &mut Keys, typed: &str) -> Meant {
        keys.take(typed.as_bytes())
    }

    fn agent(keys: &'static str) -> Meant {
        Meant::Agent(keys.into())
    }

    #[test]
    fn pressed_once_it_is_for_the_agent_and_twice_it_detaches() {
        let mut keys = Keys::new(false);
        assert_eq!(meant(&mut keys, "a\x03q"), agent("a\x03q"));
        assert_eq!(meant(&mut keys, "\x1c"), agent(""));
        assert_eq!(meant(&mut keys, "b\x1c"), agent("\x1cb"));
        assert_eq!(meant(&mut keys, "\x1c"), Meant::Detach);
        assert_eq!(Keys::new(false).take(b"x\x1c\x1cy"), Meant::Detach);
    }

    #[test]
    fn who_watches_types_nothing() {
        let mut keys = Keys::new(true);
        assert_eq!(meant(&mut keys, "hello\r\x1b"), agent(""));
        for leave in ["q", "\x03", "\x1c"] {
            assert_eq!(meant(&mut keys, leave), Meant::Detach);
        }
    }
}
