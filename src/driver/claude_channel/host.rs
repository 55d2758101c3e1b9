//! The task that owns one claude in its terminal.
//!
//! It takes commands before anything else, so that an interrupt passes however slow the reader of the events is: while an
//! event waits for room, no more frames and hooks are taken, and claude waits for its hooks. The terminal is always read.
//!
//! In `host/`: `heard.rs` frames and hooks, `written.rs` claude's log and transcript, `acts.rs` what is done to claude,
//! `shown.rs` images, as files, `watched.rs` people at the terminal, `ending.rs` the end.

mod acts;
mod ending;
mod heard;
mod shown;
mod watched;
mod written;

use std::collections::{HashMap, VecDeque};

use bytes::BytesMut;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use self::shown::Shown;
use self::written::{Transcript, changed};
use super::exchange::Exchange;
use super::folder::HostFiles;
use super::start::{Look, Start};
use super::{ClaudeChannel, launch};
use crate::channel::{ChannelEvent, HookCall, Member};
use crate::driver::claude::failure::take_another_id;
use crate::driver::{Ask, Audience, Command, CommandKind, DriverEvent, OpenRequest, RawWanted, Typed};
use crate::process::{Child, Fifo, Line, LineError, LineReader, Redactor, SpawnRequest, Terminal};
use crate::protocol::{DriverEnd, ErrorKind, ScreenSize, TurnError};

/// Longest line of claude's log that is looked at, in bytes. It quotes prompts and answers; ours are short.
const LOG_LINE_BYTES: usize = 64 << 10;

/// How an attachment ended.
#[derive(Debug)]
pub(in crate::driver) enum End {
    /// For good.
    Over(DriverEnd),
    /// Before it was ready, because this account or this claude has no channels.
    Unavailable(TurnError),
}

/// Serves the attachment and ends it. The process is reaped when this returns.
pub(in crate::driver) async fn run(
    driver: &ClaudeChannel,
    mut request: OpenRequest,
    commands: &mut mpsc::Receiver<Command>,
    events: &mpsc::Sender<DriverEvent>,
) -> End {
    // Boxed: what attends to a process is large, and would lie in the task twice.
    let (end, id_is_taken) = Box::pin(attend(driver, &request, commands, events)).await;
    if id_is_taken && take_another_id(&mut request) {
        return Box::pin(attend(driver, &request, commands, events)).await.0;
    }
    end
}

/// One process. True beside the end when it would not begin a thread under that id.
async fn attend(
    driver: &ClaudeChannel,
    request: &OpenRequest,
    commands: &mut mpsc::Receiver<Command>,
    events: &mpsc::Sender<DriverEvent>,
) -> (End, bool) {
    match Host::start(driver, request, commands, events).await {
        // Boxed, for it is large.
        Ok(host) => Box::pin(host.serve()).await,
        Err(error) => (End::Over(DriverEnd::Failed(error)), false),
    }
}

struct Host<'a> {
    driver: &'a ClaudeChannel,
    child: Child,
    terminal: Terminal,
    member: Member,
    log: LineReader<Fifo>,
    start: Start,
    exchange: Exchange,
    transcript: Option<Transcript>,
    /// Hooks that are held until their question is answered.
    held: HashMap<String, HookCall>,
    audience: Audience,
    /// Keys of theirs that the terminal has not taken yet: at most one message of each.
    typing: VecDeque<Typed>,
    /// The terminal's.
    size: ScreenSize,
    label: String,
    raw: RawWanted,
    name: String,
    ready_by: Instant,
    commands: &'a mut mpsc::Receiver<Command>,
    events: &'a mpsc::Sender<DriverEvent>,
    /// Images of the turn that was given.
    shown: Option<Shown>,
    files: HostFiles,
}

/// What the task waited for.
enum Happened {
    Command(Option<Command>),
    Room,
    Frame(Option<ChannelEvent>),
    Painted(std::io::Result<usize>),
    Log(Result<Option<Line>, LineError>),
    Written,
    Asked(Ask),
    Typed(std::io::Result<usize>),
    Due,
    NotReady,
}

/// Why serving is over.
enum Over {
    /// The session wants no more.
    Detached,
    /// claude ended, or is useless.
    Lost(Option<TurnError>),
    /// There are no channels here.
    Unavailable(TurnError),
}

impl<'a> Host<'a> {
    async fn start(
        driver: &'a ClaudeChannel,
        request: &OpenRequest,
        commands: &'a mut mpsc::Receiver<Command>,
        events: &'a mpsc::Sender<DriverEvent>,
    ) -> Result<Self, TurnError> {
        let failed = |error: &dyn std::fmt::Display| {
            TurnError::new(ErrorKind::StartFailed, format!("backend {} did not start: {error}", request.spec.id))
        };
        let files = driver.folder.files();
        let log = Fifo::create(&files.log).map_err(|error| failed(&error))?;
        let member = driver.hub.enlist(&request.label);
        let bridge = format!("ws://{}/bridge", driver.hub.address());
        let spawn: SpawnRequest =
            launch::spawn_request(request, &driver.program, &driver.folder, &files, &bridge, &member.token)?;
        let redactor = Redactor::for_environment(&spawn.env);
        let mut child = driver.supervisor.spawn(spawn).await.map_err(|error| failed(&error))?;
        let terminal = child.terminal.take().ok_or_else(|| failed(&"it has no terminal"))?;
        tracing::info!(session = request.label, backend = %request.spec.id, pid = child.pid(), "started an agent");
        let pid = child.pid().unsigned_abs();
        Ok(Self {
            driver,
            child,
            terminal,
            member,
            log: LineReader::skipping(log, LOG_LINE_BYTES),
            start: Start::new(request, &driver.roots, redactor),
            exchange: Exchange::new(request.spec.clone(), request.options.clone(), pid),
            transcript: None,
            held: HashMap::new(),
            audience: Audience::open(&request.terminal),
            typing: VecDeque::new(),
            size: ScreenSize::new(launch::SIZE.rows, launch::SIZE.cols),
            label: request.label.clone(),
            raw: request.raw.clone(),
            name: request.spec.id.to_string(),
            ready_by: Instant::now() + driver.limits.ready,
            commands,
            events,
            shown: None,
            files,
        })
    }

