//! An exchange, and words for what goes in and what comes out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::exchange::{Act, Exchange, Reply};
use super::super::transcript::{Entry, Failure, Said};
use crate::driver::{Answer, Command, CommandKind, DriverEvent, TurnInput};
use crate::protocol::{BackendId, BackendSpec, EnvPolicy, EventKind, TurnEnding, TurnId, TurnOptions, Usage};
use crate::wire::claude_hooks::HookInput;

/// claude's id of the thread.
pub(super) const THREAD: &str = "11111111-2222-4333-8444-555555555555";

pub(super) struct Play {
    pub(super) exchange: Exchange,
    pub(super) now: Instant,
    /// What was pushed, in order.
    pub(super) pushes: Vec<Uuid>,
    commands: u64,
}

impl Play {
    /// Ready for a turn.
    pub(super) fn ready() -> Self {
        let exchange = Exchange::new(Arc::new(spec()), TurnOptions::default(), 7);
        let mut play = Self { exchange, now: Instant::now(), pushes: Vec::new(), commands: 0 };
        play.exchange.connected();
        assert_eq!(play.events(), "");
        play.exchange.registered();
        assert_eq!(play.events(), "ready");
        play
    }

    /// In a turn that has begun.
    pub(super) fn running() -> Self {
        let mut play = Self::ready();
        play.start();
        play.begin();
        assert_eq!((&*play.events(), &*play.acts()), ("acked, began", "push 0"));
        play
    }

    pub(super) fn command(&mut self, kind: CommandKind) {
        self.commands += 1;
        self.exchange.command(self.now, Command { id: self.commands, kind });
    }

    pub(super) fn start(&mut self) {
        let input = TurnInput { preface: vec!["before".into()], text: "do it".into(), ..TurnInput::default() };
        self.command(CommandKind::StartTurn { turn: TurnId::generate(), input, options: TurnOptions::default() });
    }

    pub(super) fn steer(&mut self) {
        self.command(CommandKind::Steer { text: "more".into() });
    }

    pub(super) fn answer(&mut self, question: &str, answer: Answer) {
        self.command(CommandKind::Answer { question: question.into(), answer });
    }

    /// claude begins what was pushed last.
    pub(super) fn begin(&mut self) {
        self.acts_seen();
        let newest = self.pushes.last().copied().expect("something was pushed");
        self.submit(&[newest]);
    }

    /// claude begins these pushes as one prompt; none is a turn of its own.
    pub(super) fn submit(&mut self, pushes: &[Uuid]) {
        self.hook(
            json!({"hook_event_name": "UserPromptSubmit", "prompt": prompt(pushes), "permission_mode": "default"}),
        );
    }

    pub(super) fn piece(&mut self, message: &str, index: u32, text: &str, is_final: bool) {
        self.hook(json!({"hook_event_name": "MessageDisplay", "message_id": message, "index": index, "delta": text,
            "final": is_final}));
    }

    pub(super) fn stop(&mut self, last: &str) {
        self.hook(json!({"hook_event_name": "Stop", "last_assistant_message": last}));
    }

    pub(super) fn fail(&mut self, error: &str, words: &str) {
        self.hook(json!({"hook_event_name": "StopFailure", "error": error, "last_assistant_message": words}));
    }

    /// A tool asks.
    pub(super) fn permission(&mut self, tool: &str) -> Reply {
        self.hook(json!({"hook_event_name": "PermissionRequest", "tool_name": tool, "tool_input": {"a": 1}}))
    }

    pub(super) fn tool(&mut self, name: &str, id: &str) {
        self.hook(json!({"hook_event_name": name, "tool_name": "Bash", "tool_use_id": id, "tool_input": {}, "tool_response": "x"}));
    }

    pub(super) fn hook(&mut self, mut input: Value) -> Reply {
        input["session_id"] = THREAD.into();
        let text = input.to_string();
        let input: HookInput<'_> = serde_json::from_str(&text).expect("a hook's input");
        self.exchange.hook(self.now, &input)
    }

    pub(super) fn entry(&mut self, entry: Entry) {
        self.exchange.entry(self.now, entry);
    }

    /// The transcript has a message.
    pub(super) fn written(&mut self, message: &str, text: &str, output_tokens: u64) {
        self.entry(Entry::Assistant(said(message, text, output_tokens)));
    }

