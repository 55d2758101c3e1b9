//! `turnmux init`: a configuration file to begin with.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::{Failure, output};
use crate::config::{Environment, template, user_file};

/// What is to be written, and where.
#[derive(Debug, Clone, clap::Args)]
pub struct Init {
    /// Where to write it; `-` is stdout [default: ~/.config/turnmux/turnmux.toml]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Say what was written as JSON
    #[arg(long)]
    json: bool,
}

/// Why no file was written.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// There is one.
    #[error("{} is there already, and stays as it is; name another file, or `-` to see what would be written", .0.display())]
    Exists(PathBuf),
    /// There is no place for it.
    #[error("HOME is not set, so there is no usual place for it; name a file, or `-` for stdout")]
    NoHome,
    /// The system refuses.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl From<InitError> for Failure {
    fn from(error: InitError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Init {
    /// Writes the file and says where it is. It never takes the place of another.
    ///
    /// # Errors
    /// When there is a file already, or none can be written.
    pub fn run(&self, environment: &Environment) -> Result<ExitCode, Failure> {
        if self.file.as_deref() == Some(Path::new("-")) {
            output::text(&template()).map_err(Failure::output)?;
            return Ok(ExitCode::SUCCESS);
        }
        let named = self.file.as_ref().map(|file| environment.cwd.join(file));
        let path = named.or_else(|| user_file(environment)).ok_or(InitError::NoHome)?;
        write_new(&path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => InitError::Exists(path.clone()),
            _ => InitError::Write { path: path.clone(), source },
        })?;
        let said = if self.json {
            output::json(&json!({"written": path}))
        } else {
            output::text(&format!("wrote {}; see what comes of it: turnmux doctor\n", path.display()))
        };
        said.map_err(Failure::output)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Readable by its owner alone, for a backend's variables may be secrets.
fn write_new(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(template().as_bytes())
}
