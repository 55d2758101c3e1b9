//! Workspaces that requests name: only inside the configured roots.

use std::path::{Path, PathBuf};

use super::respond::ApiError;
use crate::protocol::WorkspaceRoot;

/// The folder that a request's header names, links resolved.
///
/// # Errors
/// When it is not absolute, not there, not a folder, or outside the roots.
pub(super) fn allowed(named: &str, header: &str, roots: &[WorkspaceRoot]) -> Result<PathBuf, ApiError> {
    let refuse = |why: &str| ApiError::field(header, "workspace_not_allowed", format!("workspace `{named}` {why}"));
    if !Path::new(named).is_absolute() {
        return Err(refuse("is not an absolute path"));
    }
    // Links are resolved first, or one inside a root would lead out of it. Whether something outside is there at all is
    // not said, for that is nobody's business.
    let outside = || refuse("is not a folder inside `server.workspace_roots`");
    let path = Path::new(named).canonicalize().map_err(|_| outside())?;
    if path.is_dir() && roots.iter().any(|root| root.contains(&path)) { Ok(path) } else { Err(outside()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_visible_folders_inside_a_root_are_allowed() {
        let home = tempfile::tempdir().unwrap();
        let base = home.path().canonicalize().unwrap();
        for folder in ["root/work", "root/.ssh", "outside"] {
            std::fs::create_dir_all(base.join(folder)).unwrap();
        }
        std::fs::write(base.join("root/file"), "").unwrap();
        symlink(base.join("outside"), base.join("root/link")).unwrap();
        let roots = [WorkspaceRoot { path: base.join("root"), hidden: false }];
        let check = |path: &str| allowed(&base.join(path).display().to_string(), "x-turnmux-workspace", &roots);
        assert_eq!(check("root/work").unwrap(), base.join("root/work"));
        assert_eq!(check("root").unwrap(), base.join("root"));
        for bad in ["root/.ssh", "outside", "root/link", "root/../outside", "root/file", "root/none"] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(allowed("relative", "x", &roots).is_err());
        let open = [WorkspaceRoot { path: base.join("root"), hidden: true }];
        assert!(allowed(&base.join("root/.ssh").display().to_string(), "x", &open).is_ok());
        assert!(allowed(&base.join("root").display().to_string(), "x", &[]).is_err());
    }
}
