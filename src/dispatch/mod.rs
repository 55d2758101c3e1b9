//! Where a turn is carried out: on this machine, and later elsewhere. All that the fronts know is [`Dispatch`].

mod local;
mod port;

pub use local::{AgentEntry, Local, LocalConfig};
pub use port::{BackendView, Counts, Dispatch, Refusal};
