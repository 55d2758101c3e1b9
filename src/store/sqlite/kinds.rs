//! An event's kind as it stands in columns: a name, a text, and the rest as JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::Result;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::value::{unreadable, word};
use super::words::Word;
use crate::protocol::{
    Decision, EventKind, ImageMark, Question, SteerId, ThreadId, TurnEnding, TurnError, Usage, UserText,
};

/// The name of a piece of the answer.
pub(super) const TEXT_DELTA: &str = "text_delta";
/// The name of a piece of thinking.
pub(super) const REASONING_DELTA: &str = "reasoning_delta";

/// An event's kind as it stands in columns.
#[derive(Debug)]
pub(super) struct KindRow<'a> {
    /// Its name in the API.
    pub(super) kind: &'static str,
    /// Its text, where it has one.
    pub(super) text: Option<&'a str>,
    /// All else.
    pub(super) data: Option<String>,
}

/// What events have beside their texts; each kind has some of it, by the names that it has in the API.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Data<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_error: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recalled: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steer: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<Cow<'a, BTreeMap<String, String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_creation_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<u64>,
    // As text, for serde_json's quick way of reading numbers may miss the last digit.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<Cow<'a, [ImageMark]>>,
}

impl<'a> KindRow<'a> {
    /// As it is kept.
    pub(super) fn of(kind: &'a EventKind) -> Self {
        let none = Data::default;
        let (kind, text, data) = match kind {
            EventKind::Waiting(reason) => ("turn_waiting", None, Data { reason: said(reason.word()), ..none() }),
            EventKind::Started { thread } => ("turn_started", None, Data { thread: said(thread.as_str()), ..none() }),
            EventKind::UserText(UserText { text, images }) if images.is_empty() => {
                return Self::text("user_text", text);
            }
            EventKind::UserText(UserText { text, images }) => {
                ("user_text", Some(text), Data { images: Some(images.into()), ..none() })
            }
            EventKind::TextDelta(text) => return Self::text(TEXT_DELTA, text),
            EventKind::ReasoningDelta(text) => return Self::text(REASONING_DELTA, text),
            EventKind::AssistantText(text) => return Self::text("assistant_text", text),
            EventKind::Reasoning(text) => return Self::text("reasoning", text),
            EventKind::Raw(line) => return Self::text("raw", line),
            EventKind::TextMismatch => return Self { kind: "text_mismatch", text: None, data: None },
            EventKind::ToolUse { id, name, input } => {
                ("tool_use", Some(input), Data { id: said(id), name: said(name), ..none() })
            }
            EventKind::ToolResult { id, is_error, text } => {
                ("tool_result", Some(text), Data { id: said(id), is_error: Some(*is_error), ..none() })
            }
            EventKind::Subagent { parent, text } => ("subagent", Some(text), Data { parent: said(parent), ..none() }),
            EventKind::Retry { attempt, status } => {
                ("retry", None, Data { attempt: Some(*attempt), status: *status, ..none() })
            }
            EventKind::PermissionDenied { tool } => ("permission_denied", None, Data { tool: said(tool), ..none() }),
            EventKind::PermissionAsked(Question { id, tool, input }) => {
                ("permission_asked", Some(input), Data { request: said(id), tool: said(tool), ..none() })
            }
            EventKind::PermissionAnswered { question, decision, by } => {
                let data = Data { request: said(question), by: said(by.word()), ..Data::of_decision(decision) };
                ("permission_answered", None, data)
            }
            EventKind::Steered { steer, text } => ("steered", Some(text), Data::of_steer(*steer)),
            EventKind::SteerConsumed { steer } => ("steer_consumed", None, Data::of_steer(*steer)),
            EventKind::SteerDropped { steer } => ("steer_dropped", None, Data::of_steer(*steer)),
            EventKind::Typed { steer } => ("typed", None, steer.map_or_else(none, Data::of_steer)),
            EventKind::FileChange { id, path, kind } => {
                ("file_change", None, Data { id: said(id), path: said(path), change: said(kind.word()), ..none() })
            }
            EventKind::ContextLost { from, to, recalled } => {
                let (from, to) = (said(from.as_str()), said(to.as_str()));
                ("context_lost", None, Data { from, to, recalled: Some(*recalled), ..none() })
            }
            EventKind::Usage(usage) => ("usage", None, Data::of_usage(usage)),
            EventKind::Ended(TurnEnding::Completed { text, reasoning, finish, usage }) => {
                let (finish_reason, reasoning) = (said(finish.word()), said(reasoning));
                ("turn_completed", Some(text), Data { finish_reason, reasoning, ..Data::of_usage(usage) })
            }
            EventKind::Ended(TurnEnding::Interrupted(cause)) => {
                ("turn_interrupted", None, Data { reason: said(cause.word()), ..none() })
            }
            EventKind::Ended(TurnEnding::Failed(TurnError { kind, message, retry_after })) => {
                let retry_after_ms = retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
                ("error", Some(message), Data { code: said(kind.word()), retry_after_ms, ..none() })
            }
        };
        // Our own types into memory cannot fail.
        let data = serde_json::to_string(&data);
        debug_assert!(data.is_ok());
        Self { kind, text: text.map(String::as_str), data: data.ok() }
    }

