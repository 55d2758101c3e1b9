//! The backends: whether each program is there, which release it is, whether it is signed in; and channels.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::finding::{Finding, State, quoted, release};
use crate::config::{Config, Environment};
use crate::process::{FindError, Finished, RunError, find_program, run};
use crate::protocol::{BackendId, BackendSpec};

/// The oldest release of claude that turnmux was tried with.
const OLDEST: [u32; 3] = [2, 1, 197];

/// How long claude has for each question. It takes 0.02 to 1.5 s.
const LIMIT: Duration = Duration::from_secs(20);

/// claude's file about its user may be large, with much that is no business of ours.
const MEMORY_BYTES: u64 = 64 << 20;

/// It is only looked at: it is not to update itself meanwhile, nor to ask anybody anything.
const QUIET: [(&str, &str); 2] = [("DISABLE_AUTOUPDATER", "1"), (NO_TRAFFIC, "1")];

/// With it claude does not hear of channels.
const NO_TRAFFIC: &str = "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC";

/// A whole environment.
type Variables = BTreeMap<OsString, OsString>;

/// What was found of all of them.
pub(super) struct Agents {
    pub(super) findings: Vec<Finding>,
    /// Whether the backend of requests that name none can run.
    pub(super) default_runs: bool,
}

/// What was found of one program in one environment. Backends share it.
struct Probe {
    state: State,
    found: String,
    todo: Option<String>,
}

/// What `claude auth status` says, without what says who the user is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignIn {
    logged_in: bool,
    #[serde(default)]
    auth_method: String,
}

/// The part of claude's memory that says what its service has switched on.
#[derive(Deserialize)]
struct Memory {
    #[serde(default, rename = "cachedGrowthBookFeatures")]
    features: BTreeMap<String, serde_json::Value>,
}

pub(super) async fn examine(config: &Config, environment: &Environment) -> Agents {
    let mut probes: BTreeMap<(&str, Variables), (State, &BackendId)> = BTreeMap::new();
    let mut findings = Vec::new();
    let is_default = |spec: &&BackendSpec| spec.id == config.default_backend;
    let (first, others): (Vec<_>, Vec<_>) = config.backends.values().partition(is_default);
    for spec in first.into_iter().chain(others) {
        let check = format!("backend {}{}", spec.id, if is_default(&spec) { " (default)" } else { "" });
        let key = (&*spec.command, spec.environment(environment.inherited()));
        let way = way(&spec.driver);
        if let Some((state, id)) = probes.get(&key) {
            findings.push(Finding::new(check, *state, format!("{way}: the same program as {id}")));
            continue;
        }
        let Probe { state, found, todo } = probe(spec, &key.1, environment).await;
        findings.push(Finding { check, state, found: format!("{way}: {found}"), todo });
        probes.insert(key, (state, &spec.id));
    }
    let default_runs = findings.first().is_some_and(|finding| finding.state != State::Bad);
    findings.extend(channels(config, environment));
    Agents { findings, default_runs }
}

fn way(driver: &str) -> &str {
    match driver {
        "claude-stream" => "over stdio",
        "claude-channel" => "in a terminal",
        "claude" => "in a terminal where there are channels",
        other => other,
    }
}

