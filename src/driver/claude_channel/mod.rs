//! Claude Code as a person uses it, in a terminal, driven through a plugin inside it.
mod dialog;
mod displayed;
mod screen;
mod transcript;
