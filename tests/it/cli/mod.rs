//! The command line: the real program against a real daemon, and against what is none.

mod call;
