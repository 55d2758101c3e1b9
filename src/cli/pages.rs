//! `turnmux completions` and `turnmux man`: what shells and `man` know of the command line, made from its own definition.

use std::io;
use std::path::PathBuf;

use clap::Command;
use clap_complete::Shell;

use super::output;

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
    pub fn run(&self, command: &Command) -> io::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut visible(command), "turnmux", &mut script);
        output::text(&String::from_utf8_lossy(&script))
    }
}

impl Man {
    /// Prints turnmux's page, or writes all of them.
    ///
    /// # Errors
    /// When nobody takes it, or the folder cannot be written.
    pub fn run(&self, command: &Command) -> io::Result<()> {
        let command = visible(command);
        if let Some(dir) = &self.dir {
            std::fs::create_dir_all(dir)?;
            return clap_mangen::generate_to(command, dir);
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        output::text(&String::from_utf8_lossy(&page))
    }
}

/// The same without the verbs that only turnmux itself uses.
fn visible(command: &Command) -> Command {
    let mut shown = Command::new("turnmux").version(env!("CARGO_PKG_VERSION")).subcommand_required(true);
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    shown.args(command.get_arguments()).subcommands(command.get_subcommands().filter(|verb| !verb.is_hide_set()))
}
