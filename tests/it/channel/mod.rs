//! The channel's listener, with plugins and hooks made of plain sockets. No daemon is started: the hub is a library's.

mod bad_frames;
mod door;
mod frames;
mod greeting;
mod hooks;
mod many;
mod plugin;
mod pressure;
mod proxy;
mod reconnect;
mod silence;
mod stop;
mod talk;
mod world;
