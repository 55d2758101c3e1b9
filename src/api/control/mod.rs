//! What is not chat: health, sessions, and acting on them.

mod act;
mod health;
mod sessions;

pub(super) use act::{abort, reset};
pub(super) use health::health;
pub(super) use sessions::{close, list};
