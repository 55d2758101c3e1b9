//! Test doubles: programs that stand in for what turnmux talks to.
//!
//! | double | stands in for | use it |
//! | --- | --- | --- |
//! | [`model`] | the Anthropic Messages API, for the real `claude` | in a test: `Model::start()`; in a shell: `cargo run --example loopback-model` |
//! | [`stand_in`] | the `claude` program itself, for speed and fault tests | `cargo build --example stand-in-agent`, then run the binary |
//!
//! Both act on the same small language, [`script`]: what the user's text says is what happens. A test therefore reads
//! in one place, with no set-up elsewhere: it sends `::say hello` and expects `hello`.
//!
//! Everything is `pub`, and `tests/it/main.rs` declares `pub mod support`, so a part that one test binary does not use
//! raises no warning there.

pub mod model;
pub mod script;
pub mod stand_in;
