//! A named pipe that others print into and we read: nothing of it lands on a disk.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use nix::libc;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::unix::pipe;

/// The reading end of a named pipe, for a [`super::LineReader`]. It never ends: writers come and go. What they print is
/// to be read, for a writer stands still when some 64 KiB wait.
///
/// Dropping it removes the name. A writer that opens its file again for each line would then make a plain file of that
/// name, and one that holds it open is sent SIGPIPE: it is to be dropped after the writers' exit.
#[derive(Debug)]
pub struct Fifo {
    receiver: pipe::Receiver,
    // Removed after the pipe is closed.
    name: Name,
}

/// A name in the file system that goes with its owner.
#[derive(Debug)]
struct Name(PathBuf);

impl Fifo {
    /// Makes the pipe, which only its owner can open, where nothing is yet. Needs a tokio runtime.
    ///
    /// # Errors
    /// What the system says: something of that name exists, the folder does not, or its file system has no pipes.
    pub fn create(path: &Path) -> io::Result<Self> {
        mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)?;
        let name = Name(path.to_owned());
        // For writing too, though nobody does: as long as there is a writer there is no end. POSIX leaves open what
        // that does; Linux, macOS and the BSDs do the same.
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
        let receiver = pipe::Receiver::from_file(options.open(path)?)?;
        Ok(Self { receiver, name })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.name.0
    }
}

impl AsyncRead for Fifo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.receiver).poll_read(context, buffer)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // Whoever has removed it has done the same.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};

    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::process::LineReader;
    use crate::process::tests::{sh, supervisor, within};

    fn print(path: &Path, text: &str) {
        let mut writer = OpenOptions::new().append(true).open(path).expect("it has a reader");
        writer.write_all(text.as_bytes()).expect("it has room");
    }

    #[tokio::test]
    async fn writers_come_and_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lines");
        let mut lines = LineReader::skipping(Fifo::create(&path).expect("a pipe"), 10);
        for text in ["first\n", "second half", " of it\n", "far too long for a line\n", "last\n"] {
            print(&path, text);
        }
        // Another process, after the others have closed it.
        let mut request = sh("echo shell > \"$1\"");
        request.args.extend(["sh".into(), path.into_os_string()]);
        let child = within("a spawn", supervisor().spawn(request)).await.expect("a child");
        let mut seen = Vec::new();
        while seen.len() < 3 {
            let line = within("a line", lines.next()).await.expect("readable").expect("it has no end");
            seen.push(String::from_utf8_lossy(&line.bytes).into_owned());
        }
        assert_eq!((seen, lines.skipped()), (vec!["first".into(), "last".into(), "shell".into()], 2));
        within("the exit", child.exit().wait()).await;
        let more = futures_util::FutureExt::now_or_never(lines.next());
        assert!(more.is_none(), "{more:?} is no end");
    }

    #[tokio::test]
    async fn it_is_private_and_goes_with_its_owner() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lines");
        let mut fifo = Fifo::create(&path).expect("a pipe");
        let metadata = fs::metadata(fifo.path()).expect("it is there");
        assert!(metadata.file_type().is_fifo());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        let error = Fifo::create(&path).expect_err("the name is taken");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        print(&path, "still there");
        let mut bytes = [0; 11];
        within("the bytes", fifo.read_exact(&mut bytes)).await.expect("readable");
        assert_eq!(&bytes, b"still there");
        drop(fifo);
        assert!(!path.exists());
    }
}
