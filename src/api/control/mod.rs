//! What is not chat: health, sessions, and acting on them.

mod abort;
mod act;
mod decide;
mod health;
mod input;
mod life;
mod sessions;

pub(super) use abort::{abort, reset};
pub(super) use act::{Verb, act};
pub(super) use health::health;
pub(super) use sessions::{close, list};
