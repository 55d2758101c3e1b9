//! The real OpenClaw, from npm, in front of the real daemon. `real/openclaw.rs` and `http/openclaw.rs` send what was recorded
//! from it; here it speaks for itself.
//!
//! | file | what it shows |
//! | --- | --- |
//! | `setup` | `scripts/setup-openclaw.sh` |
//! | `service` | that with `--service`: OpenClaw starts and ends turnmux |
//! | `conversation` | one conversation, through a gateway and without one; the real claude |
//! | `asides` | questions, compaction and another backend beside turns; the real claude in two releases |
//! | `many` | agents, sessions and first requests at once, and a connection that breaks |
//! | `plugin` | `plugin/openclaw`, the plugin for it |
//! | `backend` | the same as a CLI backend: turnmux carries OpenClaw's turns out |
//! | `asides` | what comes between turns: questions, compaction; and an older claude |
//! | `page` | `docs/openclaw.md`, as somebody types it |

mod asides;
mod backend;
mod conversation;
mod gateway;
mod many;
mod page;
mod plugin;
mod proxy;
mod service;
mod setup;
mod world;
