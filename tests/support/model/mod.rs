//! A loopback stand-in for the Anthropic Messages API, for the real `claude` to talk to.
//!
//! What it answers is written in the newest user text of the request, in the language of [`script`](super::script); an
//! ordinary text is echoed as `You said: TEXT [turn K]`. K counts the user texts of the request: every text block that is
//! not blank, for claude joins user lines that follow each other. So an answer shows that the history is there. Behind a `::tool` directive the script goes on in the request that brings the tool's result; when nothing
//! stands behind it, the answer is `The tool said: RESULT [turn K]`.
//!
//! Where turnmux names images for a claude to look at, `%IMAGE%` in a script is the path of the first.
//!
//! | request | answer |
//! | --- | --- |
//! | `POST /v1/messages`, with `?beta=true` or not | the scripted message, as SSE when `"stream":true`, else one JSON body |
//! | `POST /v1/messages/count_tokens` | a quarter of the body's size |
//! | `GET /`, `HEAD /` | 200 |
//! | `GET /requests` | the recorded requests, oldest first: `[{"path","headers","body"}]` |
//! | `POST /release/NAME` | 204; one `::hold NAME`, waiting or yet to come, goes on |
//! | anything else | 404 with the API's error body |
//!
//! What is no user text: `<system-reminder>` and the tags claude puts around the output of its own commands, its notes about
//! an interrupt and about images, and tool results. A `<channel …>` tag counts as its content. `claude` sends requests on the side too (titles,
//! quota checks); they get a fixed answer, and neither run scripts nor use up attempts. The usage numbers are always
//! [`USAGE`].
//!
//! What `claude` makes of some answers, so that a test does not expect too much: it never passes `max_tokens` on, but asks
//! the model three times to go on and then fails the turn; a cut stream is asked for again, the last time not streamed, and
//! whether the text before the cut shows depends on who was faster.
//!
//! Bounds: [`RECORDED_MAX`] requests and [`RECORDED_BYTES_MAX`] are kept, the oldest go first; a request may have
//! [`BODY_BYTES_MAX`]; a `::hold` waits [`HOLD_MAX`] and then fails.

mod answer;
mod error;
mod plan;
mod prompt;
mod record;
mod server;
mod sse;
mod stage;

pub use answer::USAGE;
pub use record::{NotSeen, RECORDED_BYTES_MAX, RECORDED_MAX, Recorded};
pub use server::{BODY_BYTES_MAX, Model, StartError};
pub use stage::HOLD_MAX;
