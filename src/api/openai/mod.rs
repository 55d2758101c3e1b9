//! The OpenAI front: `/v1/chat/completions` and `/v1/models`.

mod answer;
mod chat;
mod messages;
mod models;
mod params;

pub(super) use answer::{Answering, seconds_since_1970};
pub(super) use chat::chat;
pub(super) use models::{model, models};
