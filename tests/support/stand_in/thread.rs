//! The thread: its id, how many user texts it has, and the file that keeps it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use uuid::Uuid;

use super::args::Args;

/// A conversation.
#[derive(Debug)]
pub(super) struct Thread {
    /// The session id, in claude's words.
    pub(super) id: String,
    /// How many user texts it has.
    pub(super) texts: usize,
    state: Option<PathBuf>,
    file: Option<File>,
}

/// Why a thread cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("No conversation found with session ID: {0}")]
    NoConversation(String),
    #[error("No message found with message.uuid of: {0}")]
    NoMessage(String),
    #[error("cannot keep the thread: {0}")]
    Io(#[from] io::Error),
}

impl Thread {
    /// Opens the thread that the arguments name: resumed, forked or new.
    pub(super) fn open(args: &Args, state: Option<&Path>) -> Result<Self, OpenError> {
        let new_id = || args.session_id.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
        let Some(parent) = &args.resume else {
            return Ok(Self::create(new_id(), state, "")?);
        };
        let id = if args.fork { new_id() } else { parent.clone() };
        let Some(state) = state else {
            return Ok(Self::create(id, None, "")?);
        };
        let kept = fs::read_to_string(path(state, parent)).map_err(|_| OpenError::NoConversation(parent.clone()))?;
        let kept = match &args.resume_at {
            Some(uuid) => up_to(&kept, uuid).ok_or_else(|| OpenError::NoMessage(uuid.clone()))?,
            None => &kept,
        };
        if args.fork {
            return Ok(Self::create(id, Some(state), kept)?);
        }
        let file = OpenOptions::new().append(true).open(path(state, parent))?;
        Ok(Self { id, texts: texts(kept), state: Some(state.to_owned()), file: Some(file) })
    }

    /// Leaves this thread for a new one, as `/clear` does.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        let state = self.state.take();
        *self = Self::create(Uuid::new_v4().to_string(), state.as_deref(), "")?;
        Ok(())
    }

    /// Adds a user text.
    pub(super) fn add_text(&mut self, text: &str) -> io::Result<()> {
        self.texts += 1;
        if self.file.is_some() { self.append(&json!({"user": text})) } else { Ok(()) }
    }

    /// Adds a message of the assistant's, at which a fork may begin.
    pub(super) fn add_answer(&mut self, uuid: &str) -> io::Result<()> {
        if self.file.is_some() { self.append(&json!({"assistant": uuid})) } else { Ok(()) }
    }

    fn create(id: String, state: Option<&Path>, kept: &str) -> io::Result<Self> {
        let file = match state {
            Some(state) => {
                fs::create_dir_all(state)?;
                let mut file = OpenOptions::new().create(true).append(true).open(path(state, &id))?;
                file.write_all(kept.as_bytes())?;
                Some(file)
            }
            None => None,
        };
        Ok(Self { id, texts: texts(kept), state: state.map(Path::to_owned), file })
    }

    fn append(&mut self, line: &Value) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(format!("{line}\n").as_bytes()))
    }
}

/// An id that is no plain file name leads to a file that does not exist.
fn path(state: &Path, id: &str) -> PathBuf {
    state.join(format!("{}.jsonl", id.replace('/', "_")))
}

fn texts(kept: &str) -> usize {
    kept.lines().filter(|line| line.starts_with("{\"user\":")).count()
}

/// The lines up to and with the assistant's message of that uuid.
fn up_to<'a>(kept: &'a str, uuid: &str) -> Option<&'a str> {
    let line = format!("{}\n", json!({"assistant": uuid}));
    kept.find(&line).map(|start| &kept[..start + line.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_resumed_and_forked() {
        let folder = tempfile::tempdir().unwrap();
        let open = |args: &Args| Thread::open(args, Some(folder.path()));
        let mut thread = open(&Args::default()).unwrap();
        for number in ["one", "two"] {
            thread.add_text(number).unwrap();
            thread.add_answer(&format!("answer-{number}")).unwrap();
        }
        let resume = Args { resume: Some(thread.id.clone()), ..Args::default() };
        let resumed = open(&resume).unwrap();
        assert_eq!((resumed.id.as_str(), resumed.texts), (thread.id.as_str(), 2));

        let fork = Args { fork: true, resume_at: Some("answer-one".into()), ..resume };
        let forked = open(&fork).unwrap();
        assert_eq!(forked.texts, 1);
        assert_ne!(forked.id, thread.id);

        let unknown = Args { resume: Some("nobody".into()), ..Args::default() };
        assert!(matches!(open(&unknown), Err(OpenError::NoConversation(_))));
        let unknown = Args { resume_at: Some("nothing".into()), ..fork };
        assert!(matches!(open(&unknown), Err(OpenError::NoMessage(_))));
    }
}
