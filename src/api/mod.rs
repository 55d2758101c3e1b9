//! The HTTP side: who asks, for which session, for what, and how it is answered.

mod allowance;
mod auth;
mod body;
mod control;
mod idempotency;
mod identity;
mod mcp;
mod openai;
mod openapi;
mod openclaw;
mod query;
mod respond;
mod router;
mod server;
mod sse;
mod tags;
mod workspace;

pub use auth::{Access, Key};
pub use router::{Api, ApiConfig};
pub use server::{Server, ServerError};
