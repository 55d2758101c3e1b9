//! The verb itself: the plan is made, then shown or carried out.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use super::plan::{Plan, Service, Step, Unit};
use super::{ServiceError, launchd, systemd};
use crate::cli::{Failure, output};
use crate::config::{Config, Environment, Overrides, user_config, user_file};
use crate::process::{find_program, run};

/// A service manager waits for the daemon to be ready, or to stop, which takes up to its `TimeoutStopSec`.
const LIMIT: Duration = Duration::from_mins(2);

/// What is to be done about the service.
#[derive(Debug, Clone, clap::Args)]
pub struct InstallService {
    /// The configuration file of the service [default: ~/.config/turnmux/turnmux.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Stop the service and take it away again
    #[arg(long)]
    remove: bool,
    /// Say what is done as JSON
    #[arg(long)]
    json: bool,
}

impl InstallService {
    /// Installs turnmux as a service of this user, or removes it. Done again, it changes nothing.
    ///
    /// # Errors
    /// When the service could not start, its files cannot be written, or the service manager refuses.
    pub async fn run(&self, environment: &Environment) -> Result<ExitCode, Failure> {
        let service = self.service(environment)?;
        let plan = match (cfg!(target_os = "macos"), self.remove) {
            (false, false) => systemd::install(&service),
            (false, true) => systemd::remove(&service),
            (true, false) => launchd::install(&service),
            (true, true) => launchd::remove(&service),
        };
        if !self.dry_run {
            carry_out(&plan, environment).await?;
        }
        self.say(&plan).map_err(Failure::output)?;
        Ok(ExitCode::SUCCESS)
    }

    fn service(&self, environment: &Environment) -> Result<Service, ServiceError> {
        let home = environment.home.clone().ok_or(ServiceError::NoHome)?;
        let config_home = user_config(environment).ok_or(ServiceError::NoHome)?;
        let program = std::env::current_exe().map_err(ServiceError::NoProgram)?;
        let path = environment.variables.get("PATH").map(|path| path.to_string_lossy().into_owned());
        let mut service = Service {
            program: program.display().to_string(),
            config: None,
            listen: String::new(),
            path: path.unwrap_or_default(),
            home,
            config_home,
        };
        if self.remove {
            // Whatever is wrong with the configuration, the service can go.
            return Ok(service);
        }
        let config = Config::load(&self.overrides(environment), environment)?;
        if config.server.listen.port() == 0 {
            return Err(ServiceError::NoPort);
        }
        service.listen = config.server.listen.to_string();
        // The service begins in another folder, where a file of this one's is not found.
        let named = config.file.filter(|file| Some(file) != user_file(environment).as_ref());
        service.config = named.map(|file| file.display().to_string());
        Ok(service)
    }

    fn overrides(&self, environment: &Environment) -> Overrides {
        let config = self.config.as_ref().map(|config| environment.cwd.join(config));
        Overrides { config, ..Overrides::default() }
    }

    fn say(&self, plan: &Plan) -> io::Result<()> {
        if self.json {
            return output::json(&json!({"done": !self.dry_run, "changes": plan.changes(), "plan": plan}));
        }
        if self.dry_run {
            return output::text(&plan.text());
        }
        let mut said = String::new();
        for file in &plan.files {
            let _ = writeln!(said, "{}  {}", done(file), file.path.display());
        }
        output::text(&format!("{said}{}\n", plan.note))
    }
}

fn done(file: &Unit) -> &'static str {
    match (&file.text, file.changes) {
        (Some(_), true) => "written  ",
        (Some(_), false) => "unchanged",
        (None, true) => "removed  ",
        (None, false) => "not there",
    }
}

async fn carry_out(plan: &Plan, environment: &Environment) -> Result<(), ServiceError> {
    for step in &plan.before {
        take(step, environment).await?;
    }
    for file in plan.files.iter().filter(|file| file.changes) {
        let changed = match &file.text {
            Some(text) => write(&file.path, text),
            None => fs::remove_file(&file.path),
        };
        changed.map_err(|source| ServiceError::File { path: file.path.clone(), source })?;
    }
    for step in &plan.after {
        take(step, environment).await?;
    }
    Ok(())
}

/// As a whole or not at all: the service manager may read it at any time.
fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&beside)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&beside, path)
}

async fn take(step: &Step, environment: &Environment) -> Result<(), ServiceError> {
    let command = step.command.join(" ");
    let path = environment.variables.get("PATH").map(AsRef::as_ref);
    let (name, args) = step.command.split_first().map_or(("", &[][..]), |(name, args)| (name, args));
    let program = find_program(OsStr::new(name), path, &environment.cwd)?;
    let finished = run(&program, args, environment.inherited(), &environment.cwd, LIMIT)
        .await
        .map_err(|source| ServiceError::Run { command: command.clone(), source })?;
    if finished.status.success() || step.may_fail {
        return Ok(());
    }
    let said = if finished.stderr.trim().is_empty() { finished.status.to_string() } else { finished.stderr };
    Err(ServiceError::Refused { command, said: said.trim().to_owned() })
}
