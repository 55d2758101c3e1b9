//! Where paths of the configuration begin.

use std::path::{Path, PathBuf};

use figment::value::magic::RelativePathBuf;

use super::Environment;

/// Makes a path absolute: `~/` is the home directory, others begin at the folder of the file that they stand in, or at
/// the working directory. The error is a sentence.
pub(super) fn absolute(path: &RelativePathBuf, environment: &Environment) -> Result<PathBuf, &'static str> {
    let written = path.original();
    if written.as_os_str().is_empty() {
        return Err("it is an empty path");
    }
    let absolute = match written.strip_prefix("~") {
        Ok(below_home) => match &environment.home {
            Some(home) => home.join(below_home),
            None => return Err("it begins with ~, and HOME is not set"),
        },
        Err(_) => environment.cwd.join(path.relative()),
    };
    Ok(without_dots(&absolute))
}

/// Takes `.` out, and leaves `..`, which means something else behind a symbolic link.
fn without_dots(path: &Path) -> PathBuf {
    path.components().collect()
}

/// The folder for what is true of this machine's daemons.
pub(super) fn state(environment: &Environment) -> Option<PathBuf> {
    Some(base(environment, "XDG_STATE_HOME", ".local/state")?.join("turnmux"))
}

/// The folder of what the user has set, for all programs; none without a home.
pub fn user_config(environment: &Environment) -> Option<PathBuf> {
    base(environment, "XDG_CONFIG_HOME", ".config")
}

/// A base directory of the XDG specification: what its variable says, or where it is below the home directory.
fn base(environment: &Environment, variable: &str, below_home: &str) -> Option<PathBuf> {
    // The specification says that a relative one counts as unset.
    let said = environment.path(variable).filter(|path| path.is_absolute()).map(Path::to_owned);
    said.or_else(|| environment.home.as_ref().map(|home| home.join(below_home)))
}
