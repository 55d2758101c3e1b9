//! The daemon is killed at random moments, hundreds of times, while clients talk to it; then everything that clients saw and
//! that agents did is held against what the daemon has kept.
//!
//! ```text
//!  chance ─▶ lives ─▶ daemon, killed ─▶ daemon, killed ─▶ … ─▶ daemon that may finish ─▶ collect ─┐
//!              └─ clients, watchers ──── what they saw ──────────────────────────────▶ History ─▶ check
//!                 agents ─────────────── what they ran ──────────────────────────────────┘          └▶ violations
//! ```
//!
//! [`check`] is a pure function with tests of its own. Who checks it on a daemon are the broken builds: the same rounds with a
//! daemon that has one fault (the feature `broken`, which nothing else uses) must end in a violation of the right kind.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `TURNMUX_CRASH_SEED` | the first seed; a failure names its own |
//! | `TURNMUX_CRASH_SEEDS` | how many seeds, one after the other |
//! | `TURNMUX_CRASH_ROUNDS` | how often the daemon is killed under each |
//! | `TURNMUX_CRASH_LOG` | what the daemons log, as `TURNMUX_LOG`; only `warn` without it |

mod broken;
mod chance;
mod check;
mod clients;
mod collect;
mod history;
mod lives;
mod met;
mod report;
mod requests;
mod sound;
mod watchers;
mod world;