async fn probe(spec: &BackendSpec, env: &Variables, environment: &Environment) -> Probe {
    let bad = |found: String, todo: &str| Probe { state: State::Bad, found, todo: Some(todo.to_owned()) };
    let path = env.get(OsStr::new("PATH")).map(OsString::as_os_str);
    let program = match find_program(OsStr::new(&spec.command), path, &environment.cwd) {
        Ok(program) => program,
        Err(FindError::NotFound { name, .. }) => {
            let todo = format!(
                "`npm install -g @anthropic-ai/claude-code` brings claude; another program is named by `command` under \
                 [backends.{}]",
                spec.id
            );
            return bad(format!("{name} is not there, or not on PATH"), &todo);
        }
        Err(error) => return bad(error.to_string(), "Then ask again"),
    };
    let shown = program.display().to_string();
    let update = format!("`{shown} update`, or install it anew");
    let version = match ask(&program, env, environment, &["--version"]).await {
        Ok(finished) if finished.status.success() => finished.stdout,
        Ok(finished) => {
            let said = quoted(&format!("{} {}", finished.stderr, finished.stdout));
            return bad(format!("{shown} does not run ({}): {said}", finished.status), &update);
        }
        Err(error) => return bad(format!("{shown} does not run: {error}"), &update),
    };
    let named = version.split_whitespace().next().map(quoted).unwrap_or_default();
    let found = format!("{shown}, release {named}");
    let is_old = release(&named).is_some_and(|release| release < OLDEST);
    match signed_in(&program, env, environment).await {
        Some(SignIn { logged_in: false, .. }) => bad(
            format!("{found}, not signed in"),
            &format!("Run `{shown}` once and sign in, or set ANTHROPIC_API_KEY for the daemon"),
        ),
        _ if is_old => {
            Probe { state: State::Warn, found: format!("{found}, older than any that was tried"), todo: Some(update) }
        }
        Some(SignIn { auth_method, .. }) => {
            Probe { state: State::Ok, found: format!("{found}, signed in ({})", quoted(&auth_method)), todo: None }
        }
        None => Probe {
            state: State::Warn,
            found: format!("{found}; it does not say whether it is signed in"),
            todo: Some(format!("`{shown} auth status` is what was asked")),
        },
    }
}

/// What claude itself says of it; none where it has no such answer.
async fn signed_in(program: &Path, env: &Variables, environment: &Environment) -> Option<SignIn> {
    let finished = ask(program, env, environment, &["auth", "status"]).await.ok()?;
    serde_json::from_str(&finished.stdout).ok()
}

async fn ask(program: &Path, env: &Variables, environment: &Environment, args: &[&str]) -> Result<Finished, RunError> {
    let mut env = env.clone();
    env.extend(QUIET.map(|(name, value)| (name.into(), value.into())));
    run(program, args, env, &environment.cwd, LIMIT).await
}

/// Whether a claude in a terminal can have channels, as far as its memory of the account tells. What counts is what it says
/// when it starts.
fn channels(config: &Config, environment: &Environment) -> Option<Finding> {
    let wants = |spec: &BackendSpec| matches!(&*spec.driver, "claude-channel" | "claude");
    let default = config.backends.get(&config.default_backend).filter(|spec| wants(spec));
    let spec = default.or_else(|| config.backends.values().find(|spec| wants(spec)))?;
    let finding = |state, found: &str| Finding::new("channels", state, found);
    let missing = if default.is_some() { State::Warn } else { State::None };
    let env = spec.environment(environment.inherited());
    if env.contains_key(OsStr::new(NO_TRAFFIC)) {
        let todo = format!("Take it away if you want backend {}", spec.id);
        return Some(finding(missing, &format!("switched off by {NO_TRAFFIC}")).todo(todo));
    }
    let folder = ["CLAUDE_CONFIG_DIR", "HOME"].iter().find_map(|name| env.get(OsStr::new(name)));
    let file = PathBuf::from(folder?).join(".claude.json");
    Some(match switched_on(&file) {
        Some(true) => finding(State::Ok, "claude's memory of the account has them"),
        Some(false) => finding(missing, "claude's memory of the account has none")
            .todo("Only a claude.ai account that has channels runs claude in a terminal; claude over stdio needs none"),
        None => finding(missing, "claude has no memory of an account yet").todo("Run claude once"),
    })
}

fn switched_on(file: &Path) -> Option<bool> {
    if std::fs::metadata(file).ok()?.len() > MEMORY_BYTES {
        return None;
    }
    let memory: Memory = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    Some(memory.features.get("tengu_harbor").is_some_and(|value| value == true))
}
