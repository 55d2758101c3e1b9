//! `answer` and `configure`: what the agent may do.

use std::collections::BTreeMap;

use hyper::{Response, StatusCode};
use serde::{Deserialize, Deserializer, Serialize};

use super::act::On;
use crate::api::body;
use crate::api::respond::{ApiError, Body, json};
use crate::dispatch::{Act, Acted, Change, Refused};
use crate::protocol::{Decision, PermissionParseError, RequestId};

/// Longest name of a model, in bytes. It stands on the agent's command line.
const MODEL_MAX: usize = 200;

#[derive(Deserialize)]
struct AnswerRequest {
    request: String,
    decision: DecisionIn,
    /// Why not, for the model.
    #[serde(default)]
    message: Option<String>,
}

/// A word, or the words that a question asks for.
#[derive(Deserialize)]
#[serde(untagged)]
enum DecisionIn {
    Word(String),
    Answers { answers: BTreeMap<String, Said> },
}

/// One choice, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct ConfigureRequest {
    #[serde(default, deserialize_with = "given")]
    model: Change<String>,
    #[serde(default, deserialize_with = "given")]
    permission: Change<String>,
}

/// Answers a question from inside the running turn.
pub(super) async fn answer(on: On<'_>, bytes: &[u8]) -> Result<Response<Body>, ApiError> {
    #[derive(Serialize)]
    struct Answered<'a> {
        object: &'static str,
        session: String,
        turn: String,
        request: &'a str,
    }
    let asked: AnswerRequest = body::json(bytes)?;
    let decision = decision(asked.decision, asked.message)?;
    let request = RequestId::parse(&asked.request).ok_or(Refused::NoRequest)?;
    match on.api.dispatch.act(&on.key, Act::Answer { request, decision }).await? {
        Acted::Answered { turn } => {
            let (session, turn) = (on.key.to_string(), turn.to_string());
            let out = Answered { object: "session.answered", session, turn, request: &asked.request };
            Ok(json(StatusCode::OK, &out))
        }
        _ => Err(ApiError::internal("the session answered something else")),
    }
}

/// Changes what is in force from the next turn on.
pub(super) async fn configure(on: On<'_>, bytes: &[u8]) -> Result<Response<Body>, ApiError> {
    #[derive(Serialize)]
    struct Configured {
        object: &'static str,
        session: String,
        applied: &'static str,
        model: Option<String>,
        permission: Option<String>,
    }
    let wanted: ConfigureRequest = body::json(bytes)?;
    if (&wanted.model, &wanted.permission) == (&Change::Keep, &Change::Keep) {
        return Err(ApiError::field(
            "model",
            "missing_field",
            "name a `model` or a `permission`, or null to take it back",
        ));
    }
    if let Change::Set(model) = &wanted.model {
        let fits = !model.is_empty() && model.len() <= MODEL_MAX && !model.starts_with('-');
        if !fits || model.chars().any(char::is_control) {
            let message = format!("`model`: a name of 1 to {MODEL_MAX} bytes is wanted, as the agent knows it");
            return Err(ApiError::field("model", "invalid_model", message));
        }
    }
    let permission = match wanted.permission {
        Change::Keep => Change::Keep,
        Change::TakeBack => Change::TakeBack,
        Change::Set(text) => Change::Set(text.parse().map_err(|error: PermissionParseError| {
            ApiError::field("permission", "invalid_permission", error.to_string())
        })?),
    };
    let act = Act::Configure { model: wanted.model, permission };
    let Acted::Configured { restarts } = on.api.dispatch.act(&on.key, act).await? else {
        return Err(ApiError::internal("the session answered something else"));
    };
    let record = on.api.dispatch.session(&on.key)?.map(|view| view.record.overrides).unwrap_or_default();
    let out = Configured {
        object: "session.configured",
        session: on.key.to_string(),
        applied: if restarts { "restart" } else { "next_turn" },
        model: record.model,
        permission: record.permission.map(|permission| permission.to_string()),
    };
    Ok(json(StatusCode::OK, &out))
}

fn decision(said: DecisionIn, message: Option<String>) -> Result<Decision, ApiError> {
    let word = match said {
        DecisionIn::Answers { answers } => {
            let one = |said| match said {
                Said::One(said) => said,
                Said::Several(said) => said.join(", "),
            };
            return Ok(Decision::Answers(answers.into_iter().map(|(question, said)| (question, one(said))).collect()));
        }
        DecisionIn::Word(word) => word,
    };
    match &*word {
        "allow" => Ok(Decision::Allow),
        "allow_session" => Ok(Decision::AllowSession),
        "deny" => Ok(Decision::Deny { message: message.unwrap_or_default() }),
        _ => {
            let message = format!(
                "`decision`: `{word}` is none of `allow`, `allow_session` and `deny`, nor `{{\"answers\": {{…}}}}`"
            );
            Err(ApiError::field("decision", "wrong_answer", message))
        }
    }
}

/// Tells a null from a field that is not there.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Change<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.map_or(Change::TakeBack, Change::Set))
}
