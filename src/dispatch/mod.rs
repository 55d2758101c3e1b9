//! Where a turn is carried out: on this machine, and later elsewhere. All that the fronts know is [`Dispatch`].

mod local;
mod port;

pub use local::{AgentEntry, Local, LocalConfig};
pub use port::{AttachError, BackendView, Counts, Dispatch, Refusal};

// What the port speaks of, for whoever knows the port alone.
pub use crate::protocol::Logged;
pub use crate::session::{
    Accepted, Act, Acted, Change, Composer, Denial, EventReader, Hands, Interrupted, Observer, Picture, Refused, Seen,
    SessionView, Status, Submitted, Viewer, WatchError,
};
pub use crate::store::{StoreError, TurnQuery, TurnRecord};
