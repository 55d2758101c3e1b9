//! turnmux's own nouns, shared by every layer: ids and keys, turns, events, errors and what a backend is.
//!
//! Nothing in here does anything; it names nothing else of the crate.

mod backend;
mod error;
mod event;
mod ids;
mod image;
mod limits;
mod lost_thread;
mod mcp;
mod question;
mod screen;
mod tenant;
mod turn;
mod workspace;

pub use backend::{BackendSpec, CommandPolicy, EnvPolicy, Permission, PermissionParseError, SECRET_VARIABLES};
pub use error::{ErrorKind, TurnError};
pub use event::{DriverEnd, Event, EventKind, Logged, ThreadOrigin, UserText, WaitReason, in_words};
pub use ids::{BackendId, IdError, RequestId, SessionKey, SteerId, TenantId, ThreadId, TurnId};
pub use image::{IMAGE_BYTES_MAX, IMAGES_BYTES_MAX, IMAGES_MAX, Image, ImageError, ImageFormat, ImageMark};
pub use limits::Limits;
pub use lost_thread::LostThread;
pub use mcp::{McpServer, McpServers, McpTransport};
pub use question::{AnsweredBy, Decision, FileChangeKind, Question};
pub use screen::ScreenSize;
pub use tenant::{TenantLimits, Tenants};
pub use turn::{
    Call, FinishReason, HistoryMessage, Idempotency, InterruptCause, Overrides, Retry, Role, TurnEnding, TurnOptions,
    TurnRequest, Usage,
};
pub use workspace::WorkspaceRoot;
