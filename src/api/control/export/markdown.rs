//! A session as a transcript in Markdown: a heading for each turn, what was said in quotes, tools folded.
//!
//! Events are told as they come, but for turns that wait while another one runs: their time is when they begin, and of those
//! that never do, when the running one has ended. Of them only the ids are kept here.

use std::sync::Arc;

use super::marks::{close_details, code, fence, open_details, paragraph, quote, time};
use crate::api::control::pages::Pages;
use crate::api::control::turn_out::ending;
use crate::dispatch::{Composer, Dispatch, Logged, SessionView, StoreError, TurnRecord};
use crate::protocol::{Decision, EventKind, SteerId, TenantId, TurnEnding, TurnId, Usage};

/// Writes the transcript.
pub(super) struct Markdown {
    dispatch: Arc<dyn Dispatch>,
    tenant: TenantId,
    /// For what was said to begin a turn.
    lookups: Pages,
    composer: Composer,
    section: Option<Section>,
    /// Turns that have not begun, in order.
    waiting: Vec<TurnId>,
    /// Turns that never began, and ended while another one was told.
    unbegun: Vec<TurnId>,
}

/// The turn that is told.
struct Section {
    turn: TurnId,
    /// Tools that run: the calls' ids and the tools' names.
    calls: Vec<(String, String)>,
    /// The call whose fold is open: its result follows at once as a rule.
    open: Option<String>,
    steers: Vec<SteerId>,
    has_answer: bool,
    /// What was said counts less than the ending's text.
    is_mismatch: bool,
}

impl Markdown {
    /// Writes the session's heading.
    pub(super) fn begin(out: &mut Vec<u8>, dispatch: Arc<dyn Dispatch>, lookups: Pages, view: &SessionView) -> Self {
        let record = &view.record;
        let mut text = String::new();
        paragraph(&mut text, &format!("# Session {}", code(&record.key.to_string())));
        let mut facts =
            vec![code(record.backend.as_str()), format!("in {}", code(&record.directory.to_string_lossy()))];
        facts.extend(record.thread.as_ref().map(|thread| format!("thread {}", code(thread.as_str()))));
        paragraph(&mut text, &facts.join(" · "));
        out.extend_from_slice(text.as_bytes());
        Self {
            dispatch,
            tenant: record.key.tenant().clone(),
            lookups,
            composer: Composer::default(),
            section: None,
            waiting: Vec::new(),
            unbegun: Vec::new(),
        }
    }

