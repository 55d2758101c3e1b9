//! Forks, by the library: no route of the API asks for one yet.

use std::path::Path;
use std::sync::Arc;

use turnmux::driver::claude_stream::{ClaudeStream, NAME};
use turnmux::driver::{
    Attachment, Command, CommandKind, Driver as _, DriverEvent, OpenRequest, RawWanted, TerminalSlot, TurnInput,
};
use turnmux::process::{Supervisor, SupervisorConfig};
use turnmux::protocol::{BackendId, BackendSpec, EnvPolicy, Limits, ThreadId, ThreadOrigin};
use turnmux::protocol::{TurnEnding, TurnId, TurnOptions};

use crate::harness::{Claude, Transcripts, within};
use crate::support::model::Model;

on_both!(a_fork_knows_what_came_before_and_leaves_its_parent_alone);

async fn a_fork_knows_what_came_before_and_leaves_its_parent_alone(claude: Claude) {
    let scratch = tempfile::tempdir().unwrap();
    let transcripts = Transcripts::of(scratch.path(), scratch.path());
    let model = Model::start().await;
    let supervisor = Supervisor::start(SupervisorConfig::default()).unwrap();
    let driver = ClaudeStream::new(supervisor.clone(), Limits::default());
    let spec = Arc::new(spec(claude, scratch.path(), &model));
    let open = |origin: ThreadOrigin| {
        let attachment = driver.open(OpenRequest {
            origin,
            spec: spec.clone(),
            directory: scratch.path().to_owned(),
            options: TurnOptions::default(),
            label: "fork".into(),
            raw: RawWanted::default(),
            terminal: TerminalSlot::default(),
        });
        Talk { attachment, commands: 0 }
    };

    let parent = ThreadId::generate();
    let mut talk = open(ThreadOrigin::New(parent.clone()));
    assert_eq!(talk.turn("one").await, (parent.clone(), "You said: one [turn 1]".into()));
    transcripts.hold("You said: one [turn 1]").await;
    let after_one = transcripts.last_answer(parent.as_str());
    assert_eq!(talk.turn("two").await.1, "You said: two [turn 2]");
    transcripts.hold("You said: two [turn 2]").await;

    // While the parent lives: all of it, and up to its first answer.
    let whole = ThreadId::generate();
    let mut fork = open(ThreadOrigin::Fork { from: parent.clone(), at: None, into: whole.clone() });
    assert_eq!(fork.turn("three").await, (whole, "You said: three [turn 3]".into()));
    let early = ThreadId::generate();
    let mut fork_at = open(ThreadOrigin::Fork { from: parent.clone(), at: Some(after_one), into: early.clone() });
    assert_eq!(fork_at.turn("instead").await, (early, "You said: instead [turn 2]".into()));
    assert_eq!(fork_at.turn("again").await.1, "You said: again [turn 3]");

    assert_eq!(talk.turn("three of the parent").await, (parent, "You said: three of the parent [turn 3]".into()));
    drop((talk, fork, fork_at));
    let report = within("the end of all processes", supervisor.shutdown(Limits::default().stop_term)).await;
    assert_eq!(report.left, [0; 0]);
}

/// A conversation with an attachment.
struct Talk {
    attachment: Attachment,
    commands: u64,
}

impl Talk {
    /// One turn: the thread that it belongs to, and the answer.
    async fn turn(&mut self, text: &str) -> (ThreadId, String) {
        if self.commands == 0 {
            let first = within("the agent", self.attachment.events.recv()).await;
            assert!(matches!(first, Some(DriverEvent::Ready { pid: Some(_) })), "{first:?}");
        }
        self.commands += 1;
        let input = TurnInput { text: text.into(), ..TurnInput::default() };
        let kind = CommandKind::StartTurn { turn: TurnId::generate(), input, options: TurnOptions::default() };
        self.attachment.commands.send(Command { id: self.commands, kind }).await.unwrap();
        let mut thread = None;
        loop {
            match within("an event", self.attachment.events.recv()).await {
                Some(DriverEvent::Began { thread: began }) => thread = Some(began),
                Some(DriverEvent::TurnEnded(TurnEnding::Completed { text, .. })) => {
                    return (thread.expect("the turn began before it ended"), text);
                }
                Some(DriverEvent::Acked { result: Ok(()), .. } | DriverEvent::Step(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn spec(claude: Claude, home: &Path, model: &Model) -> BackendSpec {
    let env = [
        ("HOME", home.display().to_string()),
        ("ANTHROPIC_BASE_URL", model.url()),
        ("ANTHROPIC_API_KEY", "sk-ant-dummy-key-for-tests".into()),
        ("DISABLE_AUTOUPDATER", "1".into()),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1".into()),
    ];
    BackendSpec {
        env: env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        env_policy: EnvPolicy::Strict,
        ..BackendSpec::new(BackendId::new("claude-code"), NAME, claude.path().display().to_string())
    }
}
