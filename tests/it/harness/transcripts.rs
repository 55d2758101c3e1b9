//! claude's transcripts. It writes them some moments after it has spoken, so a test that kills it waits for that first.

use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use serde_json::Value;

use super::wait::readable;
use super::within;

/// The transcripts of the threads in one directory.
pub(crate) struct Transcripts {
    folder: PathBuf,
    changes: Inotify,
}

impl Transcripts {
    /// Watches them; to be called before there are any.
    pub(crate) fn of(home: &Path, directory: &Path) -> Self {
        // claude's name for a directory: all but letters and digits is a dash.
        let directory = directory.canonicalize().expect("the directory is there").display().to_string();
        let name: String = directory.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let folder = home.join(".claude/projects").join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let changes = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).expect("a watcher");
        let what = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_MOVED_TO;
        changes.add_watch(&folder, what).expect("the folder can be watched");
        Self { folder, changes }
    }

    /// Waits until this is said in one of them, and a claude that takes it up would know. On a busy machine 2.1.197 writes an
    /// answer before the question; until more has come behind both, the question is what it would go on from.
    pub(crate) async fn hold(&self, text: &str) {
        // Before a message itself, claude in a terminal writes that it has come.
        let kinds = [r#""type":"user""#, r#""type":"assistant""#];
        let is_it = |line: &str| line.contains(text) && kinds.iter().any(|kind| line.contains(kind));
        self.has(text, |transcript| newest_follows(transcript, is_it)).await;
    }

    /// Waits until this waits in claude's queue.
    pub(crate) async fn queue(&self, text: &str) {
        let is_it = |line: &str| line.contains(text) && line.contains(r#""operation":"enqueue""#);
        self.has(text, |transcript| transcript.lines().any(is_it)).await;
    }

    async fn has(&self, what: &str, is_there: impl Fn(&str) -> bool) {
        within(&format!("{what:?} in a transcript"), async {
            while !self.texts().any(|transcript| is_there(&transcript)) {
                readable(self.changes.as_fd().try_clone_to_owned().expect("a descriptor")).await;
                let _seen = self.changes.read_events().expect("the watcher can be read");
            }
        })
        .await;
    }

    /// Removes all of them, as if claude had been killed before it wrote anything.
    pub(crate) fn lose(&self) {
        std::fs::remove_dir_all(&self.folder).expect("the transcripts are there");
    }

    /// Leaves only what claude writes first, which nobody said, as if it had been killed then.
    pub(crate) fn lose_messages(&self, thread: &str) {
        let path = self.folder.join(format!("{thread}.jsonl"));
        let transcript = std::fs::read_to_string(&path).expect("a transcript");
        let first = transcript.lines().next().expect("a line");
        std::fs::write(path, format!("{first}\n")).expect("it can be written");
    }

    /// claude's id of the newest message of its own in a thread.
    pub(crate) fn last_answer(&self, thread: &str) -> String {
        let transcript = std::fs::read_to_string(self.folder.join(format!("{thread}.jsonl"))).expect("a transcript");
        let mut lines = transcript.lines().rev().map(|line| serde_json::from_str(line).expect("a JSON line"));
        let line: Value = lines.find(|line: &Value| line["type"] == "assistant").expect("an answer");
        line["uuid"].as_str().expect("an id").to_owned()
    }

    fn texts(&self) -> impl Iterator<Item = String> {
        let entries = std::fs::read_dir(&self.folder).expect("the folder is there");
        entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok())
    }
}

/// Whether the newest message is this line, or follows it, and all that came before is there: from there claude goes on.
fn newest_follows(transcript: &str, is_it: impl Fn(&str) -> bool) -> bool {
    // The last line may be half written.
    let messages = transcript.lines().filter_map(|line| Some((line, serde_json::from_str::<Value>(line).ok()?)));
    let messages: Vec<_> = messages.filter(|(_, message)| message["isSidechain"] == false).collect();
    let mut newest = messages.last();
    let mut has_come = false;
    while let Some((line, message)) = newest {
        has_come |= is_it(line);
        let parent = &message["parentUuid"];
        if parent.is_null() {
            return has_come;
        }
        newest = messages.iter().find(|(_, message)| message["uuid"] == *parent);
    }
    false
}