    /// The interrupt acts: the log tells first, the transcript then.
    pub(super) fn cancelled(&mut self) {
        self.exchange.cancelled(self.now);
        self.entry(Entry::Interrupted { in_tool: false });
    }

    /// Time passes.
    pub(super) fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.exchange.tick(self.now);
    }

    /// What was to be done since the last call, in words.
    pub(super) fn acts(&mut self) -> String {
        let mut words = Vec::new();
        while let Some(act) = self.exchange.acts.pop_front() {
            words.push(match act {
                Act::Push { id, .. } => format!("push {}", self.number(id)),
                Act::Keys(keys) => format!("keys {}", keys.escape_ascii()),
                Act::Decide { question, answer, request, .. } => {
                    format!("decide {question} {answer:?} {}", request.unwrap_or_default()).trim_end().to_owned()
                }
            });
        }
        words.join(", ")
    }

    /// What happened since the last call, in words.
    pub(super) fn events(&mut self) -> String {
        let words: Vec<String> = self.exchange.events.drain(..).map(|event| said_of(&event)).collect();
        words.join(", ")
    }

    /// Notes what was pushed, and leaves it to be done.
    fn acts_seen(&mut self) {
        let ids: Vec<Uuid> = self
            .exchange
            .acts
            .iter()
            .filter_map(|act| match act {
                Act::Push { id, .. } => Some(*id),
                _ => None,
            })
            .collect();
        for id in ids {
            self.number(id);
        }
    }

    fn number(&mut self, id: Uuid) -> usize {
        self.pushes.iter().position(|known| *known == id).unwrap_or_else(|| {
            self.pushes.push(id);
            self.pushes.len() - 1
        })
    }
}

/// As claude gives it to its hooks.
pub(super) fn prompt(pushes: &[Uuid]) -> String {
    let tag = |push: &Uuid| {
        format!("<channel source=\"turnmux\" chat_id=\"k\" message_id=\"{push}\" ts=\"t\">\nx\n</channel>")
    };
    if pushes.is_empty() { "<task>over</task>".into() } else { pushes.iter().map(tag).collect::<Vec<_>>().join("\n") }
}

pub(super) fn said(message: &str, text: &str, output_tokens: u64) -> Said {
    Said {
        message_id: message.into(),
        text: text.into(),
        stop_reason: None,
        usage: Usage { output_tokens, ..Usage::default() },
        synthetic: false,
        failure: None,
    }
}

pub(super) fn failure(status: Option<u16>) -> Failure {
    Failure { kind: "x".into(), status }
}

fn said_of(event: &DriverEvent) -> String {
    match event {
        DriverEvent::Ready { .. } => "ready".into(),
        DriverEvent::Acked { result: Ok(()), .. } => "acked".into(),
        DriverEvent::Acked { result: Err(error), .. } => format!("refused {:?}", error.kind),
        DriverEvent::Began { .. } => "began".into(),
        DriverEvent::TypedTurn { text, .. } => format!("typed {text:?}"),
        DriverEvent::TypedSteer { text } => format!("steered {text:?}"),
        DriverEvent::SteerConsumed { command } => format!("took {command}"),
        DriverEvent::Step(EventKind::TextDelta(text)) => format!("{text:?}"),
        DriverEvent::Step(EventKind::ToolUse { name, .. }) => format!("uses {name}"),
        DriverEvent::Step(EventKind::ToolResult { .. }) => "result".into(),
        DriverEvent::Step(EventKind::FileChange { path, kind, .. }) => format!("{} {path}", kind.as_str()),
        DriverEvent::Step(EventKind::TextMismatch) => "mismatch".into(),
        DriverEvent::Asked(question) => format!("asked {} {}", question.id, question.tool),
        DriverEvent::TurnEnded(TurnEnding::Completed { text, finish, usage, .. }) => {
            format!("completed {text:?} {finish:?} {}", usage.output_tokens)
        }
        DriverEvent::TurnEnded(TurnEnding::Interrupted(cause)) => format!("interrupted {cause:?}"),
        DriverEvent::TurnEnded(TurnEnding::Failed(error)) => format!("failed {:?}", error.kind),
        other => format!("{other:?}"),
    }
}

fn spec() -> BackendSpec {
    BackendSpec {
        env_policy: EnvPolicy::Strict,
        ..BackendSpec::new(BackendId::new("claude-code"), "claude-channel", "claude")
    }
}
