//! Loading as a whole, in a folder of its own and with an environment that is made up.

mod backends;
mod bounds;
mod keys;
mod layers;
mod mistakes;
mod template;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::{Config, ConfigError, Environment, Overrides};
use crate::protocol::{BackendId, BackendSpec};

/// A working directory, a home beside it, no variables, no file.
struct World {
    folder: tempfile::TempDir,
    environment: Environment,
    overrides: Overrides,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (cwd, home) = (folder.path().join("work"), folder.path().join("home"));
        fs::create_dir(&cwd).unwrap();
        fs::create_dir(&home).unwrap();
        let environment =
            Environment { variables: [].into(), cwd, home: Some(home), memory_bytes: Some(64_000_000_000) };
        Self { folder, environment, overrides: Overrides::default() }
    }

    /// With this `turnmux.toml` in the working directory.
    fn with_file(text: &str) -> Self {
        let world = Self::new();
        world.write("work/turnmux.toml", text);
        world
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.variables.insert(name.to_owned(), value.into());
        self
    }

    fn with_flags(mut self, overrides: Overrides) -> Self {
        self.overrides = overrides;
        self
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Writes a file that only its owner can read.
    fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn try_load(&self) -> Result<Config, ConfigError> {
        Config::load(&self.overrides, &self.environment)
    }

    fn load(&self) -> Config {
        self.try_load().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The text of the refusal.
    fn refusal(&self) -> String {
        match self.try_load() {
            Ok(config) => panic!("accepted: {config:?}"),
            Err(error) => error.to_string(),
        }
    }
}

impl Config {
    /// As dispatch resolves a request's `model`: an alias first, then a backend's own name.
    fn resolve_model(&self, model: &str) -> Option<&BackendSpec> {
        match self.aliases.get(model) {
            Some(id) => self.backends.get(id),
            None => self.backends.get(&BackendId::new(model)),
        }
    }

    /// The names of all backends, in alphabetical order.
    fn backend_names(&self) -> impl Iterator<Item = &BackendId> {
        self.backends.keys()
    }
}
