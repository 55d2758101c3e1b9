//! From the four layers to a [`Config`].

use figment::Figment;

use super::schema::Schema;
use super::{Config, ConfigError, Environment, Origin, Overrides, diagnose, file, resolve, variables};

impl Config {
    /// Reads and checks the configuration. The errors say where a mistake stands and how to mend it.
    pub fn load(overrides: &Overrides, environment: &Environment) -> Result<Self, ConfigError> {
        let (path, file) = file::load(overrides.config.as_deref(), environment)?.unzip();
        if let Some(file) = &file {
            file.check()?;
        }
        let variables = variables::layers(environment, file.as_ref())?;
        let layers: Vec<_> = file.into_iter().chain(variables).chain(overrides.layers()).collect();
        let merged = layers.iter().fold(Figment::new(), Figment::merge);
        // Each layer is right by itself, and the types of keys do not change in merging.
        let schema: Schema = merged.extract().map_err(|error| diagnose::describe(error, &Origin::Default))?;
        let config = resolve::resolve(schema, overrides, environment, &layers)?;
        Ok(Self { file: path, ..config })
    }
}
