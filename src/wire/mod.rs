//! Other people's formats as serde types, and what an RFC says as functions of text. No tokio; unknown fields and variants are
//! tolerated.

pub mod channel;
pub mod claude;
pub mod claude_hooks;
pub mod claude_transcript;
pub mod loopback;
pub mod openai;
pub mod terminal;
pub mod websocket;
