//! `turnmux doctor`: what there is, and what to do about what is missing.
//!
//! It looks, and changes nothing: programs are asked for their version, claude for what it knows of its own sign-in (no
//! credential is read or used), the port for who is there. One line for each finding; the exit code says whether the default
//! backend can run.

mod agents;
mod finding;
mod openclaw;
mod port;
mod store;
mod verb;

pub use verb::Doctor;
