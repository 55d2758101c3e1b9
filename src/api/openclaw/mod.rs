//! OpenClaw's requests, as its release 2026.9.6 sends them.
//!
//! OpenClaw sends its whole transcript with every turn, decorated for a model that has no memory of its own: time stamps,
//! a line about its runtime, notes about turns that were broken off, blocks of context that change each time. And it sends
//! requests to the same address that are no turns of the conversation. All of that is recognised here and nowhere else:
//! what leaves this module is what the user said, and what turnmux can know of whose turn it is.
//!
//! Whatever stands in a text is a hint: users can write anything there. It counts only where no header says more, and it
//! never chooses a tenant.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `reading` | a whole request: whether it is OpenClaw's, whether it is a turn, and what of it is the user's |
//! | `side` | requests that are no turns of the conversation |
//! | `affinity` | `id:n`, the name of a session and the count of its conversations |
//! | `runtime` | the line that says which agent and session a request is for |
//! | `prompt` | the system prompt: what it says of the workspace, what of it is not for claude |
//! | `text` | the user's messages without their decoration |

mod affinity;
mod prompt;
mod reading;
#[cfg(test)]
mod recordings;
mod runtime;
mod side;
mod text;

#[cfg(test)]
pub(super) use affinity::Affinity;
pub(super) use reading::{Reading, read};
pub(super) use side::Signs;
