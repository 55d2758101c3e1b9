//! The command line: the real program against a real daemon, and against what is none.

mod acting;
mod call;
mod errors;
mod fake;
mod finding;
mod logs;
mod reading;
mod stopping;
