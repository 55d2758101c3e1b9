//! What to start: claude as a program that serves turns over stdio.

use std::ffi::OsString;

use crate::driver::OpenRequest;
use crate::driver::claude::launch;
use crate::process::SpawnRequest;
use crate::protocol::TurnError;

/// What makes claude a program that serves turns over stdio.
const FIXED: [&str; 10] = [
    "-p",
    "--input-format",
    "stream-json",
    "--output-format",
    "stream-json",
    "--verbose",
    "--include-partial-messages",
    "--replay-user-messages",
    "--permission-prompt-tool",
    "stdio",
];

/// Everything that the process manager needs.
///
/// # Errors
/// Those of [`launch::program`].
pub(super) fn spawn_request(request: &OpenRequest) -> Result<SpawnRequest, TurnError> {
    Ok(SpawnRequest {
        program: launch::program(&request.spec, &request.directory)?,
        args: args(request),
        env: launch::env(&request.spec).into_iter().collect(),
        directory: request.directory.clone(),
        terminal: None,
        label: request.label.clone(),
    })
}

fn args(request: &OpenRequest) -> Vec<OsString> {
    let mut args: Vec<OsString> = FIXED.iter().map(OsString::from).collect();
    args.extend(launch::args(request));
    args
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::driver::{RawWanted, TerminalSlot};
    use crate::protocol::{BackendId, BackendSpec, ThreadId, ThreadOrigin, TurnOptions};

    #[test]
    fn the_permission_mode_is_always_said_and_no_prompt_is() {
        let thread = ThreadId::generate();
        let spec = BackendSpec {
            args: vec!["--add-dir".into(), "/tmp".into()],
            system_prompt: Some("be brief".into()),
            ..BackendSpec::new(BackendId::new("claude-code"), super::super::NAME, "claude")
        };
        let request = OpenRequest {
            origin: ThreadOrigin::New(thread.clone()),
            spec: Arc::new(spec),
            directory: "/".into(),
            options: TurnOptions { system_prompt: Some("be brief".into()), ..TurnOptions::default() },
            label: "a::b".into(),
            raw: RawWanted::default(),
            terminal: TerminalSlot::default(),
        };
        let args: Vec<_> = args(&request).into_iter().map(|arg| arg.into_string().unwrap()).collect();
        let args = args.join(" ");
        assert!(args.contains("--permission-mode default"), "{args}");
        assert!(args.ends_with(&format!("--session-id {thread} --add-dir /tmp")), "{args}");
        assert!(!args.contains("be brief"), "{args}");
    }
}
