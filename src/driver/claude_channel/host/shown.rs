//! Images for a claude that is given text alone: files of the turn's own, which it is told to look at, and may read unasked.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::Host;
use crate::driver::{Command, CommandKind};
use crate::protocol::{ErrorKind, Image, TurnError, TurnId};

/// The images of one turn, as files. They are removed when this is dropped.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) turn: TurnId,
    folder: PathBuf,
    files: Vec<PathBuf>,
}

impl Host<'_> {
    /// Has the turn's images in files, and the turn say where. What cannot be is told as the command's end.
    pub(super) async fn show_images(&mut self, mut command: Command) -> Option<Command> {
        let CommandKind::StartTurn { turn, input, .. } = &mut command.kind else { return Some(command) };
        if input.images.is_empty() {
            return Some(command);
        }
        let (turn, images, parent) = (*turn, std::mem::take(&mut input.images), self.files.images.clone());
        let written = tokio::task::spawn_blocking(move || Shown::write(&parent, turn, &images)).await;
        match written.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(shown) => {
                input.preface.push(shown.words());
                self.shown = Some(shown);
                Some(command)
            }
            Err(error) => {
                let message = format!("{}: the images cannot be written for the agent: {error}", self.name);
                self.exchange.fail(command.id, TurnError::new(ErrorKind::StartFailed, message));
                None
            }
        }
    }
}

impl Shown {
    /// Writes the images into a folder of the turn's own below that one.
    ///
    /// # Errors
    /// When that cannot be.
    fn write(parent: &Path, turn: TurnId, images: &[Image]) -> io::Result<Self> {
        let folder = parent.join(turn.to_string());
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let mut shown = Self { turn, folder, files: Vec::new() };
        for (image, number) in images.iter().zip(1..) {
            let path = shown.folder.join(format!("{number}.{}", image.format().extension()));
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(&image.decode())?;
            shown.files.push(path);
        }
        Ok(shown)
    }

    /// What claude is told of them.
    fn words(&self) -> String {
        let files: Vec<_> = self.files.iter().map(|file| file.display().to_string()).collect();
        format!(
            "<images>\nThe user shows you these images with the message that follows. Look at each of them, with the Read tool, \
             before you answer:\n{}\n</images>",
            files.join("\n")
        )
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        // What stays goes with the process's own files.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn images_are_files_of_the_users_own_until_they_are_dropped() {
        let parent = tempfile::tempdir().unwrap();
        let images = [b"GIF89a one", b"GIF89a two"].map(|bytes| Image::encode(bytes).unwrap());
        let shown = Shown::write(&parent.path().join("images"), TurnId::generate(), &images).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&shown.folder), mode(&shown.files[0])), (0o700, 0o600));
        assert_eq!(fs::read(&shown.files[1]).unwrap(), b"GIF89a two");
        let words = shown.words();
        assert!(shown.files.iter().all(|file| words.contains(&format!("\n{}\n", file.display()))), "{words}");
        let folder = shown.folder.clone();
        drop(shown);
        assert!(!folder.exists());
    }
}
