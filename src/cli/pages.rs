//! `turnmux completions` and `turnmux man`: what shells and `man` know of the command line, made from its own definition.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;

use super::{Failure, output};

/// For which shell.
#[derive(Debug, Clone, clap::Args)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Where to.
#[derive(Debug, Clone, clap::Args)]
pub struct Man {
    /// A folder for a page of each verb; without it turnmux's own page goes to stdout
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Completions {
    /// Prints the script.
    ///
    /// # Errors
    /// When nobody takes it.
    pub fn run(&self, command: &Command) -> Result<ExitCode, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut visible(command), "turnmux", &mut script);
        output::text(&String::from_utf8_lossy(&script)).map_err(Failure::output)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Man {
    /// Prints turnmux's page, or writes all of them.
    ///
    /// # Errors
    /// When nobody takes it, or the folder cannot be written.
    pub fn run(&self, command: &Command) -> Result<ExitCode, Failure> {
        let command = visible(command);
        if let Some(dir) = &self.dir {
            let written = std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(command, dir));
            written.map_err(|source| Failure::Io { what: "cannot write the pages", source })?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(command).render(&mut page);
        let printed = rendered.and_then(|()| output::text(&String::from_utf8_lossy(&page)));
        printed.map_err(Failure::output)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The same without the verbs that only turnmux itself uses.
fn visible(command: &Command) -> Command {
    let mut shown = Command::new("turnmux").version(env!("CARGO_PKG_VERSION")).subcommand_required(true);
    if let Some(after) = command.get_after_help() {
        shown = shown.after_help(after.clone());
    }
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    shown.args(command.get_arguments()).subcommands(command.get_subcommands().filter(|verb| !verb.is_hide_set()))
}
