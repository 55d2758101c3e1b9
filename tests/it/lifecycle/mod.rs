//! Clients that leave, readers that are slow, processes that come and go, and the daemon's own end.

mod config;
mod leaving;
mod processes;
mod shutdown;
mod slow;
