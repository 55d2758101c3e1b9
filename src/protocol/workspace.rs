//! Where agents may be sent to.

use std::path::{Component, Path, PathBuf};

/// A folder within which a workspace may lie: one that a request names, and one that an agent is told to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceRoot {
    /// The folder, absolute; symbolic links are not yet followed.
    pub path: PathBuf,
    /// Whether what lies below a folder whose name begins with a dot belongs to it. Only the default root says no.
    pub hidden: bool,
}

impl WorkspaceRoot {
    /// Whether a folder lies inside, or is the root itself. Its links are to be resolved before, or one inside the root
    /// would lead out of it.
    pub fn contains(&self, resolved: &Path) -> bool {
        let Ok(base) = self.path.canonicalize() else { return false };
        let Ok(rest) = resolved.strip_prefix(&base) else { return false };
        let dotted = |part: Component<'_>| part.as_os_str().as_encoded_bytes().starts_with(b".");
        self.hidden || !rest.components().any(dotted)
    }
}
