//! The exchange, hook by hook: no process, no clock.

mod asks;
mod ends;
mod play;
mod random;
mod starts;
mod steers;
mod typing;
