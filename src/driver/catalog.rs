//! The drivers that this build has, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Driver;
use crate::protocol::{ErrorKind, TurnError};

/// Drivers by name.
#[derive(Clone, Default)]
pub struct Catalog {
    drivers: BTreeMap<&'static str, Arc<dyn Driver>>,
}

impl Catalog {
    /// The catalogue with one more driver.
    #[must_use]
    pub fn with(mut self, driver: Arc<dyn Driver>) -> Self {
        self.drivers.insert(driver.name(), driver);
        self
    }

    /// The names, in order.
    pub fn names(&self) -> Vec<&'static str> {
        self.drivers.keys().copied().collect()
    }

    /// The driver of a name.
    ///
    /// # Errors
    /// [`ErrorKind::Misconfigured`], with the names that there are.
    pub fn get(&self, name: &str) -> Result<Arc<dyn Driver>, TurnError> {
        self.drivers.get(name).cloned().ok_or_else(|| {
            let known = self.names().join(", ");
            TurnError::new(ErrorKind::Misconfigured, format!("there is no driver `{name}`; known are: {known}"))
        })
    }
}
