//! Watching by inotify: at most two watches, on the file and on the nearest folder above it that exists.
//!
//! The folder is watched for names that come and go in it, not for what is written in it: a folder of transcripts is a
//! busy one.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Folders are made while one looks for them: after so many looks somebody makes and removes them all the time.
const LOOKS_MAX: usize = 64;
/// Events are read 4 KiB at a time. So many times at once, or others on this thread would wait.
const READS_MAX: usize = 64;

#[derive(Debug)]
pub(super) struct Watch {
    path: PathBuf,
    inotify: AsyncFd<Descriptor>,
    folder: Option<Folder>,
    file: Option<WatchDescriptor>,
    /// False after an error.
    is_armed: bool,
}

/// The folder that is watched, and what is awaited in it.
#[derive(Debug)]
struct Folder {
    watch: WatchDescriptor,
    /// The file's name, or that of the next folder on the way to it.
    awaited: OsString,
    /// Whether it is the file's.
    is_parent: bool,
}

/// An inotify instance as tokio wants it.
#[derive(Debug)]
struct Descriptor(Inotify);

impl Watch {
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).map_err(explain)?;
        #[expect(unsafe_code, reason = "tokio's safe function for this is deprecated")]
        // SAFETY: the instance owns its descriptor, which is open and always the same one, and the AsyncFd owns both.
        let inotify = unsafe { AsyncFd::register_with_interest(Descriptor(inotify), Interest::READABLE) }?;
        let mut watch = Self { path, inotify, folder: None, file: None, is_armed: false };
        watch.arm()?;
        Ok(watch)
    }

    pub(super) async fn changed(&mut self) -> io::Result<()> {
        if !self.is_armed {
            self.arm()?;
            return Ok(());
        }
        loop {
            // Nothing is awaited between reading the events and answering for them.
            let events = self.inotify.async_io(Interest::READABLE, |inotify| read_all(&inotify.0)).await?;
            if self.take(&events)? {
                return Ok(());
            }
        }
    }

    /// Whether that is a change. Looks again for what is to be watched where that may have become another.
    fn take(&mut self, events: &[InotifyEvent]) -> io::Result<bool> {
        let (mut is_change, mut is_stale) = (false, false);
        for event in events {
            let is_gone = event.mask.intersects(gone());
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                (is_change, is_stale) = (true, true);
            } else if self.file == Some(event.wd) {
                is_change = true;
                is_stale |= is_gone;
            } else if let Some(folder) = self.folder.as_ref().filter(|folder| folder.watch == event.wd) {
                let is_awaited = event.name.as_ref() == Some(&folder.awaited);
                is_change |= is_awaited && folder.is_parent;
                is_stale |= is_awaited || is_gone;
            }
        }
        if is_stale {
            let before = self.file;
            self.arm()?;
            is_change |= self.file != before;
        }
        Ok(is_change)
    }

    /// Watches what there is to watch now, and nothing else any more.
    fn arm(&mut self) -> io::Result<()> {
        self.is_armed = false;
        let old = [self.file.take(), self.folder.take().map(|folder| folder.watch)];
        let found = self.find();
        if let Ok((folder, file)) = found {
            (self.folder, self.file) = (Some(folder), file);
            self.is_armed = true;
        } else {
            found.map(drop).map_err(explain)?;
        }
        let kept = [self.file, self.folder.as_ref().map(|folder| folder.watch)];
        for watch in old.into_iter().flatten().filter(|watch| !kept.contains(&Some(*watch))) {
            self.remove(watch);
        }
        Ok(())
    }

    fn find(&self) -> Result<(Folder, Option<WatchDescriptor>), Errno> {
        for _ in 0..LOOKS_MAX {
            let Some((folder, next)) = self.nearest()? else {
                continue;
            };
            // Looked for after the watch: what comes later than this look is told.
            if folder.is_parent {
                let file = self.add(next, file_events()).inspect_err(|_| self.remove(folder.watch))?;
                return Ok((folder, file));
            }
            if !next.is_dir() {
                return Ok((folder, None));
            }
            self.remove(folder.watch);
        }
        Err(Errno::EAGAIN)
    }

    /// Watches the nearest existing folder, and gives the path that is awaited in it too.
    fn nearest(&self) -> Result<Option<(Folder, &Path)>, Errno> {
        let mut next = self.path.as_path();
        while let Some(path) = next.parent() {
            if let (Some(watch), Some(name)) = (self.add(path, folder_events())?, next.file_name()) {
                let is_parent = next == self.path;
                return Ok(Some((Folder { watch, awaited: name.to_owned(), is_parent }, next)));
            }
            next = path;
        }
        Ok(None)
    }

    /// None when there is no such thing.
    fn add(&self, path: &Path, events: AddWatchFlags) -> Result<Option<WatchDescriptor>, Errno> {
        match self.inotify.get_ref().0.add_watch(path, events) {
            Ok(watch) => Ok(Some(watch)),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn remove(&self, watch: WatchDescriptor) {
        // What is gone took its watch along.
        let _ = self.inotify.get_ref().0.rm_watch(watch);
    }
}

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// All that wait, up to a bound.
fn read_all(inotify: &Inotify) -> io::Result<Vec<InotifyEvent>> {
    let mut events = inotify.read_events()?;
    for _ in 1..READS_MAX {
        match inotify.read_events() {
            Ok(more) => events.extend(more),
            Err(_) => break,
        }
    }
    Ok(events)
}

fn file_events() -> AddWatchFlags {
    AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF
}

fn folder_events() -> AddWatchFlags {
    AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_MOVED_FROM
        | AddWatchFlags::IN_MOVED_TO
        | AddWatchFlags::IN_DELETE_SELF
        | AddWatchFlags::IN_MOVE_SELF
        | AddWatchFlags::IN_ONLYDIR
}

/// What is watched is not where it was.
fn gone() -> AddWatchFlags {
    AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_IGNORED
}

fn explain(error: Errno) -> io::Error {
    let advice = match error {
        Errno::EMFILE => "raise fs.inotify.max_user_instances, or ulimit -n",
        Errno::ENOSPC => "raise fs.inotify.max_user_watches",
        Errno::EACCES => "make the folders on the way to it readable",
        _ => return error.into(),
    };
    let source = io::Error::from(error);
    io::Error::new(source.kind(), format!("the file cannot be watched ({source}): {advice}"))
}

#[cfg(test)]
impl super::FileWatch {
    /// How many watches the kernel has for this one.
    pub(super) fn watch_count(&self) -> usize {
        let path = format!("/proc/self/fdinfo/{}", self.watch.inotify.as_raw_fd());
        let text = std::fs::read_to_string(path).expect("it is open");
        text.lines().filter(|line| line.starts_with("inotify ")).count()
    }
}
