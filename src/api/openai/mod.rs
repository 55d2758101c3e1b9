//! The OpenAI front: `/v1/chat/completions` and `/v1/models`.

mod answer;
mod chat;
mod images;
mod messages;
mod models;
mod params;
mod usage;

pub(super) use answer::{Answering, seconds_since_1970};
pub(super) use chat::chat;
#[cfg(test)]
pub(super) use messages::said;
pub(super) use messages::{Said, Speaker};
pub(super) use models::{model, models};