    fn text(kind: &'static str, text: &'a str) -> Self {
        Self { kind, text: Some(text), data: None }
    }
}

/// What an event was that is kept so.
pub(super) fn read_kind(kind: &str, text: Option<&str>, data: Option<&str>) -> Result<EventKind> {
    let data: Data<'_> = match data {
        Some(data) => serde_json::from_str(data).map_err(unreadable)?,
        None => Data::default(),
    };
    let text = || text.map(str::to_owned).ok_or_else(|| unreadable("the text is missing"));
    Ok(match kind {
        "turn_waiting" => EventKind::Waiting(word(&need(data.reason)?)?),
        "turn_started" => EventKind::Started { thread: ThreadId::parse(&need(data.thread)?).map_err(unreadable)? },
        "user_text" => {
            let images = data.images.unwrap_or_default().into_owned();
            EventKind::UserText(UserText { text: text()?, images })
        }
        TEXT_DELTA => EventKind::TextDelta(text()?),
        REASONING_DELTA => EventKind::ReasoningDelta(text()?),
        "assistant_text" => EventKind::AssistantText(text()?),
        "reasoning" => EventKind::Reasoning(text()?),
        "raw" => EventKind::Raw(text()?),
        "text_mismatch" => EventKind::TextMismatch,
        "tool_use" => EventKind::ToolUse { id: owned(data.id)?, name: owned(data.name)?, input: text()? },
        "tool_result" => EventKind::ToolResult { id: owned(data.id)?, is_error: need(data.is_error)?, text: text()? },
        "subagent" => EventKind::Subagent { parent: owned(data.parent)?, text: text()? },
        "retry" => EventKind::Retry { attempt: need(data.attempt)?, status: data.status },
        "permission_denied" => EventKind::PermissionDenied { tool: owned(data.tool)? },
        "permission_asked" => {
            EventKind::PermissionAsked(Question { id: owned(data.request)?, tool: owned(data.tool)?, input: text()? })
        }
        "permission_answered" => EventKind::PermissionAnswered {
            decision: read_decision(&need(data.decision)?, data.message, data.answers)?,
            question: owned(data.request)?,
            by: word(&need(data.by)?)?,
        },
        "steered" => EventKind::Steered { steer: read_steer(data.steer)?, text: text()? },
        "steer_consumed" => EventKind::SteerConsumed { steer: read_steer(data.steer)? },
        "steer_dropped" => EventKind::SteerDropped { steer: read_steer(data.steer)? },
        "typed" => EventKind::Typed { steer: data.steer.map(|steer| read_steer(Some(steer))).transpose()? },
        "file_change" => {
            EventKind::FileChange { id: owned(data.id)?, path: owned(data.path)?, kind: word(&need(data.change)?)? }
        }
        "context_lost" => {
            let thread = |text| ThreadId::parse(&need::<Cow<'_, str>>(text)?).map_err(unreadable);
            EventKind::ContextLost { from: thread(data.from)?, to: thread(data.to)?, recalled: need(data.recalled)? }
        }
        "usage" => EventKind::Usage(data.usage()),
        "turn_completed" => EventKind::Ended(TurnEnding::Completed {
            usage: data.usage(),
            text: text()?,
            finish: word(&need(data.finish_reason)?)?,
            reasoning: owned(data.reasoning)?,
        }),
        "turn_interrupted" => EventKind::Ended(TurnEnding::Interrupted(word(&need(data.reason)?)?)),
        "error" => EventKind::Ended(TurnEnding::Failed(TurnError {
            kind: word(&need(data.code)?)?,
            message: text()?,
            retry_after: data.retry_after_ms.map(Duration::from_millis),
        })),
        other => return Err(unreadable(format!("`{other}` is no kind of event"))),
    })
}

