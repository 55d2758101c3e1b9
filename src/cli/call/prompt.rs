//! What an agent is asked: the words of the command line or of stdin, the files, and the text around them. A file that is an
//! image is shown as one.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read, stdin};
use std::path::{Path, PathBuf};

use crate::protocol::{IMAGE_BYTES_MAX, IMAGES_BYTES_MAX, IMAGES_MAX, Image, ImageError, ImageFormat};

/// The longest prompt with its files, in bytes: more than a model reads, and less than a daemon takes by default.
pub(super) const PROMPT_BYTES_MAX: usize = 16 << 20;

/// As many of a file's first bytes tell whether it is an image.
const HEAD_BYTES: usize = 12;

/// Where the prompt stands in the text around it.
const PLACE: &str = "{prompt}";

/// Why there is nothing to ask.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// Nobody has said anything.
    #[error("there is nothing to ask: give a prompt, or pipe one to stdin")]
    Empty,
    /// It is too long.
    #[error("the prompt and its files are longer than {} MiB; name large files in the prompt, and let the agent read them", PROMPT_BYTES_MAX >> 20)]
    TooLong,
    /// Stdin cannot be read.
    #[error("stdin cannot be read: {0}")]
    Stdin(io::Error),
    /// An image cannot be shown.
    #[error("{path}: the image {source}")]
    Image {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: ImageError,
    },
    /// There are too many images, or they are too large together.
    #[error("a prompt takes at most {IMAGES_MAX} images and {} MiB of them; name the others in the prompt, and let the agent read them", IMAGES_BYTES_MAX >> 20)]
    TooManyImages,
    /// Something is no text.
    #[error("{0} is no UTF-8 text and no image; name it in the prompt, and let the agent read it")]
    NoText(String),
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prompt {
    /// The words, with the files that are texts in them.
    pub(super) text: String,
    /// The files that are images.
    pub(super) images: Vec<Image>,
}

/// Puts together what is asked. Reads stdin to its end when there is no prompt, or it is `-`.
///
/// # Errors
/// When there is none, something cannot be read, or it is too long.
pub(super) fn read(prompt: Option<&str>, files: &[PathBuf], wrapping: Option<&str>) -> Result<Prompt, PromptError> {
    let mut room = PROMPT_BYTES_MAX;
    let said = match prompt {
        Some(text) if text != "-" => {
            room = room.checked_sub(text.len()).ok_or(PromptError::TooLong)?;
            text.to_owned()
        }
        // Somebody who typed no prompt is not waiting for a chance to type it; with `-` they are.
        None if stdin().is_terminal() => return Err(PromptError::Empty),
        _ => text_of(take(stdin().lock(), &mut room, PromptError::Stdin)?, "stdin")?,
    };
    if said.trim().is_empty() {
        return Err(PromptError::Empty);
    }
    let (mut whole, mut images) = (String::new(), Vec::new());
    for path in files {
        whole.push_str(&attached(path, &mut room, &mut images)?);
    }
    whole.push_str(said.trim_end());
    Ok(Prompt { text: wrap(&whole, wrapping), images })
}

/// The prompt with the configured text around it.
fn wrap(prompt: &str, wrapping: Option<&str>) -> String {
    match wrapping.filter(|text| !text.trim().is_empty()) {
        None => prompt.to_owned(),
        Some(text) => text.replacen(PLACE, prompt, 1),
    }
}

/// A file as it stands in the prompt. An image has its name there, and goes to the others.
fn attached(path: &Path, room: &mut usize, images: &mut Vec<Image>) -> Result<String, PromptError> {
    let unreadable = |source| PromptError::File { path: path.to_owned(), source };
    let name = path.display().to_string().replace(['"', '\n'], "_");
    let mut file = File::open(path).map_err(unreadable)?;
    let mut head = Vec::new();
    file.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(unreadable)?;
    if ImageFormat::of(&head).is_some() {
        let unfit = |source| PromptError::Image { path: path.to_owned(), source };
        file.take(IMAGE_BYTES_MAX as u64).read_to_end(&mut head).map_err(unreadable)?;
        images.push(Image::encode(&head).map_err(unfit)?);
        if images.len() > IMAGES_MAX || images.iter().map(Image::bytes).sum::<usize>() > IMAGES_BYTES_MAX {
            return Err(PromptError::TooManyImages);
        }
        return Ok(format!("<image path=\"{name}\"/>\n\n"));
    }
    let text = text_of(take(head.chain(file), room, unreadable)?, &path.display().to_string())?;
    let end = if text.ends_with('\n') { "" } else { "\n" };
    Ok(format!("<file path=\"{name}\">\n{text}{end}</file>\n\n"))
}

