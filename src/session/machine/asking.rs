//! Questions from inside the running turn: who answers them, and what becomes of them when nobody does.
//!
//! A question waits only while somebody who can answer listens, for at most `limits.answer`. When the last listener leaves,
//! it waits a moment longer, for connections come back. It is answered once: by a client, by what was allowed for the whole
//! session before, by the limit, by nobody's being there, or by the end of its turn.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::acting::{Acted, Refused};
use super::core::State;
use super::{Effect, Machine};
use crate::driver::{Answer, CommandKind};
use crate::protocol::{AnsweredBy, Decision, EventKind, Permission, Question, RequestId};

/// How long a question waits for somebody to listen again. Event streams come back within seconds.
const GRACE: Duration = Duration::from_secs(10);

/// Questions of one turn that may wait: agents run a handful of tools at once.
const QUESTIONS_MAX: usize = 64;

/// Questions that are over and still known, so that a late answer is told so.
const GONE_MAX: usize = 256;

/// Tools that may be allowed for a whole session.
const ALLOWED_MAX: usize = 256;

/// A question that waits for its answer.
#[derive(Debug, Clone)]
pub(super) struct Open {
    id: RequestId,
    /// As the driver asked it.
    question: Question,
    until: Instant,
}

#[cfg(test)]
impl Open {
    /// Its id.
    pub(super) fn id(&self) -> RequestId {
        self.id
    }
}

impl Machine {
    pub(super) fn asked(&mut self, now: Instant, question: Question) {
        let Some(attached) = &self.attached else { return };
        let backend = attached.spec.id.clone();
        let (State::Active(_), Some(turn)) = (&self.state, self.active()) else {
            if self.active().is_some() {
                // Nobody is to wait for what a turn asks that is being interrupted.
                let message = "Permission denied: the turn is being stopped.".to_owned();
                self.command(CommandKind::Answer { question: question.id, answer: Answer::Deny { message } });
            }
            return;
        };
        if attached.options.permission != Permission::Deny && attached.options.mcp.allow(&question.tool) {
            // Whoever asked for the turn offers this tool itself, and has said yes to it.
            self.command(CommandKind::Answer { question: question.id, answer: Answer::Allow });
            return;
        }
        let waits = attached.options.permission != Permission::Deny && self.listening;
        let id = RequestId::generate();
        self.emit(turn, EventKind::PermissionAsked(Question { id: id.to_string(), ..question.clone() }));
        let tool = question.tool.clone();
        let open = Open { id, question, until: now + self.policy.limits.answer };
        if self.record.allowed.contains(&tool) && !open.question.is_for_words() {
            self.settle_question(&open, Decision::AllowSession, AnsweredBy::Session);
        } else if waits && self.questions.len() < QUESTIONS_MAX {
            self.questions.push(open);
        } else {
            let message = format!(
                "Permission denied: this session asks before `{tool}` may run, and nobody is there to answer. Whoever runs turnmux \
                 can allow file changes with `--permission accept_edits`, or everything with `--permission bypass`, or set \
                 `permission` under [backends.{backend}] in turnmux.toml; whoever listens to the session's events (GET \
                 /v1/sessions/KEY/events) is asked, and can answer (POST /v1/sessions/KEY/answer)."
            );
            self.settle_question(&open, Decision::Deny { message }, AnsweredBy::NobodyThere);
        }
    }

    /// A client answers.
    pub(super) fn answer(&mut self, now: Instant, id: RequestId, decision: Decision) -> Result<Acted, Refused> {
        let Some(at) = self.questions.iter().position(|open| open.id == id) else {
            return Err(if self.gone.contains(&id) { Refused::RequestGone } else { Refused::NoRequest });
        };
        fits(&self.questions[at].question, &decision)?;
        let turn = self.active().ok_or(Refused::RequestGone)?;
        let open = self.questions.remove(at);
        let tool = open.question.tool.clone();
        let for_session = decision == Decision::AllowSession;
        self.settle_question(&open, decision, AnsweredBy::Client);
        if for_session && self.record.allowed.len() < ALLOWED_MAX && self.record.allowed.insert(tool.clone()) {
            self.out.push(Effect::Save);
            for open in self.questions.extract_if(.., |open| open.question.tool == tool).collect::<Vec<_>>() {
                self.settle_question(&open, Decision::AllowSession, AnsweredBy::Session);
            }
        }
        if let State::Active(active) = &mut self.state {
            active.alive(now);
        }
        Ok(Acted::Answered { turn })
    }

    /// Whether a question waits for its answer.
    pub fn is_asking(&self) -> bool {
        !self.questions.is_empty()
    }

    /// Whether anybody who can answer listens.
    pub(super) fn listen(&mut self, now: Instant, listening: bool) {
        self.listening = listening;
        self.unheard = (!listening).then_some(now);
    }

    /// When the first question that waits is given up.
    pub(super) fn question_deadline(&self) -> Option<Instant> {
        let first = self.questions.iter().map(|open| open.until).min()?;
        Some(self.unheard.map_or(first, |unheard| first.min(unheard + GRACE)))
    }

