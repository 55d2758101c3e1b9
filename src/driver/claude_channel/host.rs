//! The task that owns one claude in its terminal.
//!
//! It takes commands before anything else, so that an interrupt passes however slow the reader of the events is: while an
//! event waits for room, no more frames and hooks are taken, and claude waits for its hooks. The terminal is always read.

mod shown;
mod watched;

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use self::shown::Shown;
use super::exchange::{Act, Exchange, Reply, behavior};
use super::folder::HostFiles;
use super::start::{Look, Start};
use super::transcript::Tail;
use super::{ClaudeChannel, launch};
use crate::channel::{ChannelEvent, HookCall, Member};
use crate::driver::claude::failure::take_another_id;
use crate::driver::{Answer, Ask, Audience, Command, CommandKind, DriverEvent, OpenRequest, RawWanted, Typed};
use crate::process::{
    Child, ChildSignal, Fifo, FileWatch, Line, LineError, LineReader, Redactor, SpawnRequest, StopLadder, Terminal,
};
use crate::protocol::{DriverEnd, ErrorKind, ScreenSize, TurnError};
use crate::wire::claude_hooks::{Decision, HookInput, PermissionOutput};

/// Longest line of claude's log that is looked at, in bytes. It quotes prompts and answers; ours are short.
const LOG_LINE_BYTES: usize = 64 << 10;

/// Read of the transcript at once, in bytes.
const TRANSCRIPT_BYTES: usize = 256 << 10;

/// What the model is told when nobody can be asked.
const NOBODY: &str = "Permission denied: nobody is there to answer.";

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

/// claude's own record of the conversation, read from where it stood when the first turn began.
struct Transcript {
    path: PathBuf,
    watch: FileWatch,
    tail: Tail,
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

    // ── what comes in ───────────────────────────────────────────────────────────────────────────────────────────────

    fn frame(&mut self, frame: ChannelEvent) {
        match frame {
            ChannelEvent::Connected { pid } => {
                tracing::debug!(session = self.label, pid, "the plugin is connected");
                self.exchange.connected();
            }
            ChannelEvent::Cut => tracing::debug!(session = self.label, "the plugin's connection was cut"),
            ChannelEvent::Lost => self.exchange.plugin_lost(),
            ChannelEvent::Reply { content, .. } => self.exchange.replied(&content),
            ChannelEvent::PermissionRequest { request_id, tool_name, .. } => {
                tracing::debug!(session = self.label, "the plugin passes on a question");
                self.exchange.asked_by_plugin(request_id, &tool_name);
            }
            ChannelEvent::Hook(call) => self.hook(call),
        }
    }