/// Reads to the end, within what room there is left.
fn take(
    from: impl Read,
    room: &mut usize,
    unreadable: impl FnOnce(io::Error) -> PromptError,
) -> Result<Vec<u8>, PromptError> {
    let mut bytes = Vec::new();
    let read = from.take(*room as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    *room = room.checked_sub(read).ok_or(PromptError::TooLong)?;
    Ok(bytes)
}

fn text_of(bytes: Vec<u8>, what: &str) -> Result<String, PromptError> {
    String::from_utf8(bytes).map_err(|_| PromptError::NoText(what.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    #[test]
    fn the_prompt_stands_in_its_place() {
        assert_eq!(wrap("Why?", Some("Briefly: {prompt}!")), "Briefly: Why?!");
        assert_eq!(wrap("Why {prompt}?", Some("Briefly: {prompt}")), "Briefly: Why {prompt}?");
        assert_eq!(wrap("Why?", None), "Why?");
        assert_eq!(wrap("Why?", Some(" \n")), "Why?");
    }

    #[test]
    fn files_stand_before_the_prompt() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::write(&path, "one\ntwo").unwrap();
        let whole = read(Some("Sum up.\n"), from_ref(&path), None).unwrap();
        assert_eq!(whole.images, []);
        assert_eq!(whole.text, format!("<file path=\"{}\">\none\ntwo\n</file>\n\nSum up.", path.display()));
    }

    #[test]
    fn an_image_is_shown_and_has_its_name_in_the_prompt() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture");
        let write = |bytes: usize| {
            let mut gif = b"GIF89a".to_vec();
            gif.resize(bytes, 0xff);
            std::fs::write(&path, &gif).unwrap();
            gif
        };
        let gif = write(1_000);
        let files = [path.clone(), path.clone()];
        let prompt = read(Some("What is it?"), &files, Some("Briefly. {prompt}")).unwrap();
        let name = format!("<image path=\"{}\"/>\n\n", path.display());
        assert_eq!(prompt.text, format!("Briefly. {name}{name}What is it?"));
        let image = Image::encode(&gif).unwrap();
        assert_eq!(prompt.images, [image.clone(), image]);

        let refused = |files: &[PathBuf]| read(Some("?"), files, None).unwrap_err();
        assert!(matches!(refused(&vec![path.clone(); IMAGES_MAX + 1]), PromptError::TooManyImages));
        write(IMAGE_BYTES_MAX);
        assert!(matches!(refused(&vec![path.clone(); 4]), PromptError::TooManyImages));
        write(IMAGE_BYTES_MAX + 1);
        assert!(matches!(refused(from_ref(&path)), PromptError::Image { source: ImageError::TooLarge, .. }));
    }

    #[test]
    fn what_is_no_prompt_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        let refused = |prompt: &str, files: &[PathBuf]| read(Some(prompt), files, None).unwrap_err();
        assert!(matches!(refused(" ", &[]), PromptError::Empty));
        assert!(matches!(refused("?", from_ref(&path)), PromptError::NoText(name) if name.ends_with("a.bin")));
        let none = folder.path().join("none");
        assert!(matches!(refused("?", from_ref(&none)), PromptError::File { path, .. } if path == none));
        let folder = folder.path().to_owned();
        assert!(matches!(refused("?", from_ref(&folder)), PromptError::File { path, .. } if path == folder));
        assert!(matches!(refused(&"x".repeat(PROMPT_BYTES_MAX + 1), &[]), PromptError::TooLong));
    }

    #[test]
    fn the_room_is_for_all_together() {
        let mut room = 5;
        assert_eq!(take(&b"abc"[..], &mut room, PromptError::Stdin).unwrap(), b"abc");
        assert!(matches!(take(&b"abc"[..], &mut room, PromptError::Stdin), Err(PromptError::TooLong)));
    }
}
