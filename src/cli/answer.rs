//! `turnmux answer`: decides what an agent asks.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::Failure;
use super::client::session_path;
use super::common::Common;
use super::terminal::plain;

/// Answer a question that a turn waits with; `turnmux tail` shows them
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["decision", "say"])))]
pub struct Answer {
    /// The session, such as `ops::42`
    session: String,
    /// The question, such as `req_…`. There is no default: nobody should allow what they have not seen
    request: String,
    /// May the tool run
    #[arg(value_enum)]
    decision: Option<Decision>,
    /// The answer to a question of the model's own, by the question's words; one for each
    #[arg(long, value_name = "QUESTION=ANSWER", value_parser = said)]
    say: Vec<(String, String)>,
    /// Why not, for the model
    #[arg(short, long, value_name = "TEXT", conflicts_with = "say")]
    message: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Decision {
    /// This once
    Allow,
    /// This tool, whatever its arguments, until the session is reset
    #[value(name = "allow_session", alias = "allow-session")]
    AllowSession,
    /// No
    Deny,
}

#[derive(Deserialize)]
struct Answered {
    turn: String,
}

impl Answer {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self { session, request, decision, say, message, common } = self;
        if message.is_some() && decision != Some(Decision::Deny) {
            return Err(Failure::Usage("--message says why not: it goes with `deny`".to_owned()));
        }
        let answers: BTreeMap<_, _> = say.into_iter().collect();
        let decision = match decision {
            Some(Decision::Allow) => json!("allow"),
            Some(Decision::AllowSession) => json!("allow_session"),
            Some(Decision::Deny) => json!("deny"),
            None => json!({"answers": answers}),
        };
        let body = json!({"request": request, "decision": decision, "message": message});
        let answer: Box<RawValue> = common.connect().await?.post(&session_path(&session, "answer"), &body).await?;
        common.print(&answer, |Answered { turn }| format!("{} goes on\n", plain(&turn)))
    }
}

fn said(text: &str) -> Result<(String, String), String> {
    let (question, answer) = text.split_once('=').ok_or("write it as QUESTION=ANSWER")?;
    Ok((question.to_owned(), answer.to_owned()))
}