    fn hook(&mut self, call: HookCall) {
        let body: Bytes = call.body.clone();
        self.exchange.events.extend(self.raw.step(&body));
        let input: HookInput<'_> = match serde_json::from_slice(&body) {
            Ok(input) => input,
            Err(error) => {
                // Not the body itself: it may be part of the conversation.
                tracing::debug!(session = self.label, %error, "skipped a hook that is none");
                return;
            }
        };
        if let Some(path) = input.transcript_path.as_deref().map(Path::new)
            // Somebody with the keyboard may have begun another conversation.
            && self.transcript.as_ref().is_none_or(|transcript| transcript.path != path)
        {
            self.transcript = Transcript::open(path);
        }
        if matches!(&*input.name, "Stop" | "StopFailure") {
            // What is there already need not be waited for.
            self.read_transcript();
        }
        match self.exchange.hook(std::time::Instant::now(), &input) {
            Reply::Empty => drop(call),
            Reply::Deny => decide(call, &Answer::Deny { message: NOBODY.to_owned() }),
            Reply::Hold(question) => drop(self.held.insert(question, call)),
        }
    }

    /// A line of claude's log.
    fn log_line(&mut self, line: &[u8]) -> Option<Over> {
        if memchr::memmem::find(line, b"[onCancel]").is_some() {
            self.exchange.cancelled(std::time::Instant::now());
            return None;
        }
        let notice = memchr::memmem::find(line, b"Channel notifications ")?;
        let said = String::from_utf8_lossy(line.get(notice..)?).into_owned();
        if !self.exchange.ready() && memchr::memmem::find(line, b"turnmux").is_some() {
            if said.starts_with("Channel notifications registered") {
                self.exchange.registered();
            } else if let Some((_, reason)) = said.split_once("skipped: ") {
                return Some(Over::Unavailable(self.unavailable(reason.trim())));
            }
        }
        None
    }

    fn unavailable(&self, reason: &str) -> TurnError {
        let message = format!(
            "{}: claude has no channels here ({reason}). They are switched on by the account's service, and off by \
             CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC; `driver = \"claude-stream\"` needs none, and `driver = \"claude\"` takes \
             channels where there are some",
            self.name
        );
        TurnError::new(ErrorKind::StartFailed, message)
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

    fn read_transcript(&mut self) {
        let now = std::time::Instant::now();
        if let Some(transcript) = &mut self.transcript {
            for entry in transcript.read() {
                self.exchange.entry(now, entry);
            }
        }
    }

    // ── what goes out ───────────────────────────────────────────────────────────────────────────────────────────────

    /// Does what the exchange wants done.
    async fn act(&mut self) -> Result<(), TurnError> {
        while let Some(act) = self.exchange.acts.pop_front() {
            match act {
                Act::Push { id, content } => {
                    let meta = [
                        ("chat_id".to_owned(), self.label.clone()),
                        ("message_id".to_owned(), id.to_string()),
                        ("ts".to_owned(), humantime::format_rfc3339_seconds(SystemTime::now()).to_string()),
                    ];
                    self.member.push(content, meta.into()).map_err(|error| {
                        TurnError::new(ErrorKind::AgentLost, format!("{}: no message can be sent: {error}", self.name))
                    })?;
                }
                Act::Keys(keys) => self.terminal.write(keys).await.map_err(|error| {
                    TurnError::new(ErrorKind::AgentLost, format!("{}: its terminal takes no keys: {error}", self.name))
                })?,
                Act::Decide { question, tool, answer, request } => match (self.held.remove(&question), request) {
                    (Some(call), _) if call.is_waiting() => decide(call, &answer),
                    (_, Some(request)) => {
                        if let Err(error) = self.member.permission(&request, behavior(&answer)) {
                            tracing::warn!(session = self.label, %error, "an answer could not be sent");
                        }
                    }
                    _ => {
                        tracing::debug!(session = self.label, "an answer waits for the plugin to ask");
                        self.exchange.not_delivered(tool, answer);
                    }
                },
            }
        }
        self.held.retain(|question, _| self.exchange.asks(question));
        Ok(())
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

    // ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────────

    /// What is said of a process that is not ready in time.
    fn hung(&self) -> TurnError {
        let message = format!(
            "{}: the agent was not ready after {:?} (`limits.ready`); its screen: {}",
            self.name,
            self.driver.limits.ready,
            self.start.shown()
        );
        TurnError::new(ErrorKind::StartFailed, message)
    }

    /// Ends the process by the ladder: the hang-up comes first, for a terminal that nobody reads keeps claude from hearing a
    /// signal.
    async fn end(mut self, over: Over) -> (End, bool) {
        let limits = &self.driver.limits;
        if matches!(over, Over::Detached) && self.exchange.running() {
            // 2.1.197 leaves a running tool behind unless it is interrupted first.
            self.exchange.interrupt_now();
            let _ = timeout(limits.stop_eof, self.settled()).await;
        }
        self.held.clear();
        let ready = self.exchange.ready();
        if matches!(&over, Over::Lost(Some(error)) if error.kind == ErrorKind::Misconfigured) {
            // It allows more than it may, and has a turn: on the way down the ladder its tools would run.
            self.child.signal(ChildSignal::Kill);
        }
        // Its last hooks are refused at once: unanswered ones would keep it for a second and a half.
        drop(self.member);
        drop(self.terminal);
        let pid = self.child.pid();
        let stop = self.child.stop(StopLadder { eof: limits.stop_eof, term: limits.stop_term });
        tokio::pin!(stop);
        let mut open = true;
        let report = loop {
            tokio::select! {
                report = &mut stop => break report,
                // claude stands still, and hears no signal, where nobody reads its log.
                line = self.log.next(), if open => open = matches!(line, Ok(Some(_))),
            }
        };
        tracing::info!(backend = self.name, pid, "ended an agent");
        let skipped = self.transcript.map_or(0, |transcript| transcript.tail.malformed() + transcript.tail.overlong());
        if skipped > 0 {
            tracing::warn!(backend = self.name, lines = skipped, "the transcript has lines that cannot be read");
        }
        let id_is_taken = matches!(over, Over::Lost(None)) && !ready && self.start.refuses_thread();
        let end = match over {
            Over::Detached => End::Over(DriverEnd::Detached),
            Over::Unavailable(error) => End::Unavailable(error),
            Over::Lost(Some(error)) => End::Over(DriverEnd::Failed(error)),
            Over::Lost(None) => End::Over(DriverEnd::Failed(self.start.lost(&self.name, ready, report.status))),
        };
        (end, id_is_taken)
    }

    /// Returns when the interrupted turn is over.
    async fn settled(&mut self) {
        let mut painted = BytesMut::new();
        while self.exchange.running() {
            if self.act().await.is_err() {
                return;
            }
            self.exchange.events.clear();
            tokio::select! {
                frame = self.member.events.recv() => match frame {
                    Some(frame) => self.frame(frame),
                    None => return,
                },
                line = self.log.next() => match line {
                    Ok(Some(line)) => drop(self.log_line(&line.bytes)),
                    _ => return,
                },
                read = self.terminal.read(&mut painted) => match read {
                    Ok(count) if count > 0 => painted.clear(),
                    _ => return,
                },
                () = changed(self.transcript.as_mut()) => self.read_transcript(),
            }
        }
    }
}

impl Transcript {
    fn open(path: &Path) -> Option<Self> {
        let watch =
            FileWatch::new(path).map_err(|error| tracing::warn!(%error, "claude's transcript cannot be watched"));
        // What stands there already is of earlier turns.
        let at = std::fs::metadata(path).map_or(0, |found| found.len());
        Some(Self { path: path.to_owned(), watch: watch.ok()?, tail: Tail::from(at) })
    }

    /// What was added. Bounded by what the tail keeps of a line.
    fn read(&mut self) -> Vec<super::transcript::Entry> {
        let mut found = Vec::new();
        let Ok(mut file) = File::open(&self.path) else { return found };
        if file.seek(SeekFrom::Start(self.tail.offset())).is_err() {
            return found;
        }
        let mut buffer = vec![0; TRANSCRIPT_BYTES];
        while let Ok(count @ 1..) = file.read(&mut buffer) {
            found.extend(self.tail.feed(buffer.get(..count).unwrap_or_default()));
        }
        found
    }
}

/// Answers a held permission hook.
fn decide(call: HookCall, answer: &Answer) {
    let decision = match answer {
        Answer::Allow => Decision::Allow { updated_input: None },
        Answer::AllowWith { input } => Decision::Allow { updated_input: serde_json::from_str(input).ok() },
        Answer::Deny { message } => Decision::Deny { message },
    };
    match serde_json::to_value(PermissionOutput::new(decision)) {
        Ok(output) => call.answer(output),
        // Serialising our own types into memory cannot fail.
        Err(_) => drop(call),
    }
}

async fn changed(transcript: Option<&mut Transcript>) {
    let watched = match transcript {
        Some(transcript) => transcript.watch.changed().await,
        None => std::future::pending().await,
    };
    if watched.is_err() {
        std::future::pending::<()>().await;
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