impl<'a> Data<'a> {
    fn of_steer(steer: SteerId) -> Self {
        Self { steer: Some(steer.to_string().into()), ..Self::default() }
    }

    fn of_decision(decision: &'a Decision) -> Self {
        let (decision, message, answers) = match decision {
            Decision::Allow => ("allow", None, None),
            Decision::AllowSession => ("allow_session", None, None),
            Decision::Deny { message } => ("deny", said(message), None),
            Decision::Answers(answers) => ("answers", None, Some(Cow::Borrowed(answers))),
        };
        Self { decision: said(decision), message, answers, ..Self::default() }
    }

    fn of_usage(usage: &Usage) -> Self {
        Self {
            input_tokens: Some(usage.input_tokens),
            cache_creation_tokens: Some(usage.cache_creation_tokens),
            cache_read_tokens: Some(usage.cache_read_tokens),
            output_tokens: Some(usage.output_tokens),
            // What is no number in JSON is no cost either.
            cost_usd: usage.cost_usd.and_then(|cost| RawValue::from_string(cost.to_string()).ok()),
            ..Self::default()
        }
    }

    fn usage(&self) -> Usage {
        Usage {
            input_tokens: self.input_tokens.unwrap_or_default(),
            cache_creation_tokens: self.cache_creation_tokens.unwrap_or_default(),
            cache_read_tokens: self.cache_read_tokens.unwrap_or_default(),
            output_tokens: self.output_tokens.unwrap_or_default(),
            cost_usd: self.cost_usd.as_ref().and_then(|cost| cost.get().parse().ok()),
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "all fields of `Data` are optional")]
fn said(text: &str) -> Option<Cow<'_, str>> {
    Some(Cow::Borrowed(text))
}

fn need<T>(value: Option<T>) -> Result<T> {
    value.ok_or_else(|| unreadable("a part of it is missing"))
}

fn owned(text: Option<Cow<'_, str>>) -> Result<String> {
    need(text).map(Cow::into_owned)
}

fn read_steer(steer: Option<Cow<'_, str>>) -> Result<SteerId> {
    SteerId::parse(&need(steer)?).ok_or_else(|| unreadable("its steer is none"))
}

fn read_decision(
    word: &str,
    message: Option<Cow<'_, str>>,
    answers: Option<Cow<'_, BTreeMap<String, String>>>,
) -> Result<Decision> {
    match word {
        "allow" => Ok(Decision::Allow),
        "allow_session" => Ok(Decision::AllowSession),
        "deny" => Ok(Decision::Deny { message: owned(message)? }),
        "answers" => Ok(Decision::Answers(need(answers)?.into_owned())),
        other => Err(unreadable(format!("`{other}` is no decision"))),
    }
}