    /// Gives up the questions whose time is over. False when there are none.
    pub(super) fn give_up_questions(&mut self, now: Instant) -> bool {
        let unheard = self.unheard.is_some_and(|unheard| unheard + GRACE <= now);
        let due = |open: &mut Open| unheard || open.until <= now;
        let due: Vec<Open> = self.questions.extract_if(.., due).collect();
        for open in &due {
            let tool = &open.question.tool;
            let (message, by) = if open.until <= now {
                let limit = self.policy.limits.answer;
                let message = format!(
                    "Permission denied: nobody answered within {limit:?} (`limits.answer`) whether `{tool}` may run."
                );
                (message, AnsweredBy::Limit)
            } else {
                let message = format!(
                    "Permission denied: whoever could say whether `{tool}` may run has left without an answer."
                );
                (message, AnsweredBy::NobodyThere)
            };
            self.settle_question(open, Decision::Deny { message }, by);
        }
        if let State::Active(active) = &mut self.state
            && !due.is_empty()
        {
            active.alive(now);
        }
        !due.is_empty()
    }

    /// The turn takes no answers any more. `told`: the agent still waits for them.
    pub(super) fn close_questions(&mut self, told: bool) {
        for open in std::mem::take(&mut self.questions) {
            let decision = Decision::Deny { message: "Permission denied: the turn was stopped.".to_owned() };
            if told {
                self.settle_question(&open, decision, AnsweredBy::Interrupted);
            } else {
                self.note_answer(&open, decision, AnsweredBy::Interrupted);
            }
        }
    }

    /// A person has said yes to the agent itself.
    pub(super) fn allowed_there(&mut self, question: &str) {
        if let Some(at) = self.questions.iter().position(|open| open.question.id == question) {
            let open = self.questions.remove(at);
            self.note_answer(&open, Decision::Allow, AnsweredBy::Terminal);
        }
    }

    fn settle_question(&mut self, open: &Open, decision: Decision, by: AnsweredBy) {
        let answer = match &decision {
            Decision::Allow | Decision::AllowSession => Answer::Allow,
            Decision::Answers(answers) => answered(&open.question.input, answers),
            Decision::Deny { message } if message.is_empty() => {
                Answer::Deny { message: format!("Permission denied: `{}` may not run.", open.question.tool) }
            }
            Decision::Deny { message } => Answer::Deny { message: message.clone() },
        };
        self.command(CommandKind::Answer { question: open.question.id.clone(), answer });
        self.note_answer(open, decision, by);
    }

    fn note_answer(&mut self, open: &Open, decision: Decision, by: AnsweredBy) {
        self.gone.push_back(open.id);
        if self.gone.len() > GONE_MAX {
            self.gone.pop_front();
        }
        let Some(turn) = self.active() else { return };
        let is_denied = matches!(decision, Decision::Deny { .. });
        self.emit(turn, EventKind::PermissionAnswered { question: open.id.to_string(), decision, by });
        if is_denied {
            self.emit(turn, EventKind::PermissionDenied { tool: open.question.tool.clone() });
        }
    }
}

/// Whether this can be said to that.
fn fits(question: &Question, decision: &Decision) -> Result<(), Refused> {
    match decision {
        Decision::Answers(_) if !question.is_for_words() => Err(Refused::WrongAnswer(format!(
            "`{}` asks for leave, not for words: decide `allow`, `allow_session` or `deny`",
            question.tool
        ))),
        Decision::Allow | Decision::AllowSession if question.is_for_words() => Err(Refused::WrongAnswer(format!(
            "`{}` asks for words, not for leave: decide `{{\"answers\": {{\"QUESTION\": \"ANSWER\"}}}}` or `deny`",
            question.tool
        ))),
        Decision::Answers(answers) => {
            let asked = questions_of(&question.input);
            match answers.keys().find(|answer| !asked.is_empty() && !asked.contains(answer)) {
                Some(other) => Err(Refused::WrongAnswer(format!(
                    "`{other}` was not asked; asked was: {}",
                    asked.iter().map(|asked| format!("`{asked}`")).collect::<Vec<_>>().join(", ")
                ))),
                None if answers.is_empty() => Err(Refused::WrongAnswer("`answers` says nothing".to_owned())),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// What a tool asks the person, as its arguments have it.
fn questions_of(input: &str) -> Vec<String> {
    let input: serde_json::Value = serde_json::from_str(input).unwrap_or_default();
    let asked = input.get("questions").and_then(serde_json::Value::as_array).into_iter().flatten();
    asked.filter_map(|asked| asked.get("question")?.as_str().map(str::to_owned)).collect()
}

/// The tool runs with the person's words among its arguments.
fn answered(input: &str, answers: &BTreeMap<String, String>) -> Answer {
    match serde_json::from_str(input) {
        Ok(serde_json::Value::Object(mut input)) => {
            input.insert("answers".to_owned(), serde_json::json!(answers));
            Answer::AllowWith { input: serde_json::Value::Object(input).to_string() }
        }
        _ => Answer::Deny { message: "Permission denied: the question could not be read.".to_owned() },
    }
}
