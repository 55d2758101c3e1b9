//! What every claude is started with, however it is spoken with: the program, its environment, its permission mode, its
//! thread. No prompt and no secret stands among the arguments.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::driver::OpenRequest;
use crate::process::find_program;
use crate::protocol::{BackendSpec, ErrorKind, Permission, ThreadOrigin, TurnError};

/// The variables that except hosts from a proxy; which one counts depends on the program that reads it.
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// Where hooks go, and callers' servers of tools are.
const THIS_MACHINE: &str = "127.0.0.1,localhost,::1";

/// The program's path, and the check that it is there.
///
/// # Errors
/// [`ErrorKind::NotInstalled`] or [`ErrorKind::Misconfigured`], with what to do.
pub(in crate::driver) fn program(spec: &BackendSpec, directory: &Path) -> Result<PathBuf, TurnError> {
    let path = spec.env.get("PATH").map(OsString::from).or_else(|| std::env::var_os("PATH"));
    let program = find_program(OsStr::new(&spec.command), path.as_deref(), directory).map_err(|error| {
        let message = format!(
            "backend {} cannot run: {error}. Claude Code is installed with `npm install -g @anthropic-ai/claude-code`; \
             another program is named by `command` under [backends.{}]",
            spec.id, spec.id
        );
        TurnError::new(ErrorKind::NotInstalled, message)
    })?;
    if !directory.is_dir() {
        let message = format!(
            "backend {} cannot run: its directory {} is not there; bring it back, or reset the session and name another \
             workspace",
            spec.id,
            directory.display()
        );
        return Err(TurnError::new(ErrorKind::Misconfigured, message));
    }
    Ok(program)
}

/// claude's name for a permission.
pub(in crate::driver) fn permission_mode(permission: Permission) -> &'static str {
    match permission {
        Permission::Ask => "default",
        Permission::AcceptEdits => "acceptEdits",
        Permission::Deny => "dontAsk",
        Permission::Bypass => "bypassPermissions",
    }
}

/// Whether a mode that claude reports allows more than the permission that was asked for.
pub(in crate::driver) fn laxer(reported: &str, permission: Permission) -> bool {
    let rank = |mode: &str| match mode {
        "plan" | "dontAsk" => 0,
        "default" | "manual" => 1,
        "acceptEdits" => 2,
        "auto" => 3,
        _ => 4,
    };
    // `dontAsk` and `default` allow the same, for nobody can be asked.
    rank(reported) > rank(permission_mode(permission)).max(1)
}

/// The arguments that all of them share: permission mode, model, effort and thread, and then those of the backend.
pub(in crate::driver) fn args(request: &OpenRequest) -> Vec<OsString> {
    let mut args: Vec<String> = Vec::new();
    let mut add = |name: &str, value: &str| args.extend([name.to_owned(), value.to_owned()]);
    add("--permission-mode", permission_mode(request.options.permission));
    if let Some(model) = &request.options.model {
        add("--model", model);
    }
    if let Some(effort) = &request.options.effort {
        add("--effort", effort);
    }
    match &request.origin {
        ThreadOrigin::New(thread) => add("--session-id", thread.as_str()),
        ThreadOrigin::Resume(thread) => add("--resume", thread.as_str()),
        ThreadOrigin::Fork { from, at, into } => {
            add("--resume", from.as_str());
            add("--session-id", into.as_str());
            if let Some(at) = at {
                add("--resume-session-at", at);
            }
            args.push("--fork-session".into());
        }
    }
    args.extend(request.spec.args.iter().cloned());
    args.into_iter().map(OsString::from).collect()
}

/// The whole environment: the daemon's own, as far as the backend's policy lets it through, and the backend's over it.
pub(in crate::driver) fn env(spec: &BackendSpec) -> BTreeMap<OsString, OsString> {
    let mut env = spec.environment(std::env::vars_os());
    // claude sends its hooks, and what it has for servers of tools, through the proxy, where one is set and nothing excepts them.
    for name in NO_PROXY {
        let excepted = env.get(OsStr::new(name)).filter(|hosts| !hosts.is_empty());
        let hosts = excepted.map_or_else(
            || THIS_MACHINE.into(),
            |hosts| [hosts.as_os_str(), THIS_MACHINE.as_ref()].join(OsStr::new(",")),
        );
        env.insert(name.into(), hosts);
    }
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_laxer_mode_than_asked_for_is_noticed() {
        assert!(laxer("auto", Permission::Ask) && laxer("bypassPermissions", Permission::AcceptEdits));
        assert!(laxer("something new", Permission::Ask));
        assert!(!laxer("plan", Permission::Ask) && !laxer("default", Permission::Deny));
        assert!(!laxer("bypassPermissions", Permission::Bypass));
    }
}
