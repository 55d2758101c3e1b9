//! The HTTP side, over plain HTTP, with the stand-in agent: what is answered, in which form, and what is refused.

mod abort;
mod acting;
mod bodies;
mod calls;
mod conversations;
mod door;
mod events;
mod history;
mod identity;
mod images;
mod limits;
mod lost;
mod models;
mod openclaw;
mod parameters;
mod queue;
mod retries;
mod routes;
mod sessions;
mod streams;
mod tenants;
mod workspaces;
