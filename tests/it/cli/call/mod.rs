//! `turnmux call`.
//!
//! | file | what it shows |
//! | --- | --- |
//! | `asking` | what is asked, of whom and where; what stands on stdout and on stderr |
//! | `contexts` | what a call sees of earlier ones, and in which process it runs |
//! | `json` | answers that fit a schema, and events |
//! | `stops` | Ctrl-C, `--timeout`, a closed pipe |
//! | `daemons` | daemons that are started for calls, and what is none |
//! | `terminal` | what people see on a terminal |
//! | `real` | the real claude |

mod asking;
mod contexts;
mod daemons;
mod json;
mod real;
mod stops;
mod terminal;

use crate::harness::{Daemon, DaemonBuilder};

/// A daemon with the stand-in, whose agents may work wherever tests have their folders.
fn stand_in() -> DaemonBuilder {
    Daemon::stand_in().config(&roots())
}

/// The line of the configuration that allows that.
fn roots() -> String {
    let folder = std::env::temp_dir().canonicalize().expect("there is one");
    format!("server.workspace_roots = [{:?}]", folder.display().to_string())
}
