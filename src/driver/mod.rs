//! Drivers: each speaks one protocol with one family of coding agents, and all stand behind [`Driver`].

pub mod catalog;
mod claude;

pub mod claude_auto;
pub mod claude_channel;
pub mod claude_stream;
mod port;
pub mod scripted;
mod terminal;

pub use port::{
    Answer, Attachment, CHANNEL_MAX, Command, CommandId, CommandKind, Driver, DriverEvent, OpenRequest, Plan,
    RawWanted, SteerMode, TurnInput,
};
use terminal::{Ask, Audience, Typed, Wish};
pub use terminal::{Hands, NotSeated, Picture, TerminalSlot, VIEWERS_MAX, Viewer};
