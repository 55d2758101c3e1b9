//! One input and everything up to its one ending.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{BackendId, BackendSpec, Image, McpServers, Permission, ThreadId, TurnError, UserText};

/// What a front end asks a session to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnRequest {
    /// Which configured agent; decides the driver.
    pub backend: BackendId,
    /// Where the agent is to run, where the caller says so.
    pub workspace: Option<PathBuf>,
    /// Where the agent of a new conversation may run, where neither the caller nor the agent's configuration says more.
    pub workspace_hint: Option<PathBuf>,
    /// A thread that the agent already knows and that the session is to go on with.
    pub thread: Option<ThreadId>,
    /// What the caller's system messages say.
    pub instructions: Option<String>,
    /// The conversation so far, oldest first; given to an agent only when it starts a new thread.
    pub history: Vec<HistoryMessage>,
    /// What the user says now.
    pub input: String,
    /// The images that the user shows with it, in their order; an agent sees them before the words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// True when nobody named this session, so that nobody is expected to come back to it.
    pub unnamed: bool,
    /// True when a client that has lost its connection may come back for the answer.
    pub lingers: bool,
    /// What the caller calls this request, so that it runs once however often it comes.
    pub idempotency: Option<Idempotency>,
    /// True when the turn is to find a clean context: the session begins a new thread with it.
    pub renew: bool,
    /// The agent's name for the language model: the session's from this turn on, or the call's own. None changes nothing.
    #[serde(default)]
    pub model: Option<String>,
    /// Set when the turn is a call: what it says is nobody else's, and its session serves whoever calls next.
    #[serde(default)]
    pub call: Option<Call>,
    /// How often the caller has begun its conversation anew or compacted it, where it counts: with another number than
    /// before the session's thread is given up when this turn's time has come.
    pub boundary: Option<u64>,
    /// The boundary is a compaction of the caller's own copy, so the thread goes on.
    pub keeps_thread: bool,
    /// What the caller calls the turn, to find it again: names and their values.
    pub tags: BTreeMap<String, String>,
    /// The caller asks again for what it has asked for before, because it got no answer.
    pub retry: Option<Retry>,
    /// Servers of tools that the agent has in this turn. They bring keys, so they are not kept.
    #[serde(skip)]
    pub mcp: McpServers,
}

impl TurnRequest {
    /// A turn in a session that somebody named, and nothing else said about it.
    pub fn new(backend: BackendId, input: impl Into<String>) -> Self {
        Self {
            backend,
            workspace: None,
            workspace_hint: None,
            thread: None,
            instructions: None,
            history: Vec::new(),
            input: input.into(),
            images: Vec::new(),
            unnamed: false,
            lingers: false,
            idempotency: None,
            renew: false,
            model: None,
            call: None,
            boundary: None,
            keeps_thread: false,
            tags: BTreeMap::new(),
            retry: None,
            mcp: McpServers::default(),
        }
    }

    /// What is told of the input.
    pub fn said(&self) -> UserText {
        UserText { text: self.input.clone(), images: self.images.iter().map(Image::mark).collect() }
    }

    /// Whether that is what is told of it. The input may be megabytes, and is not copied.
    pub fn says(&self, said: &UserText) -> bool {
        self.input == said.text && said.images.iter().copied().eq(self.images.iter().map(Image::mark))
    }
}

/// What is particular to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The context stays as the call leaves it, for the next one. It is cleared behind the answer otherwise.
    pub keep: bool,
}

/// How a caller asks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Retry {
    /// In the same words.
    Same,
    /// Without saying for what.
    GoOn,
}

/// A request's name in its tenant, by the header `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// The name.
    pub key: String,
    /// A digest of everything else in the request: under one name there is one request.
    pub digest: u64,
}

/// One earlier message of a conversation that the agent itself has not seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryMessage {
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub text: String,
}

/// Who said a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// The person or program that calls.
    User,
    /// The agent.
    Assistant,
}

/// What may differ from turn to turn of one thread; a driver plans how to get from the present one to the wanted one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TurnOptions {
    /// The agent's name for the language model; none is the agent's own choice.
    pub model: Option<String>,
    /// How hard to think, in the agent's own words.
    pub effort: Option<String>,
    /// What is put behind the agent's own system prompt.
    pub system_prompt: Option<String>,
    /// What the agent may do unasked.
    pub permission: Permission,
    /// Servers of tools that it has beside its own.
    pub mcp: McpServers,
}

/// What a session's clients have chosen over its backend's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overrides {
    /// The agent's name for the language model.
    pub model: Option<String>,
    /// What the agent may do unasked; never more than the backend allows.
    pub permission: Option<Permission>,
}

impl Overrides {
    /// The options as these and the backend have them. Of two permissions the stricter one counts.
    pub fn over(&self, spec: &BackendSpec, options: TurnOptions) -> TurnOptions {
        let chosen = self.permission.filter(|chosen| !chosen.is_laxer_than(spec.permission));
        TurnOptions {
            model: self.model.clone().or_else(|| spec.model.clone()),
            permission: chosen.unwrap_or(spec.permission),
            ..options
        }
    }
}

/// The one ending that each accepted turn gets.
#[derive(Debug, Clone, PartialEq)]
pub enum TurnEnding {
    /// The agent answered.
    Completed {
        /// The whole answer. It is what counts where it differs from the deltas.
        text: String,
        /// The whole of the visible thinking.
        reasoning: String,
        /// Why the model stopped.
        finish: FinishReason,
        /// What it took.
        usage: Usage,
    },
    /// It was stopped.
    Interrupted(InterruptCause),
    /// It went wrong.
    Failed(TurnError),
}

/// Why a turn was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum InterruptCause {
    /// Somebody asked for it.
    #[error("it was aborted by request")]
    Request,
    /// Its client went away.
    #[error("its client went away")]
    ClientGone,
    /// Its session was reset.
    #[error("its session was reset")]
    Reset,
    /// Its session was closed.
    #[error("its session was closed")]
    Closed,
    /// The daemon goes down, and the turn was cut off.
    #[error("turnmux is shutting down")]
    Shutdown,
    /// The daemon goes down, and no agent has seen the turn.
    #[error("turnmux is shutting down, and the turn had not begun")]
    ShutdownBeforeStart,
    /// The agent stopped by itself.
    #[error("the agent stopped it")]
    Agent,
}

impl InterruptCause {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            // Its client is told to ask again, and will.
            Self::ClientGone | Self::ShutdownBeforeStart => "client_gone",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::Shutdown => "shutdown",
            Self::Agent => "agent",
        }
    }
}

/// Why the model stopped, in OpenAI's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// It had said everything.
    Stop,
    /// The limit on output tokens was reached.
    Length,
    /// The model refused.
    ContentFilter,
}

/// What a turn took, summed over its model calls.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// Prompt tokens that were neither read from nor written to the cache.
    pub input_tokens: u64,
    /// Prompt tokens written to the cache.
    pub cache_creation_tokens: u64,
    /// Prompt tokens read from the cache.
    pub cache_read_tokens: u64,
    /// Tokens that the model wrote.
    pub output_tokens: u64,
    /// The agent's estimate of the cost of this turn, in US dollars.
    pub cost_usd: Option<f64>,
}

impl Usage {
    /// All prompt tokens, cached ones included: what OpenAI calls `prompt_tokens`.
    pub fn prompt_tokens(&self) -> u64 {
        self.input_tokens + self.cache_creation_tokens + self.cache_read_tokens
    }
}
