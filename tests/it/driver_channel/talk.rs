//! A conversation with an attachment, event by event.

use turnmux::driver::{Answer, Attachment, Command, CommandId, CommandKind, DriverEvent, TurnInput};
use turnmux::protocol::{
    DriverEnd, ErrorKind, EventKind, InterruptCause, Question, ThreadId, TurnEnding, TurnError, TurnId, TurnOptions,
};

use crate::harness::within;

pub(super) struct Talk {
    attachment: Attachment,
    commands: CommandId,
    /// The agent's process.
    pub(super) pid: u32,
    /// The thread, once a turn has begun.
    pub(super) thread: Option<ThreadId>,
    /// The text that the running turn has shown so far.
    shown: String,
}

impl Talk {
    pub(super) fn new(attachment: Attachment) -> Self {
        Self { attachment, commands: 0, pid: 0, thread: None, shown: String::new() }
    }

    /// Waits until it is.
    pub(super) async fn ready(&mut self) {
        match self.event().await {
            DriverEvent::Ready { pid: Some(pid) } => self.pid = pid,
            other => panic!("not ready: {other:?}"),
        }
    }

    /// Sends a command.
    pub(super) async fn send(&mut self, kind: CommandKind) -> CommandId {
        self.commands += 1;
        let command = Command { id: self.commands, kind };
        within("room for a command", self.attachment.commands.send(command)).await.expect("the attachment lives");
        self.commands
    }

    /// Begins a turn.
    pub(super) async fn start(&mut self, text: &str) {
        self.shown.clear();
        let input = TurnInput { text: text.into(), ..TurnInput::default() };
        self.send(CommandKind::StartTurn { turn: TurnId::generate(), input, options: TurnOptions::default() }).await;
    }

    /// Steers, and gives what was said to that.
    pub(super) async fn steer(&mut self, text: &str) -> Result<(), TurnError> {
        let id = self.send(CommandKind::Steer { text: text.into() }).await;
        self.until("the steer's acknowledgement", |event| match event {
            DriverEvent::Acked { command, result } if *command == id => Some(result.clone()),
            _ => None,
        })
        .await
    }

    /// Answers a question.
    pub(super) async fn answer(&mut self, question: &Question, answer: Answer) {
        self.send(CommandKind::Answer { question: question.id.clone(), answer }).await;
    }

    /// Waits until the turn has shown this.
    pub(super) async fn shows(&mut self, text: &str) {
        while !self.shown.contains(text) {
            let event = self.event().await;
            assert!(!matches!(event, DriverEvent::TurnEnded(_)), "it ended before it showed {text:?}: {event:?}");
        }
    }

    /// Waits for a question.
    pub(super) async fn asked(&mut self) -> Question {
        self.until("a question", |event| match event {
            DriverEvent::Asked(question) => Some(question.clone()),
            _ => None,
        })
        .await
    }

    /// Waits for the turn's end.
    pub(super) async fn ending(&mut self) -> TurnEnding {
        self.until("the turn's end", |event| match event {
            DriverEvent::TurnEnded(ending) => Some(ending.clone()),
            _ => None,
        })
        .await
    }

    /// Waits for the turn's end, which is an answer: what was shown must be it.
    pub(super) async fn answered(&mut self) -> String {
        match self.ending().await {
            TurnEnding::Completed { text, .. } => {
                assert_eq!(self.shown.trim(), text.trim(), "what was shown is not what counts");
                text.trim().to_owned()
            }
            other => panic!("no answer: {other:?}"),
        }
    }

    /// A whole turn.
    pub(super) async fn turn(&mut self, text: &str) -> String {
        self.start(text).await;
        self.answered().await
    }

    /// Stops the turn.
    pub(super) async fn interrupted(&mut self) {
        self.send(CommandKind::Interrupt).await;
        assert_eq!(self.ending().await, TurnEnding::Interrupted(InterruptCause::Agent));
    }

    /// Waits for the end of it all, because the agent is lost; no turn ends meanwhile.
    pub(super) async fn lost(&mut self) -> TurnError {
        let end = self.until("the end", |event| match event {
            DriverEvent::Closed(end) => Some(end.clone()),
            DriverEvent::TurnEnded(ending) => panic!("a second ending: {ending:?}"),
            _ => None,
        });
        let end = end.await;
        assert!(within("the end of events", self.attachment.events.recv()).await.is_none(), "Closed comes last");
        match end {
            DriverEnd::Failed(error) if error.kind == ErrorKind::AgentLost => error,
            other => panic!("{other:?}"),
        }
    }

    /// Ends it in order.
    pub(super) async fn detach(mut self) {
        self.send(CommandKind::Detach).await;
        let end = self.until("the end", |event| match event {
            DriverEvent::Closed(end) => Some(end.clone()),
            DriverEvent::TurnEnded(ending) => panic!("a second ending: {ending:?}"),
            _ => None,
        });
        assert_eq!(end.await, DriverEnd::Detached);
    }

    async fn until<T>(&mut self, what: &str, found: impl Fn(&DriverEvent) -> Option<T>) -> T {
        within(what, async {
            loop {
                let event = self.event().await;
                if let Some(found) = found(&event) {
                    return found;
                }
                assert!(!matches!(event, DriverEvent::Closed(_)), "waited for {what}: {event:?}");
            }
        })
        .await
    }

    async fn event(&mut self) -> DriverEvent {
        let event = within("an event", self.attachment.events.recv()).await.expect("an event");
        match &event {
            DriverEvent::Step(EventKind::TextDelta(text)) => self.shown.push_str(text),
            DriverEvent::Began { thread } => self.thread = Some(thread.clone()),
            _ => {}
        }
        event
    }
}
