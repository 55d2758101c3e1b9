//! The task that stands for the agent's process.
//!
//! Commands pass even while nobody takes its events: what it has to say waits in an outbox, and the script rests until
//! that is empty.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{Alive, Counts, Start, Step, script};
use crate::driver::{Answer, CHANNEL_MAX, Command, CommandKind, DriverEvent, OpenRequest, TurnInput};
use crate::protocol::{
    DriverEnd, ErrorKind, EventKind, FinishReason, Image, InterruptCause, Question, ThreadId, ThreadOrigin, TurnEnding,
    TurnError,
};
use crate::protocol::{TurnOptions, Usage};

/// What a script cannot say otherwise: far more than any wait of a session.
const NEVER: std::time::Duration = std::time::Duration::from_hours(365 * 24);

struct Host {
    request: OpenRequest,
    outbox: VecDeque<DriverEvent>,
    turns: u64,
    counts: Arc<Counts>,
    turn: Option<Turn>,
}

#[derive(Default)]
struct Turn {
    steps: VecDeque<Step>,
    prefaces: usize,
    images: Vec<Image>,
    text: String,
    /// How far a `!count` has come.
    counted: u32,
    /// Until when the script rests.
    rest: Option<Instant>,
    /// A question that waits for its answer.
    asked: Option<String>,
    deaf: bool,
}

/// Runs until the attachment is over. `alive` goes before the events do, as a process is reaped before its driver says so.
pub(super) async fn run(
    request: OpenRequest,
    mut commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<DriverEvent>,
    alive: Alive,
) {
    let starts = script::starts(&request.spec.args);
    let mut host = Host { request, outbox: VecDeque::new(), turns: 0, counts: alive.0.clone(), turn: None };
    let end = match &starts {
        Ok(starts) => host.live(starts, &mut commands, &events).await,
        Err(message) => failed(ErrorKind::Misconfigured, message),
    };
    let stop = starts.iter().flatten().find_map(|start| match start {
        Start::Stop(time) => Some(*time),
        Start::NeverGone => Some(NEVER),
        _ => None,
    });
    if let (Some(stop), DriverEnd::Detached) = (stop, &end) {
        tokio::select! {
            () = tokio::time::sleep(stop) => {}
            () = events.closed() => {}
        }
    }
    drop(alive);
    // A session that has let go takes no last word.
    let _ = events.send(DriverEvent::Closed(end)).await;
}

impl Host {
    async fn live(
        &mut self,
        starts: &[Start],
        commands: &mut mpsc::Receiver<Command>,
        events: &mpsc::Sender<DriverEvent>,
    ) -> DriverEnd {
        let mut ready = Some(Instant::now());
        for start in starts {
            match start {
                Start::After(time) => ready = Some(Instant::now() + *time),
                Start::NeverReady => ready = Some(Instant::now() + NEVER),
                Start::Refuse => return failed(ErrorKind::StartFailed, "the scripted agent refused to start"),
                Start::Forgets if matches!(self.request.origin, ThreadOrigin::Resume(_)) => {
                    return failed(
                        ErrorKind::ThreadNotFound,
                        "the scripted agent knows no such thread; reset the session",
                    );
                }
                Start::Forgets | Start::Stop(_) | Start::NeverGone => {}
            }
        }
        loop {
            let rest = ready.or_else(|| self.turn.as_ref().and_then(Turn::next_at));
            tokio::select! {
                biased;
                command = commands.recv(), if self.outbox.len() < CHANNEL_MAX => match command {
                    Some(command) if command.kind != CommandKind::Detach => self.command(command),
                    _ => return DriverEnd::Detached,
                },
                room = events.reserve(), if !self.outbox.is_empty() => match (room, self.outbox.pop_front()) {
                    (Ok(room), Some(event)) => room.send(event),
                    _ => return DriverEnd::Detached,
                },
                () = sleep_until(rest.unwrap_or_else(Instant::now)), if rest.is_some() && self.outbox.is_empty() => {
                    if ready.take().is_some() {
                        self.outbox.push_back(DriverEvent::Ready { pid: None });
                    } else if let Some(end) = self.step() {
                        return end;
                    }
                }
            }
        }
    }

    fn command(&mut self, command: Command) {
        let interrupt = command.kind == CommandKind::Interrupt;
        let result = match command.kind {
            CommandKind::StartTurn { input, options, .. } => return self.start(command.id, &input, options),
            CommandKind::Configure { options } => {
                self.request.options = options;
                Ok(())
            }
            CommandKind::Answer { question, answer } => self.answer(&question, &answer),
            CommandKind::Interrupt | CommandKind::Detach => Ok(()),
            CommandKind::Clear => {
                let thread = ThreadId::generate();
                self.request.origin = ThreadOrigin::New(thread.clone());
                self.turns = 0;
                self.outbox.push_back(DriverEvent::Cleared { thread });
                Ok(())
            }
            CommandKind::Steer { .. } => Err(TurnError::new(ErrorKind::Conflict, "the scripted agent cannot do that")),
        };
        self.outbox.push_back(DriverEvent::Acked { command: command.id, result });
        if interrupt && self.turn.as_ref().is_some_and(|turn| !turn.deaf) {
            self.end(TurnEnding::Interrupted(InterruptCause::Agent));
        }
    }

