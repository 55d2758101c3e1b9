//! `GET /v1/sessions/{key}/export`: all that is kept of a session, to take away.
//!
//! | file | |
//! | --- | --- |
//! | `stream` | the request; pages of events go out as fast as they are read |
//! | `lines` | JSON lines, for programs |
//! | `markdown` | a transcript, for people |
//! | `marks` | text that stays what it is inside Markdown |

mod lines;
mod markdown;
mod marks;
mod stream;

pub(in crate::api) use stream::export;
