//! The OpenAI Chat Completions API, as <https://platform.openai.com/docs/api-reference/chat> describes it: what turnmux
//! reads of a request, and all of what it answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// A request body. Fields that are not here are not read; `api/openai/params.rs` says what becomes of them.
#[derive(Debug, Deserialize)]
pub struct ChatRequest {
    /// The backend; none is the default.
    #[serde(default)]
    pub model: Option<String>,
    /// The conversation, oldest first.
    #[serde(default)]
    pub messages: Vec<ChatMessage>,
    /// Whether the answer comes as it forms.
    #[serde(default)]
    pub stream: Option<bool>,
    /// How it comes.
    #[serde(default)]
    pub stream_options: Option<StreamOptions>,
    /// Who asks, in the caller's terms.
    #[serde(default)]
    pub user: Option<String>,
    /// What the caller would have cached together: one conversation.
    #[serde(default)]
    pub prompt_cache_key: Option<String>,
    /// Answers wanted.
    #[serde(default)]
    pub n: Option<u64>,
    /// Tools of the caller.
    #[serde(default)]
    pub tools: Option<Vec<Value>>,
    /// Whether tools may, must or must not be called.
    #[serde(default)]
    pub tool_choice: Option<Value>,
    /// The older form of `tools`.
    #[serde(default)]
    pub functions: Option<Vec<Value>>,
    /// The form that the answer must have.
    #[serde(default)]
    pub response_format: Option<ResponseFormat>,
    /// Texts at which the answer is to end.
    #[serde(default)]
    pub stop: Option<Value>,
    /// Whether probabilities are wanted.
    #[serde(default)]
    pub logprobs: Option<bool>,
    /// What the answer may be, beside text.
    #[serde(default)]
    pub modalities: Option<Vec<String>>,
    /// What the caller calls the request, to find it again: an object of texts.
    #[serde(default)]
    pub metadata: Option<Box<RawValue>>,
    /// What has no place in OpenAI's format.
    #[serde(default)]
    pub turnmux: Option<Box<RawValue>>,
}

/// `stream_options`.
#[derive(Debug, Deserialize)]
pub struct StreamOptions {
    /// Whether a last chunk says what the answer took.
    #[serde(default)]
    pub include_usage: Option<bool>,
}

/// `response_format`.
#[derive(Debug, Deserialize)]
pub struct ResponseFormat {
    /// `text`, `json_object` or `json_schema`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// One message.
#[derive(Debug, Deserialize)]
pub struct ChatMessage {
    /// `system`, `developer`, `user`, `assistant`, `tool` …
    pub role: String,
    /// A text, or a list of parts.
    #[serde(default)]
    pub content: Value,
    /// Calls of the caller's tools.
    #[serde(default)]
    pub tool_calls: Option<Vec<Value>>,
}

/// A whole answer.
#[derive(Debug, Serialize)]
pub struct Completion<'a> {
    /// The answer's id.
    pub id: &'a str,
    /// Always `chat.completion`.
    pub object: &'static str,
    /// When, in seconds since 1970.
    pub created: u64,
    /// The model that was asked for.
    pub model: &'a str,
    /// One choice.
    pub choices: [Choice<'a>; 1],
    /// What it took.
    pub usage: UsageOut,
}

/// The one choice of a whole answer.
#[derive(Debug, Serialize)]
pub struct Choice<'a> {
    /// Always 0.
    pub index: u32,
    /// The answer.
    pub message: AnswerMessage<'a>,
    /// Why it ended.
    pub finish_reason: Finish,
    /// Never given.
    pub logprobs: Option<()>,
}

/// The answer itself.
#[derive(Debug, Serialize)]
pub struct AnswerMessage<'a> {
    /// Always `assistant`.
    pub role: &'static str,
    /// The text.
    pub content: &'a str,
    /// The visible thinking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<&'a str>,
    /// Never given.
    pub refusal: Option<()>,
}

/// A piece of an answer.
#[derive(Debug, Serialize)]
pub struct Chunk<'a> {
    /// The answer's id.
    pub id: &'a str,
    /// Always `chat.completion.chunk`.
    pub object: &'static str,
    /// When the answer began, in seconds since 1970.
    pub created: u64,
    /// The model that was asked for.
    pub model: &'a str,
    /// One choice; none in the chunk that says what it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choices: Option<[ChunkChoice<'a>; 1]>,
    /// The empty list that stands in place of the choice.
    #[serde(rename = "choices", skip_serializing_if = "Option::is_none")]
    pub no_choices: Option<[(); 0]>,
    /// What it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageOut>,
    /// What has no place in OpenAI's format; SDKs leave it alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turnmux: Option<Extra>,
}

/// The one choice of a piece.
#[derive(Debug, Serialize)]
pub struct ChunkChoice<'a> {
    /// Always 0.
    pub index: u32,
    /// What is new.
    pub delta: DeltaOut<'a>,
    /// Why it ended, in the last piece.
    pub finish_reason: Option<Finish>,
}

/// What is new in a piece.
#[derive(Debug, Default, Serialize)]
pub struct DeltaOut<'a> {
    /// `assistant`, in the first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// Text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<&'a str>,
    /// Visible thinking, under the name that clients know it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<&'a str>,
}

/// What turnmux says beside the answer.
#[derive(Debug, Serialize)]
pub struct Extra {
    /// What happened: `waiting`, `retry`, `text_mismatch`; or the type of an event, for whoever asks for events.
    pub event: &'static str,
    /// Why, where there is a why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The event, for whoever asks for events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// Everything was said.
    Stop,
    /// The limit on tokens was reached.
    Length,
    /// The model refused.
    ContentFilter,
}

/// What an answer took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct UsageOut {
    /// All tokens of the prompts, cached ones included.
    pub prompt_tokens: u64,
    /// Tokens that the model wrote.
    pub completion_tokens: u64,
    /// Both.
    pub total_tokens: u64,
    /// Of the prompts' tokens.
    pub prompt_tokens_details: PromptDetails,
    /// The agent's estimate of the cost, in US dollars; not OpenAI's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// What the prompts really took, where the fields above tell of the request alone; not OpenAI's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turnmux: Option<TrueUsage>,
}

/// What the prompts of the agent's model took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TrueUsage {
    /// All tokens of the prompts, cached ones included.
    pub prompt_tokens: u64,
    /// Those that were read from the cache.
    pub cached_tokens: u64,
}

/// Of the prompts' tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PromptDetails {
    /// Those that were read from the cache.
    pub cached_tokens: u64,
}

/// The body of every error.
#[derive(Debug, Serialize)]
pub struct ErrorBody<'a> {
    /// The error.
    pub error: ErrorOut<'a>,
}

/// An error.
#[derive(Debug, Serialize)]
pub struct ErrorOut<'a> {
    /// A sentence for people.
    pub message: &'a str,
    /// The family.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// The field of the request that is at fault.
    pub param: Option<&'a str>,
    /// A word for programs.
    pub code: &'a str,
}

/// A list.
#[derive(Debug, Serialize)]
pub struct List<T> {
    /// Always `list`.
    pub object: &'static str,
    /// The things.
    pub data: Vec<T>,
}

/// A model.
#[derive(Debug, Serialize)]
pub struct Model {
    /// Its name.
    pub id: String,
    /// Always `model`.
    pub object: &'static str,
    /// When the daemon started, in seconds since 1970: models have no other date here.
    pub created: u64,
    /// Whose it is: the driver's name.
    pub owned_by: String,
    /// Whether its agent could run; not OpenAI's.
    pub ready: bool,
}
