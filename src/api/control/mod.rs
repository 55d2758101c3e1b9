//! What is not chat: health, sessions, what happens in them, and acting on them.

mod abort;
mod act;
mod decide;
mod event_out;
mod events;
mod export;
mod health;
mod input;
mod life;
mod pages;
mod sessions;
mod terminal;
mod transcript;
mod turn_out;
mod turns;

pub(super) use abort::{abort, reset};
pub(super) use act::{Verb, act};
pub(super) use event_out::EventOut;
pub(super) use events::{of_session, of_turn};
pub(super) use export::export;
pub(super) use health::health;
pub(super) use sessions::{close, list};
pub(super) use terminal::terminal;
pub(super) use turns::{of_session as turns, one as turn, search};
