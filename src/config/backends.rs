//! The backends: those that are built in, and what one takes from another.
//!
//! `claude-code`, `claude-code-opus`, `claude-code-sonnet` and `claude-channel` are there without any configuration. What the
//! file (or a variable) says about `claude-code` holds for the others as well, key by key, unless it says something else
//! about them; only what they are there for is their own: the model of the two, the driver of the third. Their `env` has
//! the variables of both tables, and their own win.
//! No other backend inherits anything.

use std::collections::BTreeMap;

use super::environment::Environment;
use super::layer::Layer;
use super::resolve::invalid;
use super::schema::Backend;
use super::{ConfigError, paths};
use crate::protocol::{BackendId, BackendSpec, Permission};

/// The ids that are there without any configuration.
pub(super) const BUILT_IN_IDS: [&str; 4] = [BASE, "claude-code-opus", "claude-code-sonnet", "claude-channel"];

/// The backend that the other built-in ones inherit from.
const BASE: &str = "claude-code";

/// The built-in backends that inherit: a driver of their own, or one of claude's own short names for a model.
const VARIANTS: [(&str, Option<&str>, Option<&str>); 3] = [
    ("claude-code-opus", None, Some("opus")),
    ("claude-code-sonnet", None, Some("sonnet")),
    ("claude-channel", Some("claude-channel"), None),
];

/// The longest id, in bytes. It stands in headers and logs.
const ID_MAX: usize = 128;

/// All backends, ready for the drivers. `permission`, a flag, beats what they say themselves.
pub(super) fn resolve(
    mut configured: BTreeMap<String, Backend>,
    permission: Option<Permission>,
    environment: &Environment,
    layers: &[Layer],
) -> Result<BTreeMap<BackendId, BackendSpec>, ConfigError> {
    let base = configured.entry(BASE.to_owned()).or_default().clone();
    for (id, driver, model) in VARIANTS {
        let mut own = configured.remove(id).unwrap_or_default();
        own.driver = own.driver.or_else(|| driver.map(str::to_owned));
        own.model = own.model.or_else(|| model.map(str::to_owned));
        configured.insert(id.to_owned(), inherit(own, base.clone()));
    }
    configured
        .into_iter()
        .map(|(id, backend)| {
            let mut spec = spec(&id, backend, environment, layers)?;
            spec.permission = permission.unwrap_or(spec.permission);
            Ok((spec.id.clone(), spec))
        })
        .collect()
}

fn inherit(own: Backend, base: Backend) -> Backend {
    let mut env = base.env;
    env.extend(own.env);
    Backend {
        driver: own.driver.or(base.driver),
        command: own.command.or(base.command),
        args: own.args.or(base.args),
        env,
        env_policy: own.env_policy.or(base.env_policy),
        model: own.model.or(base.model),
        workspace: own.workspace.or(base.workspace),
        permission: own.permission.or(base.permission),
        system_prompt: own.system_prompt.or(base.system_prompt),
        effort: own.effort.or(base.effort),
        commands: own.commands.or(base.commands),
    }
}

fn spec(id: &str, backend: Backend, environment: &Environment, layers: &[Layer]) -> Result<BackendSpec, ConfigError> {
    let wrong = |key: &str, problem: &str| invalid(layers, &["backends", id, key], problem);
    if id.is_empty() || id.len() > ID_MAX || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        let problem = "a backend's name is at most 128 visible ASCII characters without spaces";
        return Err(invalid(layers, &["backends", id], problem));
    }
    let command = match backend.command {
        None => "claude".to_owned(),
        Some(command) => match command.original().to_str() {
            None | Some("") => return Err(wrong("command", "it is empty; name a program")),
            Some(name) if !name.contains('/') => name.to_owned(),
            Some(_) => paths::absolute(&command, environment)
                .map_err(|problem| wrong("command", problem))?
                .into_os_string()
                .into_string()
                .map_err(|_| wrong("command", "it lies in a folder whose name is not UTF-8; write an absolute path"))?,
        },
    };
    // What no process can be given would fail only when one is started, and with a poorer message.
    if backend.env.keys().any(|name| name.is_empty() || name.contains(['=', '\0'])) {
        return Err(wrong("env", "a variable's name is not empty and has no `=` in it"));
    }
    if backend.env.values().chain(backend.args.iter().flatten()).any(|text| text.contains('\0')) {
        return Err(invalid(layers, &["backends", id], "neither `env` nor `args` can hold a NUL character"));
    }
    let workspace = backend.workspace.map(|path| paths::absolute(&path, environment)).transpose();
    let not_empty = |text: &String| !text.is_empty();
    Ok(BackendSpec {
        id: BackendId::new(id),
        driver: backend.driver.unwrap_or_else(|| "claude-stream".to_owned()),
        command,
        args: backend.args.unwrap_or_default(),
        env: backend.env,
        env_policy: backend.env_policy.unwrap_or_default(),
        model: backend.model.filter(not_empty),
        workspace: workspace.map_err(|problem| wrong("workspace", problem))?,
        permission: backend.permission.unwrap_or_default(),
        system_prompt: backend.system_prompt.filter(not_empty),
        effort: backend.effort.filter(not_empty),
        commands: backend.commands.unwrap_or_default(),
    })
}
