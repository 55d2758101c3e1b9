//! What the configuration takes from the world outside of it, as a value: tests need no global state.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::{env, fs};

use super::ConfigError;

/// Variables, folders and memory of the process that reads the configuration.
#[derive(Clone)]
pub struct Environment {
    /// The environment variables; those with a name that is not UTF-8 are left out, for none of ours is among them.
    pub variables: BTreeMap<String, OsString>,
    /// The working directory, absolute.
    pub cwd: PathBuf,
    /// The user's home directory, where it is known.
    pub home: Option<PathBuf>,
    /// The machine's memory in bytes, or the container's limit where that is lower; none where it cannot be told.
    pub memory_bytes: Option<u64>,
}

impl Environment {
    /// The environment of this process.
    pub fn from_process() -> Result<Self, ConfigError> {
        Ok(Self {
            variables: env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect(),
            cwd: env::current_dir().map_err(ConfigError::NoWorkingDirectory)?,
            home: env::home_dir().filter(|home| home.is_absolute()),
            memory_bytes: memory_bytes(),
        })
    }

    /// A variable that is text and not empty: shells and compose files say "unset" with an empty value.
    pub fn text(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        match self.variables.get(name) {
            None => Ok(None),
            Some(value) => match value.to_str() {
                None => Err(ConfigError::NotUnicode(name.to_owned())),
                Some(text) => Ok((!text.is_empty()).then_some(text)),
            },
        }
    }

    /// The variables as a program gets them that is started with all of them.
    pub fn inherited(&self) -> impl Iterator<Item = (OsString, OsString)> {
        self.variables.iter().map(|(name, value)| (name.into(), value.clone()))
    }

    /// A variable that is a path and not empty.
    pub(super) fn path(&self, name: &str) -> Option<&Path> {
        self.variables.get(name).filter(|value| !value.is_empty()).map(Path::new)
    }
}

impl fmt::Debug for Environment {
    /// Leaves the variables out: some are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("cwd", &self.cwd)
            .field("home", &self.home)
            .field("memory_bytes", &self.memory_bytes)
            .finish_non_exhaustive()
    }
}

/// Linux says it in files. Elsewhere these are missing, and the default of `sessions.max_live` is a fixed number.
fn memory_bytes() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(total_of_meminfo)?;
    // The limit of the container's own cgroup (version 2); `max`, which is no number, is none.
    let container = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    Some(container.map_or(machine, |limit: u64| limit.min(machine)))
}

fn total_of_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_counts_in_kibibytes() {
        let text = "MemFree:  1 kB\nMemTotal:       16336292 kB\nMemAvailable:   123 kB\n";
        assert_eq!(total_of_meminfo(text), Some(16_336_292 * 1024));
        assert_eq!(total_of_meminfo("MemTotal: lots\n"), None);
        assert_eq!(total_of_meminfo(""), None);
    }

    #[test]
    fn debug_shows_no_variable() {
        let mut environment = Environment::from_process().unwrap();
        environment.variables.insert("TURNMUX_API_KEY".to_owned(), "very-secret-key".into());
        assert!(!format!("{environment:?}").contains("very-secret-key"));
    }
}