    /// Writes what an event says.
    pub(super) fn event(&mut self, out: &mut Vec<u8>, logged: &Logged) -> Result<(), StoreError> {
        let (turn, mut text) = (logged.turn, String::new());
        for kind in self.composer.before(turn, &logged.kind) {
            self.section(&mut text, turn)?.tell(&mut text, &kind);
        }
        let is_told = self.section.as_ref().is_some_and(|section| section.turn == turn);
        match &logged.kind {
            EventKind::UserText(_) => self.waiting.push(turn),
            EventKind::Waiting(_) | EventKind::TextDelta(_) | EventKind::ReasoningDelta(_) => {}
            EventKind::Ended(_) if !is_told && self.section.is_some() => self.unbegun.push(turn),
            kind @ EventKind::Ended(_) => {
                self.section(&mut text, turn)?.tell(&mut text, kind);
                self.section = None;
                for turn in std::mem::take(&mut self.unbegun) {
                    self.unbegun(&mut text, turn)?;
                }
            }
            kind => self.section(&mut text, turn)?.tell(&mut text, kind),
        }
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// Writes what has no end yet, and what waits.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) -> Result<(), StoreError> {
        let mut text = String::new();
        let rest = self.composer.rest();
        if let Some(section) = &mut self.section {
            for kind in &rest {
                section.tell(&mut text, kind);
            }
            section.fold(&mut text);
        }
        let ended = std::mem::take(&mut self.unbegun);
        for turn in ended.into_iter().chain(std::mem::take(&mut self.waiting)) {
            self.unbegun(&mut text, turn)?;
        }
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// Says that the events up to this one are not kept any more.
    pub(super) fn missed(out: &mut Vec<u8>, upto: u64) {
        let mut text = String::new();
        paragraph(&mut text, &format!("The first {upto} events are not kept any more."));
        out.extend_from_slice(text.as_bytes());
    }

    /// Says that there would be more.
    pub(super) fn broken(out: &mut Vec<u8>, error: &StoreError) {
        let mut text = String::from("\n");
        paragraph(&mut text, "**The transcript breaks off here:**");
        quote(&mut text, &error.message);
        out.extend_from_slice(text.as_bytes());
    }

    /// The section of this turn, which begins if another one was told.
    fn section(&mut self, out: &mut String, turn: TurnId) -> Result<&mut Section, StoreError> {
        if self.section.as_ref().is_none_or(|section| section.turn != turn) {
            if let Some(mut before) = self.section.take() {
                before.fold(out);
            }
            self.heading(out, turn)?;
        }
        Ok(self.section.get_or_insert_with(|| Section::new(turn)))
    }

    /// A turn that no agent had.
    fn unbegun(&mut self, out: &mut String, turn: TurnId) -> Result<(), StoreError> {
        if let Some(record) = self.heading(out, turn)?
            && let Some(ending) = ending(&record)
        {
            Section::new(turn).tell(out, &EventKind::Ended(ending.clone()));
        }
        Ok(())
    }

    /// A turn's heading, and what was said to begin it.
    fn heading(&mut self, out: &mut String, turn: TurnId) -> Result<Option<TurnRecord>, StoreError> {
        self.waiting.retain(|waiting| *waiting != turn);
        let Some(record) = self.dispatch.turn(&self.tenant, turn)? else {
            paragraph(out, &format!("## {turn}"));
            return Ok(None);
        };
        paragraph(out, &format!("## {} · {}", time(record.accepted_at), record.status.name().replace('_', " ")));
        paragraph(out, &facts(&record));
        if let Some(said) = self.lookups.at(record.first_seq)?
            && let EventKind::UserText(said) = &said.kind
        {
            paragraph(out, "**User**");
            quote(out, &said.in_words());
        }
        Ok(Some(record))
    }
}

impl Section {
    fn new(turn: TurnId) -> Self {
        let (calls, open, steers) = (Vec::new(), None, Vec::new());
        Self { turn, calls, open, steers, has_answer: false, is_mismatch: false }
    }

    fn tell(&mut self, out: &mut String, kind: &EventKind) {
        match kind {
            EventKind::AssistantText(text) => {
                self.has_answer = true;
                self.said(out, "**Assistant**", text);
            }
            EventKind::Reasoning(text) => {
                self.fold(out);
                folded(out, "Reasoning", text);
            }
            EventKind::Steered { steer, text } => {
                self.steers.push(*steer);
                self.said(out, "**User**, while it ran", text);
            }
            EventKind::SteerDropped { steer } => {
                let which = self.steers.iter().position(|other| other == steer).map_or(0, |at| at + 1);
                self.note(out, &format!("The model never read input {which} of those that came while it ran."));
            }
            EventKind::Typed { steer: None } => self.note(out, "Typed in the agent's own terminal."),
            EventKind::ToolUse { id, name, input } => {
                self.fold(out);
                open_details(out, name);
                fence(out, "json", input);
                self.calls.push((id.clone(), name.clone()));
                self.open = Some(id.clone());
            }
            EventKind::ToolResult { id, is_error, text } => self.result(out, id, *is_error, text),
            EventKind::Subagent { text, .. } => folded(out, "Subagent", text),
            EventKind::Retry { attempt, status } => {
                let status = status.map(|status| format!(", status {status}")).unwrap_or_default();
                paragraph(out, &format!("The model's service was asked again (attempt {attempt}{status})."));
            }
            EventKind::PermissionDenied { tool } => paragraph(out, &format!("Not allowed: {}", code(tool))),
            EventKind::PermissionAsked(question) => paragraph(out, &format!("Asked for: {}", code(&question.tool))),
            EventKind::PermissionAnswered { decision, by, .. } => {
                let decision = match decision {
                    Decision::Allow => "allowed".to_owned(),
                    Decision::AllowSession => "allowed for the session".to_owned(),
                    Decision::Deny { .. } => "denied".to_owned(),
                    Decision::Answers(answers) => answers.values().map(|it| code(it)).collect::<Vec<_>>().join(", "),
                };
                paragraph(out, &format!("Answer: {decision} ({})", by.as_str().replace('_', " ")));
            }
            EventKind::FileChange { path, kind, .. } => {
                paragraph(out, &format!("File {}: {}", kind.as_str(), code(path)));
            }
            EventKind::ContextLost { from, recalled, .. } => {
                let lost = code(from.as_str());
                self.note(
                    out,
                    &format!("The agent had lost thread {lost}; a new one was told {recalled} messages of it."),
                );
            }
            EventKind::TextMismatch => self.is_mismatch = true,
            EventKind::Ended(ending) => self.ended(out, ending),
            EventKind::UserText(_)
            | EventKind::Waiting(_)
            | EventKind::Started { .. }
            | EventKind::TextDelta(_)
            | EventKind::ReasoningDelta(_)
            | EventKind::SteerConsumed { .. }
            | EventKind::Typed { .. }
            | EventKind::Raw(_)
            | EventKind::Usage(_) => {}
        }
    }

