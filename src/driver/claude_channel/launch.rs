//! What to start: claude as a person uses it, with the plugin.

use std::ffi::OsString;
use std::path::Path;

use super::folder::{ChannelFolder, HostFiles};
use super::screen;
use crate::channel::{Token, plugin};
use crate::driver::OpenRequest;
use crate::driver::claude::launch;
use crate::process::{SpawnRequest, TerminalSize};
use crate::protocol::{ErrorKind, TurnError};

/// The terminal's size. Wide, so that no dialog wraps.
pub(super) const SIZE: TerminalSize = TerminalSize { rows: 50, cols: 160 };

/// Everything that the process manager needs.
///
/// # Errors
/// Those of [`launch::program`], and [`ErrorKind::StartFailed`] when the system prompt cannot be written.
pub(super) fn spawn_request(
    request: &OpenRequest,
    own_program: &Path,
    folder: &ChannelFolder,
    files: &HostFiles,
    bridge: &str,
    token: &Token,
) -> Result<SpawnRequest, TurnError> {
    let prompt = match &request.options.system_prompt {
        Some(prompt) => Some(files.write_prompt(prompt).map_err(|error| {
            TurnError::new(
                ErrorKind::StartFailed,
                format!("the system prompt cannot be written for the agent: {error}"),
            )
        })?),
        None => None,
    };
    let mut env = launch::env(&request.spec);
    let mut set = |name: &str, value: OsString| env.insert(name.into(), value);
    for (name, value) in screen::ENVIRONMENT {
        set(name, value.into());
    }
    set("TURNMUX_BIN", own_program.into());
    set("TURNMUX_CHANNEL_URL", bridge.into());
    set("TURNMUX_CHANNEL_TOKEN", token.expose().into());
    set("TURNMUX_CHANNEL_SESSION", request.label.clone().into());
    Ok(SpawnRequest {
        program: launch::program(&request.spec, &request.directory)?,
        args: args(request, &folder.plugin(), files, prompt),
        env: env.into_iter().collect(),
        directory: request.directory.clone(),
        label: request.label.clone(),
        terminal: Some(SIZE),
    })
}

fn args(request: &OpenRequest, plugin_folder: &Path, files: &HostFiles, prompt: Option<&Path>) -> Vec<OsString> {
    let mut args: Vec<OsString> = Vec::new();
    let mut add = |name: &str, value: OsString| args.extend([name.into(), value]);
    add("--plugin-dir", plugin_folder.into());
    // The plugin comes with turnmux, so claude's question about channels in development is answered with yes.
    add("--dangerously-load-development-channels", plugin::CHANNEL.into());
    add("--allowedTools", plugin::REPLY_TOOL.into());
    add("--allowedTools", may_read(&files.images));
    add("--debug-file", files.log.clone().into());
    if let Some(prompt) = prompt {
        add("--append-system-prompt-file", prompt.into());
    }
    args.extend(launch::args(request));
    args
}

/// claude's rule that it may read what lies in that folder. Two slashes are its sign for the root of the file system.
fn may_read(folder: &Path) -> OsString {
    let mut rule = OsString::from("Read(/");
    rule.push(folder);
    rule.push("/**)");
    rule
}
