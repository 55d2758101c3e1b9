//! Looking a program up, before anything is promised that needs it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// What is searched without PATH, as execvp does.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Why a program cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// It is nowhere.
    #[error("the program {name} was not found (searched {searched}): install it, or give its full path")]
    NotFound {
        /// As asked for.
        name: String,
        /// PATH, or the one path that was looked at.
        searched: String,
    },
    /// It is there, and may not be executed.
    #[error("{path} is there and not executable: make it so (chmod +x)")]
    NotExecutable {
        /// The file.
        path: PathBuf,
    },
}

/// Finds a program as execvp would: a name with a slash is a path from `cwd`, any other is looked for in the folders of
/// `path_env` (an empty one is `cwd`), and the first executable file is taken. Returns an absolute path if `cwd` is one.
pub fn find_program(name: &OsStr, path_env: Option<&OsStr>, cwd: &Path) -> Result<PathBuf, FindError> {
    let path_env = path_env.unwrap_or(OsStr::new(DEFAULT_PATH));
    let is_path = name.as_encoded_bytes().contains(&b'/');
    let candidates: Vec<PathBuf> = if is_path {
        vec![cwd.join(name)]
    } else if name.is_empty() {
        Vec::new()
    } else {
        std::env::split_paths(path_env).map(|folder| cwd.join(folder).join(name)).collect()
    };
    let files: Vec<PathBuf> = candidates.into_iter().filter(|path| path.is_file()).collect();
    let is_executable = |path: &&PathBuf| access(path.as_path(), AccessFlags::X_OK).is_ok();
    match (files.iter().find(is_executable), files.first()) {
        (Some(path), _) => Ok(path.clone()),
        (None, Some(path)) => Err(FindError::NotExecutable { path: path.clone() }),
        (None, None) => Err(FindError::NotFound {
            name: name.to_string_lossy().into_owned(),
            searched: if is_path { cwd.join(name).into_os_string() } else { path_env.to_owned() }
                .to_string_lossy()
                .into_owned(),
        }),
    }
}

/// Whether this process may write a file, or into a folder.
pub fn is_writable(path: &Path) -> bool {
    access(path, AccessFlags::W_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(path: &Path, mode: u32) {
        fs::write(path, "#!/bin/sh\n").expect("a file");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode");
    }

    #[test]
    fn the_first_executable_file_in_the_path_is_taken() {
        let root = tempfile::tempdir().expect("a folder");
        for folder in ["a", "b", "c"] {
            fs::create_dir(root.path().join(folder)).expect("a folder");
        }
        fs::create_dir(root.path().join("a/tool")).expect("a folder of the program's name");
        file(&root.path().join("b/tool"), 0o644);
        file(&root.path().join("c/tool"), 0o755);
        let find = |name: &str, path: &str| find_program(OsStr::new(name), Some(OsStr::new(path)), root.path());
        assert_eq!(find("tool", "a:b:c"), Ok(root.path().join("c/tool")));
        assert_eq!(find("c/tool", "nowhere"), Ok(root.path().join("c/tool")));
        assert_eq!(find("tool", "a:b"), Err(FindError::NotExecutable { path: root.path().join("b/tool") }));
        assert!(matches!(find("tool", "a"), Err(FindError::NotFound { .. })));
        assert!(matches!(find("", "a:b:c"), Err(FindError::NotFound { .. })));
        file(&root.path().join("here"), 0o755);
        assert_eq!(find("here", "a:"), Ok(root.path().join("here")), "an empty element is the directory itself");
    }
}