    /// What a tool answered: under its call, if nothing came between.
    fn result(&mut self, out: &mut String, id: &str, is_error: bool, text: &str) {
        let call = self.calls.iter().position(|(call, _)| call == id).map(|at| self.calls.remove(at));
        let name = call.map_or_else(|| "tool".to_owned(), |(_, name)| name);
        let what = if is_error { "error" } else { "result" };
        if self.open.as_deref() == Some(id) {
            if is_error {
                paragraph(out, "Error:");
            }
        } else {
            self.fold(out);
            open_details(out, &format!("{name}: {what}"));
            self.open = Some(id.to_owned());
        }
        fence(out, "", text);
        self.fold(out);
    }

    fn ended(&mut self, out: &mut String, ending: &TurnEnding) {
        self.fold(out);
        match ending {
            TurnEnding::Completed { text, .. } => {
                if !text.is_empty() && (self.is_mismatch || !self.has_answer) {
                    let title = if self.is_mismatch { "**Assistant**, in the end" } else { "**Assistant**" };
                    self.said(out, title, text);
                }
            }
            TurnEnding::Interrupted(cause) => paragraph(out, &format!("**Interrupted:** {cause}.")),
            TurnEnding::Failed(error) => self.said(out, "**Failed**", &error.message),
        }
    }

    fn said(&mut self, out: &mut String, title: &str, text: &str) {
        self.fold(out);
        paragraph(out, title);
        // Messages of one answer have empty lines between them.
        quote(out, text.trim_start_matches('\n'));
    }

    fn note(&mut self, out: &mut String, text: &str) {
        self.fold(out);
        paragraph(out, text);
    }

    fn fold(&mut self, out: &mut String) {
        if self.open.take().is_some() {
            close_details(out);
        }
    }
}

fn folded(out: &mut String, title: &str, text: &str) {
    open_details(out, title);
    fence(out, "", text);
    close_details(out);
}

/// What is known of a turn beside what was said.
fn facts(turn: &TurnRecord) -> String {
    let mut facts = vec![code(&turn.id.to_string()), code(turn.backend.as_str())];
    if let (Some(started), Some(ended)) = (turn.started_at, turn.ended_at) {
        let took = ended.duration_since(started).unwrap_or_default();
        facts.push(format!("{:.1} s", took.as_secs_f64()));
    }
    if let Some(TurnEnding::Completed { usage, .. }) = ending(turn) {
        facts.push(tokens(usage));
        facts.extend(usage.cost_usd.map(|cost| format!("${cost:.4}")));
    }
    facts.extend(turn.tags.iter().map(|(name, value)| code(&format!("{name}={value}"))));
    facts.join(" · ")
}

fn tokens(usage: &Usage) -> String {
    let cached = match usage.cache_read_tokens {
        0 => String::new(),
        cached => format!(" ({cached} from the cache)"),
    };
    format!("{} tokens in{cached}, {} out", usage.prompt_tokens(), usage.output_tokens)
}
