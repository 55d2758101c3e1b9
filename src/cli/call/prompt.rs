//! What an agent is asked: the words of the command line or of stdin, the files, and the text around them.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read, stdin};
use std::path::{Path, PathBuf};

/// The longest prompt with its files, in bytes: more than a model reads, and less than a daemon takes by default.
pub(super) const PROMPT_BYTES_MAX: usize = 16 << 20;

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
    /// Something is no text.
    #[error("{0} is no UTF-8 text; name it in the prompt, and let the agent read it")]
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

/// Puts together what is asked. Reads stdin to its end when there is no prompt, or it is `-`.
///
/// # Errors
/// When there is none, something cannot be read, or it is too long.
pub(super) fn read(prompt: Option<&str>, files: &[PathBuf], wrapping: Option<&str>) -> Result<String, PromptError> {
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
    let mut whole = String::new();
    for path in files {
        whole.push_str(&attached(path, &mut room)?);
    }
    whole.push_str(said.trim_end());
    Ok(wrap(&whole, wrapping))
}

/// The prompt with the configured text around it.
fn wrap(prompt: &str, wrapping: Option<&str>) -> String {
    match wrapping.filter(|text| !text.trim().is_empty()) {
        None => prompt.to_owned(),
        Some(text) => text.replacen(PLACE, prompt, 1),
    }
}

/// A file as it stands in the prompt.
fn attached(path: &Path, room: &mut usize) -> Result<String, PromptError> {
    let unreadable = |source| PromptError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let text = text_of(take(file, room, unreadable)?, &path.display().to_string())?;
    let name = path.display().to_string().replace(['"', '\n'], "_");
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
        assert_eq!(whole, format!("<file path=\"{}\">\none\ntwo\n</file>\n\nSum up.", path.display()));
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
