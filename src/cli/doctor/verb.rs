//! The verb itself: everything is looked at, then shown.

use std::path::PathBuf;
use std::process::ExitCode;

use super::finding::{Finding, Report, State};
use super::{agents, openclaw, port, store};
use crate::cli::terminal::Paint;
use crate::cli::{Failure, output};
use crate::config::{Config, Environment, Overrides};

/// What is looked at.
#[derive(Debug, Clone, clap::Args)]
pub struct Doctor {
    /// The configuration file [default: as for `turnmux serve`]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// Looks, and says what it found. Failure means that the default backend cannot run.
    ///
    /// # Errors
    /// When nobody takes what it says.
    pub async fn run(&self, environment: &Environment) -> Result<ExitCode, Failure> {
        let report = self.examine(environment).await;
        let text = || report.text(Paint::of_stdout());
        let printed = if self.json { output::json(&report) } else { output::text(&text()) };
        printed.map_err(Failure::output)?;
        Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn examine(&self, environment: &Environment) -> Report {
        let version = env!("CARGO_PKG_VERSION");
        let overrides = Overrides { config: self.config.clone(), ..Overrides::default() };
        let config = match Config::load(&overrides, environment) {
            Ok(config) => config,
            Err(error) => {
                let finding =
                    Finding::new("configuration", State::Bad, error.to_string()).todo("Until then nothing runs");
                return Report { ok: false, version, checks: vec![finding, openclaw::examine(environment).await] };
            }
        };
        let file = config.file.as_ref().map(|file| file.display().to_string());
        let mut checks = vec![match file {
            Some(file) => Finding::new("configuration", State::Ok, format!("{file} can be used")),
            None => Finding::new("configuration", State::Ok, "no file, all defaults").todo("`turnmux init` writes one"),
        }];
        let (agents, port, openclaw) = tokio::join!(
            agents::examine(&config, environment),
            port::examine(config.server.listen, environment),
            openclaw::examine(environment)
        );
        let ok = agents.default_runs;
        checks.extend(agents.findings);
        checks.extend([port, store::examine(config.store.path.as_deref()), openclaw]);
        Report { ok, version, checks }
    }
}
