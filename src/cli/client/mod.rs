//! How the verbs speak with a daemon: HTTP/1.1 over TCP, on one machine.
//!
//! ```text
//!  Target (flags) ──find──▶ Place (address, key) ──connect──▶ Client ──get, post, delete──▶ JSON
//!                                                                 └──events, stream──▶ Events
//! ```
//!
//! A daemon is looked for at `--url`, then `TURNMUX_URL`, then where `server.listen` of the configuration says. What answers
//! there is asked for its `/health` before it gets anything else: an API key goes to no other program, and a daemon of another
//! version is told apart from one that misbehaves.
//!
//! What is absent: TLS and names other than loopback's (a tunnel brings a far daemon near), HTTP/2, repeating requests.

mod connection;
mod error;
mod events;
mod find;
mod http;
mod place;
mod socket;
mod url;

pub use error::{ClientError, UrlProblem};
pub use events::{Event, Events};
pub use find::Target;
pub use http::{Client, session_path};
pub use place::{Place, Source};
pub use socket::Socket;
pub use url::reached;
