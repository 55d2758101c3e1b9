//! The plugin for claude, written out for the agents of one daemon: its hooks POST to that daemon's port, and claude expands
//! no variable in the URL of a hook.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::{fs, process};

/// The name of the reply tool in claude: what `--allowedTools` and hooks call it.
pub const REPLY_TOOL: &str = "mcp__plugin_turnmux_turnmux__reply";

/// What `--dangerously-load-development-channels` calls the plugin, where `--plugin-dir` names its folder.
pub const CHANNEL: &str = "plugin:turnmux@inline";

/// The plugin's files, by their paths in its folder.
const FILES: [(&str, &str); 3] = [
    (".claude-plugin/plugin.json", include_str!("../../plugin/claude/.claude-plugin/plugin.json")),
    (".mcp.json", include_str!("../../plugin/claude/.mcp.json")),
    ("hooks/hooks.json", include_str!("../../plugin/claude/hooks/hooks.json")),
];

/// What stands for the daemon's port in the files.
const PORT: &str = "{{port}}";

/// Writes the plugin into a folder, which is made if it is not there; only its owner can read it. Files that are there are
/// replaced, each at once, so that an agent that starts meanwhile reads the one or the other.
///
/// # Errors
/// When a folder cannot be made or a file not be written.
pub fn write_out(folder: &Path, port: u16) -> io::Result<()> {
    for (name, text) in FILES {
        let path = folder.join(name);
        private_folder(folder)?;
        if let Some(parent) = path.parent() {
            private_folder(parent)?;
        }
        replace(&path, &text.replace(PORT, &port.to_string()))?;
    }
    Ok(())
}

fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o700))
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_added_extension(process::id().to_string());
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new);
    let written = written.and_then(|mut file| file.write_all(text.as_bytes())).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // What is left of it is of no use to anybody.
        let _ = fs::remove_file(&new);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_for_its_owner_and_its_port_only() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("plugins/turnmux");
        write_out(&folder, 1).unwrap();
        write_out(&folder, 54321).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        for (name, _) in FILES {
            let path = folder.join(name);
            assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700), "{name}");
            let text = fs::read_to_string(&path).unwrap();
            let _json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert!(!text.contains("{{"), "{name}: {text}");
        }
        let hooks = fs::read_to_string(folder.join("hooks/hooks.json")).unwrap();
        assert_eq!(hooks.matches("http://127.0.0.1:54321/hooks").count(), hooks.matches("\"url\"").count());
        assert_eq!(fs::read_dir(folder.join("hooks")).unwrap().count(), 1, "nothing else is left");
    }
}
