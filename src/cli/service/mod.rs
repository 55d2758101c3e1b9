//! `turnmux install-service`: turnmux as a service of this user, by systemd or launchd.
//!
//! What is to be done is a value (`plan.rs`), made for the one (`systemd.rs`) or the other (`launchd.rs`) from the unit files
//! under `scripts/`; it is printed or carried out (`verb.rs`). Nothing is asked of root.

mod error;
mod launchd;
mod plan;
mod systemd;
mod verb;

pub use error::ServiceError;
pub use verb::InstallService;
