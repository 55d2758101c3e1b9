//! Workspaces that requests name: only inside the configured roots.

use std::path::{Path, PathBuf};

use super::respond::ApiError;
use crate::protocol::{TenantLimits, WorkspaceRoot};

/// The folders that a request may name, and what they are called.
#[derive(Clone, Copy)]
pub(super) struct Roots<'a> {
    /// The daemon's, or those of the request's tenant.
    roots: &'a [WorkspaceRoot],
    setting: &'static str,
}

impl<'a> Roots<'a> {
    /// Those of a tenant: its own where its key has any.
    pub(super) fn of(limits: &'a TenantLimits, daemons: &'a [WorkspaceRoot]) -> Self {
        match &limits.workspace_roots {
            Some(own) => Self { roots: own, setting: "the `workspace_roots` of this API key" },
            None => Self { roots: daemons, setting: "`server.workspace_roots`" },
        }
    }
}

/// The folder that a request's header names, links resolved.
///
/// # Errors
/// When it is not absolute, not there, not a folder, or outside the roots.
pub(super) fn allowed(named: &str, header: &str, roots: Roots<'_>) -> Result<PathBuf, ApiError> {
    let refuse = |why: &str| ApiError::field(header, "workspace_not_allowed", format!("workspace `{named}` {why}"));
    if !Path::new(named).is_absolute() {
        return Err(refuse("is not an absolute path"));
    }
    // Links are resolved first, or one inside a root would lead out of it. Whether something outside is there at all is
    // not said, for that is nobody's business.
    let outside = || refuse(&format!("is not a folder inside {}", roots.setting));
    let path = Path::new(named).canonicalize().map_err(|_| outside())?;
    if path.is_dir() && roots.roots.iter().any(|root| root.contains(&path)) { Ok(path) } else { Err(outside()) }
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
        let unbounded = TenantLimits::default();
        let within = |path: &str, roots: &[WorkspaceRoot]| {
            let roots = Roots::of(&unbounded, roots);
            allowed(&base.join(path).display().to_string(), "x-turnmux-workspace", roots)
        };
        let check = |path: &str| within(path, &roots);
        assert_eq!(check("root/work").unwrap(), base.join("root/work"));
        assert_eq!(check("root").unwrap(), base.join("root"));
        for bad in ["root/.ssh", "outside", "root/link", "root/../outside", "root/file", "root/none"] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(allowed("relative", "x", Roots::of(&unbounded, &roots)).is_err());
        let open = [WorkspaceRoot { path: base.join("root"), hidden: true }];
        assert!(within("root/.ssh", &open).is_ok());
        assert!(within("root", &[]).is_err());
    }
}