    fn start(&mut self, command: u64, input: &TurnInput, options: TurnOptions) {
        let steps = script::steps(&input.text).and_then(|steps| match self.turn {
            Some(_) => Err("the scripted agent has a turn already".to_owned()),
            None if steps.contains(&Step::Refuse) => Err("the scripted agent refused the turn".to_owned()),
            None => Ok(steps),
        });
        let steps = match steps {
            Ok(steps) => steps,
            Err(message) => {
                let result = Err(TurnError::new(ErrorKind::UpstreamRejected, message));
                self.outbox.push_back(DriverEvent::Acked { command, result });
                return;
            }
        };
        self.turns += 1;
        self.counts.turns.fetch_add(1, Ordering::AcqRel);
        self.request.options = options;
        self.turn = Some(Turn {
            steps: steps.into(),
            prefaces: input.preface.len(),
            images: input.images.clone(),
            ..Turn::default()
        });
        let thread = self.request.origin.thread().clone();
        self.outbox.extend([DriverEvent::Acked { command, result: Ok(()) }, DriverEvent::Began { thread }]);
    }

    fn answer(&mut self, question: &str, answer: &Answer) -> Result<(), TurnError> {
        let waiting = self.turn.as_mut().filter(|turn| turn.asked.as_deref() == Some(question));
        let Some(turn) = waiting else {
            return Err(TurnError::new(ErrorKind::Conflict, "the scripted agent did not ask that"));
        };
        turn.asked = None;
        let word = if *answer == Answer::Allow { "allowed" } else { "denied" };
        turn.steps.push_front(Step::Say(word.to_owned()));
        Ok(())
    }

    /// The next step of the running turn; an end when it is the process's last.
    fn step(&mut self) -> Option<DriverEnd> {
        let turn = self.turn.as_mut()?;
        turn.rest = None;
        let word = match turn.steps.pop_front() {
            Some(Step::Say(word)) => word,
            Some(Step::Count(last)) => {
                // One word at a time, so that the outbox stays small.
                turn.counted += 1;
                let said = turn.counted;
                if said < last {
                    turn.steps.push_front(Step::Count(last));
                } else {
                    turn.counted = 0;
                }
                said.to_string()
            }
            Some(Step::Where) => self.place(),
            Some(Step::Images) => {
                let bytes = turn.images.iter().map(|image| format!("{} ", image.bytes()));
                format!("{}shown", bytes.collect::<String>())
            }
            Some(Step::Pause(time)) => {
                turn.rest = Some(Instant::now() + time);
                return None;
            }
            Some(Step::Never) => {
                turn.rest = Some(Instant::now() + NEVER);
                return None;
            }
            Some(Step::Deaf) => {
                turn.deaf = true;
                return None;
            }
            Some(Step::Ask(tool)) => {
                let id = format!("question-{}", turn.steps.len());
                turn.asked = Some(id.clone());
                self.outbox.push_back(DriverEvent::Asked(Question { id, tool, input: "{}".into() }));
                return None;
            }
            Some(Step::Fail | Step::Refuse) => {
                let error = TurnError::new(ErrorKind::UpstreamFailed, "the scripted agent failed the turn");
                self.end(TurnEnding::Failed(error));
                return None;
            }
            Some(Step::Crash) => return Some(failed(ErrorKind::AgentLost, "the scripted agent crashed")),
            None => {
                let (text, usage) = (std::mem::take(&mut turn.text), Usage::default());
                let reasoning = String::new();
                self.end(TurnEnding::Completed { text, reasoning, finish: FinishReason::Stop, usage });
                return None;
            }
        };
        self.say(&word);
        None
    }

    fn say(&mut self, word: &str) {
        let Some(turn) = &mut self.turn else { return };
        let delta = if turn.text.is_empty() { word.to_owned() } else { format!(" {word}") };
        turn.text.push_str(&delta);
        self.outbox.push_back(DriverEvent::Step(EventKind::TextDelta(delta)));
    }

    fn place(&self) -> String {
        let origin = match &self.request.origin {
            ThreadOrigin::New(_) => "new",
            ThreadOrigin::Resume(_) => "resume",
            ThreadOrigin::Fork { .. } => "fork",
        };
        let model = self.request.options.model.as_deref().unwrap_or("none");
        let prefaces = self.turn.as_ref().map_or(0, |turn| turn.prefaces);
        let thread = self.request.origin.thread();
        format!("thread={thread} origin={origin} turn={} model={model} prefaces={prefaces}", self.turns)
    }

    fn end(&mut self, ending: TurnEnding) {
        self.turn = None;
        self.outbox.push_back(DriverEvent::TurnEnded(ending));
    }
}

impl Turn {
    /// When the next step is due; none while a question waits.
    fn next_at(&self) -> Option<Instant> {
        self.asked.is_none().then(|| self.rest.unwrap_or_else(Instant::now))
    }
}

fn failed(kind: ErrorKind, message: &str) -> DriverEnd {
    DriverEnd::Failed(TurnError::new(kind, message))
}