    async fn serve(mut self) -> (End, bool) {
        let mut painted = BytesMut::new();
        let over = loop {
            // Before anybody is told that the turn is over.
            self.shown.take_if(|shown| !self.exchange.has(shown.turn));
            self.send_now();
            // What happened before is still told, unless there is danger.
            let told = self.exchange.events.is_empty();
            if let Some(error) = self.exchange.broken.take_if(|error| told || error.kind == ErrorKind::Misconfigured) {
                break Over::Lost(Some(error));
            }
            if let Err(error) = self.act().await {
                break Over::Lost(Some(error));
            }
            self.fit();
            let full = !self.exchange.events.is_empty();
            let look_again = self.exchange.waits().then(|| self.start.deadline()).flatten();
            let due = earliest(self.exchange.deadline(), look_again);
            let happened = tokio::select! {
                biased;
                command = self.commands.recv() => Happened::Command(command),
                room = self.events.reserve(), if full => match room {
                    // Given back at once: this task alone fills the channel, so the room is still there.
                    Ok(_) => Happened::Room,
                    Err(_) => Happened::Command(None),
                },
                // Before the frames: claude logs that it stopped before it calls a hook for what it begins then.
                line = self.log.next() => Happened::Log(line),
                frame = self.member.events.recv(), if !full => Happened::Frame(frame),
                read = self.terminal.read(&mut painted) => Happened::Painted(read),
                () = changed(self.transcript.as_mut()), if !full => Happened::Written,
                ask = self.audience.next() => Happened::Asked(ask),
                typed = watched::type_some(&self.terminal, &self.typing) => Happened::Typed(typed),
                () = until(due) => Happened::Due,
                () = sleep_until(self.ready_by), if !self.exchange.ready() => Happened::NotReady,
            };
            let now = std::time::Instant::now();
            match happened {
                Happened::Command(Some(command)) if command.kind != CommandKind::Detach => {
                    if let Some(command) = self.show_images(command).await {
                        self.exchange.command(now, command);
                    }
                }
                Happened::Command(_) => break Over::Detached,
                Happened::Frame(Some(frame)) => self.frame(frame),
                Happened::Frame(None) => self.exchange.deaf(),
                Happened::Written => self.read_transcript(),
                Happened::Log(Ok(Some(line))) => {
                    if let Some(over) = self.log_line(&line.bytes) {
                        break over;
                    }
                }
                // The FIFO has no end while it is open here.
                Happened::Room | Happened::Log(_) => {}
                Happened::Painted(Ok(count)) if count > 0 => {
                    self.start.painted(&painted.split());
                    self.show();
                    if self.exchange.waits()
                        && let Some(over) = self.look(now).await
                    {
                        break over;
                    }
                }
                Happened::Painted(_) => break Over::Lost(None),
                Happened::Asked(ask) => self.asked(ask),
                Happened::Typed(typed) => self.typed(typed.ok()),
                Happened::Due => {
                    if self.person_is_elsewhere() {
                        self.exchange.put_off(now);
                    }
                    self.exchange.tick(now);
                    if self.exchange.waits()
                        && let Some(over) = self.look(now).await
                    {
                        break over;
                    }
                }
                Happened::NotReady => break Over::Lost(Some(self.hung())),
            }
        };
        self.end(over).await
    }

    /// Hands over events as long as there is room.
    fn send_now(&mut self) {
        while let Some(event) = self.exchange.events.pop_front() {
            if matches!(event, DriverEvent::Ready { .. }) {
                // Nothing was sent before it, so there is room.
                tracing::debug!(session = self.label, "the agent is ready");
            }
            if let Err(error) = self.events.try_send(event) {
                let (mpsc::error::TrySendError::Full(event) | mpsc::error::TrySendError::Closed(event)) = error;
                self.exchange.events.push_front(event);
                return;
            }
        }
    }

    async fn look(&mut self, now: std::time::Instant) -> Option<Over> {
        if self.exchange.ready() && self.audience.has_keyboard() {
            // Whoever has the keyboard may have opened what is there, and answers it.
            return None;
        }
        match self.start.look(now, self.exchange.ready()) {
            Look::Nothing => None,
            Look::Press(keys) => match self.terminal.write(&keys).await {
                Ok(()) => None,
                Err(_) => Some(Over::Lost(None)),
            },
            Look::Stuck(error) => Some(Over::Lost(Some(error))),
        }
    }
}

async fn until(due: Option<std::time::Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

fn earliest(one: Option<std::time::Instant>, other: Option<std::time::Instant>) -> Option<std::time::Instant> {
    one.into_iter().chain(other).min()
}
