//! The MCP side: what the agent sees of us, and what it says.

use std::borrow::Cow;
use std::future::{Future, ready};
use std::sync::{Mutex, PoisonError};

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, CustomNotification, Implementation,
    JsonObject, ListToolsResult, PaginatedRequestParams, ProtocolVersion, ServerCapabilities, ServerConfig,
    ToolsCapability,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{ErrorData, Peer, RoleServer, ServerHandler};
use serde_json::Value;
use tokio::sync::oneshot;

use super::outbox::Mouth;
use super::tool;
use crate::wire::channel::{FromPlugin, PermissionRequest};

/// What stands in the agent's system prompt about us.
const INSTRUCTIONS: &str = "Messages from turnmux arrive as <channel source=\"turnmux\" chat_id=\"…\" message_id=\"…\">. \
    Answer each as usual, in your own words: what you write is what the sender sees. \
    The reply tool is for text that is to be sent right away, and need not be called.";

/// Every revision that begins with `initialize`. One that offers 2026-07-28 gets no channel: that revision has no place for
/// notifications that nobody asked for, and claude says so and leaves them out.
const REVISIONS: &[ProtocolVersion] = &[
    ProtocolVersion::V_2024_11_05,
    ProtocolVersion::V_2025_03_26,
    ProtocolVersion::V_2025_06_18,
    ProtocolVersion::V_2025_11_25,
];

const PERMISSION_REQUEST: &str = "notifications/claude/channel/permission_request";

/// The MCP server.
pub(super) struct Server {
    mouth: Mouth,
    /// Given away when the agent says `initialized`. A lock, for the SDK calls handlers by a shared reference.
    on_ready: Mutex<Option<oneshot::Sender<Peer<RoleServer>>>>,
}

impl Server {
    /// What the agent says goes into the mouth; the receiver learns of its readiness.
    pub(super) fn new(mouth: Mouth) -> (Self, oneshot::Receiver<Peer<RoleServer>>) {
        let (on_ready, ready) = oneshot::channel();
        (Self { mouth, on_ready: Mutex::new(Some(on_ready)) }, ready)
    }

    fn reply(&self, arguments: Option<JsonObject>) -> CallToolResult {
        let said = tool::reply(arguments)
            .and_then(|reply| self.mouth.say(FromPlugin::Reply(reply)).map_err(|error| error.to_string()));
        match said {
            Ok(()) => CallToolResult::success(vec![ContentBlock::text("sent")]),
            Err(sentence) => CallToolResult::error(vec![ContentBlock::text(sentence)]),
        }
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let mut capabilities = ServerCapabilities::default();
        let channel = ["claude/channel", "claude/channel/permission"];
        capabilities.experimental = Some(channel.map(|name| (name.to_owned(), JsonObject::new())).into());
        capabilities.tools = Some(ToolsCapability::default());
        let mut info = ServerConfig::new(capabilities).with_instructions(INSTRUCTIONS);
        info.protocol_version = ProtocolVersion::V_2025_11_25;
        info.server_info = Implementation::new("turnmux", env!("CARGO_PKG_VERSION"));
        info
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(REVISIONS)
    }

    fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListToolsResult, ErrorData>> + Send + '_ {
        ready(Ok(ListToolsResult::with_all_items(vec![tool::definition()])))
    }

    fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<CallToolResponse, ErrorData>> + Send + '_ {
        ready(if request.name == tool::NAME {
            Ok(self.reply(request.arguments).into())
        } else {
            Err(ErrorData::invalid_params(format!("there is no tool `{}`", request.name), None))
        })
    }

    fn on_initialized(&self, context: NotificationContext<RoleServer>) -> impl Future<Output = ()> + Send + '_ {
        let on_ready = self.on_ready.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Nobody waits for it any more when we are on our way out already.
        let _ = on_ready.map(|on_ready| on_ready.send(context.peer));
        ready(())
    }

    fn on_custom_notification(
        &self,
        notification: CustomNotification,
        _context: NotificationContext<RoleServer>,
    ) -> impl Future<Output = ()> + Send + '_ {
        if notification.method == PERMISSION_REQUEST {
            let said = question(notification.params).map(|question| self.mouth.say(question));
            match said {
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::warn!(%error, "a question about a tool"),
                None => tracing::warn!("a question about a tool has no request_id, and is left out"),
            }
        }
        ready(())
    }
}

fn question(params: Option<Value>) -> Option<FromPlugin<'static>> {
    let Some(Value::Object(mut params)) = params else { return None };
    let mut text = |name| match params.remove(name) {
        Some(Value::String(text)) => Some(Cow::Owned(text)),
        _ => None,
    };
    Some(FromPlugin::PermissionRequest(PermissionRequest {
        seq: None,
        request_id: text("request_id")?,
        tool_name: text("tool_name").unwrap_or_default(),
        description: text("description").unwrap_or_default(),
        input_preview: text("input_preview").unwrap_or_default(),
    }))
}
