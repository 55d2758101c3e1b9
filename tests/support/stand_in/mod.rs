//! A stand-in for the `claude` program in stream mode, for speed and fault tests: it starts in a millisecond or two,
//! holds a few MB, needs no model, and fails on demand.
//!
//! It speaks claude's newline-delimited JSON on stdio in the order and shape that 2.1.329 has (2.1.197 with
//! `STAND_IN_VERSION`), less the fields that nobody reads. A turn does what the newest user text says in the language of
//! [`script`](super::script), or answers `You said: TEXT [turn K]`; K counts the thread's user texts: every
//! text block that is not blank, as the loopback model counts them.
//!
//! Flags: those of claude that shape a stream-mode session are obeyed (`--resume`, `--fork-session`, `--resume-session-at`,
//! `--session-id`, `--model`, `--permission-mode`, `--permission-prompt-tool`, `--include-partial-messages`,
//! `--replay-user-messages`, `--version`); all others are ignored, with the value that follows them. As with claude, several user
//! lines that were sent while a turn ran become *one* turn, `/clear` opens a new session, `/cost` answers by itself, and
//! neither does when `"text_not_typed":true` stands on the user line (2.1.197 does not know that key) or when the last text
//! block is blank.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `STAND_IN_VERSION` | what `--version` and `system/init` say; default `2.1.329` |
//! | `STAND_IN_STATE` | directory that keeps the threads, `ID.jsonl` each; without it every `--resume` succeeds, with no history |
//! | `STAND_IN_LOG` | file that gets a line `{"pid","session","text"}`, and `"images"` as base64 where there are any, for each user line that reaches a turn, one write each |
//! | `STAND_IN_RUNS` | file that gets a line `{"at_ns","pid","mark","text"}` when a text is taken (`"begin"`) and when its turn ends (`"end"`), synced to the disk before anything else happens; `CLOCK_MONOTONIC` |
//! | `STAND_IN_STAMPS` | `1`: the first delta's line and the result carry `"stamps":{"read_ns","written_ns"}`, `CLOCK_MONOTONIC` |
//! | `STAND_IN_READY_FIFO` | path of a FIFO; `initialize` is answered when somebody opens it for writing |
//! | `STAND_IN_MODE` | the permission mode that `system/init` names, whatever was asked for |
//! | `STAND_IN_DIE_TEXT` | what `die-at-start` and `hang-at-start` say on stderr |
//! | `STAND_IN_FAULT` | faults of the process, comma-separated, from the table below |
//! | `STAND_IN_FAULT_WHILE` | path; the faults apply to a process that finds it there when it starts |
//!
//! | fault | what happens |
//! | --- | --- |
//! | `die-at-start` | text on stderr, exit 1, before anything is read |
//! | `hang-at-start` | nothing is ever read, and nothing written on stdout |
//! | `never-ready` | `initialize` is not answered |
//! | `noise-at-start` | the lines of `::noise` come before anything else |
//! | `flood-stderr` | 1 MiB on stderr at the start |
//! | `ignore-eof` | lives on when stdin ends, for ten minutes |
//! | `ignore-term` | SIGTERM does nothing, nor SIGINT, which tells of the daemon's death, nor SIGHUP |
//! | `ignore-interrupt` | interrupts are neither answered nor obeyed |
//! | `ignore-clear` | `/clear` is a text like any other |
//!
//! Faults of one turn are directives.
//!
//! Started with `--plugin-dir` it plays claude in a terminal instead: [`channel`] says how much of that.

mod agent;
mod args;
mod channel;
mod clock;
mod faults;
mod inbox;
mod intake;
mod message;
mod output;
mod result;
mod runs;
mod settings;
mod thread;
mod turn;

pub use agent::run;
