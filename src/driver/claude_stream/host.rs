//! The task that owns one claude process.
//!
//! It takes commands before anything else, so that an interrupt passes however slow the reader of the events is: while an
//! event waits for room, nothing more is read from claude, and the pressure goes to claude's pipe.

use std::process::ExitStatus;
use std::time::Duration;

use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::exchange::Exchange;
use super::{ClaudeStream, launch};
use crate::driver::claude::failure::{is_thread_taken, take_another_id};
use crate::driver::{Command, CommandKind, DriverEvent, OpenRequest, RawWanted};
use crate::process::{
    Child, ChildSignal, Line, LineError, LineReader, Redactor, SpawnRequest, StderrTail, StopLadder, Supervisor,
};
use crate::protocol::{DriverEnd, ErrorKind, Limits, TurnError};

/// How much of claude's stderr is kept for error texts, in bytes.
const TAIL_BYTES: usize = 4 << 10;

/// Serves the attachment and ends it. The process is reaped when this returns.
pub(in crate::driver) async fn run(
    driver: &ClaudeStream,
    mut request: OpenRequest,
    commands: &mut mpsc::Receiver<Command>,
    events: &mpsc::Sender<DriverEvent>,
) -> DriverEnd {
    let (end, is_taken) = attend(driver, &request, commands, events).await;
    if is_taken && take_another_id(&mut request) {
        return attend(driver, &request, commands, events).await.0;
    }
    end
}

/// One process. True beside the end when it would not begin a thread under that id.
async fn attend(
    driver: &ClaudeStream,
    request: &OpenRequest,
    commands: &mut mpsc::Receiver<Command>,
    events: &mpsc::Sender<DriverEvent>,
) -> (DriverEnd, bool) {
    match start(&driver.supervisor, request).await {
        Ok((child, tail)) => Host::new(child, tail, request, driver.limits.clone(), commands, events).serve().await,
        Err(error) => (DriverEnd::Failed(error), false),
    }
}

async fn start(supervisor: &Supervisor, request: &OpenRequest) -> Result<(Child, StderrTail), TurnError> {
    let spawn: SpawnRequest = launch::spawn_request(request)?;
    let redactor = Redactor::for_environment(&spawn.env);
    let mut child = supervisor.spawn(spawn).await.map_err(|error| {
        TurnError::new(ErrorKind::StartFailed, format!("backend {} did not start: {error}", request.spec.id))
    })?;
    let stderr = child.stderr.take().ok_or_else(|| TurnError::new(ErrorKind::StartFailed, "no stderr pipe"))?;
    let tail = StderrTail::start(stderr, TAIL_BYTES, redactor);
    tracing::info!(session = request.label, backend = %request.spec.id, pid = child.pid(), "started an agent");
    Ok((child, tail))
}

/// How long claude, done with a turn, may take to begin with input that waited. It takes milliseconds.
const STEER_WITHIN: Duration = Duration::from_secs(10);

/// How long claude, at work on servers of tools, may take to be done with them after the turn was stopped that they were for.
/// It takes some 20 ms where they are quick.
const SERVERS_WITHIN: Duration = Duration::from_millis(500);

/// How the lines begin that repeat what claude was sent.
const REPLAY: &[u8] = b"{\"type\":\"user\"";

struct Host<'a> {
    child: Child,
    stdin: Option<pipe::Sender>,
    lines: LineReader<pipe::Receiver>,
    tail: StderrTail,
    exchange: Exchange,
    raw: RawWanted,
    name: String,
    limits: Limits,
    ready_by: Instant,
    /// Until when the turn waits for claude to go on with a steer, or to be done with servers.
    goes_on_by: Option<Instant>,
    commands: &'a mut mpsc::Receiver<Command>,
    events: &'a mpsc::Sender<DriverEvent>,
}

/// What the task waited for.
enum Happened {
    Command(Option<Command>),
    Room,
    Writable,
    Line(Result<Option<Line>, LineError>),
    NotReady,
    StandsStill,
}

/// Why serving is over.
enum Over {
    /// The session wants no more.
    Detached,
    /// claude's output ended, or is useless.
    Lost(Option<TurnError>),
}

impl<'a> Host<'a> {
    fn new(
        mut child: Child,
        tail: StderrTail,
        request: &OpenRequest,
        limits: Limits,
        commands: &'a mut mpsc::Receiver<Command>,
        events: &'a mpsc::Sender<DriverEvent>,
    ) -> Self {
        let pid = child.pid().unsigned_abs();
        let stdin = child.stdin.take();
        #[expect(
            clippy::expect_used,
            reason = "the process manager gives every child a stdout, and nobody took it yet"
        )]
        let stdout = child.stdout.take().expect("a child has a stdout");
        let mut host = Self {
            child,
            stdin,
            // What a caller says comes back, and may be longer than what an agent says.
            lines: LineReader::with_limit(stdout, limits.line_bytes).sparing(REPLAY),
            tail,
            exchange: Exchange::new(request.spec.clone(), request.options.clone(), pid),
            raw: request.raw.clone(),
            name: request.spec.id.to_string(),
            ready_by: Instant::now() + limits.ready,
            goes_on_by: None,
            limits,
            commands,
            events,
        };
        host.write_now();
        host
    }

    /// True beside the end when claude would not begin a thread under that id.
    async fn serve(mut self) -> (DriverEnd, bool) {
        let over = loop {
            if let Some(error) = self.exchange.broken.take() {
                break Over::Lost(Some(error));
            }
            self.send_now();
            let patience = self.patience();
            self.goes_on_by = patience.map(|within| self.goes_on_by.unwrap_or_else(|| Instant::now() + within));
            let full = !self.exchange.events.is_empty();
            let unwritten = !self.exchange.out.is_empty() && self.stdin.is_some();
            // What is seldom waited for stands in blocks, so that it is not made for each of hundreds of lines a second.
            let happened = tokio::select! {
                biased;
                command = self.commands.recv() => Happened::Command(command),
                room = async { self.events.reserve().await }, if full => match room {
                    // Given back at once: this task alone fills the channel, so the room is still there.
                    Ok(_) => Happened::Room,
                    Err(_) => Happened::Command(None),
                },
                () = writable(self.stdin.as_ref()), if unwritten => Happened::Writable,
                line = self.lines.next(), if !full => Happened::Line(line),
                () = async { sleep_until(self.ready_by).await }, if !self.exchange.ready() => Happened::NotReady,
                () = async { sleep_until(self.goes_on_by.unwrap_or(self.ready_by)).await }, if patience.is_some() => {
                    Happened::StandsStill
                }
            };
            match happened {
                Happened::Command(Some(command)) if command.kind != CommandKind::Detach => {
                    self.exchange.command(command);
                }
                Happened::Command(_) => break Over::Detached,
                Happened::Room | Happened::Writable => {}
                Happened::Line(Ok(Some(line))) => {
                    self.exchange.events.extend(self.raw.step(&line.bytes));
                    self.exchange.line(&line.bytes);
                }
                Happened::Line(Ok(None)) => break Over::Lost(None),
                Happened::NotReady => break Over::Lost(Some(self.hung())),
                Happened::StandsStill => {
                    self.goes_on_by = None;
                    if self.exchange.waits_for_servers() {
                        // It hears nothing, so neither would it hear the end of its input.
                        self.child.signal(ChildSignal::Terminate);
                        self.exchange.give_up_servers();
                    } else {
                        self.exchange.give_up_steers();
                    }
                }
                Happened::Line(Err(error)) => {
                    let message = format!("{}: {error} (`limits.line_bytes`)", self.name);
                    break Over::Lost(Some(TurnError::new(ErrorKind::AgentLost, message)));
                }
            }
            self.write_now();
        };
        self.end(over).await
    }

    /// How long claude may take for what it should do now.
    fn patience(&self) -> Option<Duration> {
        if self.exchange.waits_for_steer() {
            return Some(STEER_WITHIN);
        }
        self.exchange.waits_for_servers().then_some(SERVERS_WITHIN)
    }

    /// What is said of a process that is not ready in time.
    fn hung(&self) -> TurnError {
        let message = format!(
            "{}: the agent was not ready after {:?} (`limits.ready`); {}. See whether its command starts in a terminal",
            self.name,
            self.limits.ready,
            last_words(&self.tail.tail())
        );
        TurnError::new(ErrorKind::StartFailed, message)
    }

    /// Ends the process by the ladder, reading what it still prints so that it does not stand still.
    async fn end(mut self, over: Over) -> (DriverEnd, bool) {
        if matches!(over, Over::Detached) && self.exchange.running() {
            self.exchange.interrupt_now();
            self.write_now();
            let settled = async {
                while self.exchange.running() {
                    match self.lines.next().await {
                        Ok(Some(line)) => self.exchange.line(&line.bytes),
                        _ => break,
                    }
                }
            };
            // The next rungs of the ladder are for whoever does not listen.
            let _ = timeout(self.limits.stop_eof, settled).await;
        }
        let ready = self.exchange.ready();
        if matches!(&over, Over::Lost(Some(error)) if error.kind == ErrorKind::Misconfigured) {
            // It allows more than it may, and has a turn: on the way down the ladder its tools would run.
            self.child.signal(ChildSignal::Kill);
        }
        drop(self.stdin.take());
        let ladder = StopLadder { eof: self.limits.stop_eof, term: self.limits.stop_term };
        let pid = self.child.pid();
        let stop = self.child.stop(ladder);
        tokio::pin!(stop);
        let mut open = true;
        let report = loop {
            tokio::select! {
                report = &mut stop => break report,
                line = self.lines.next(), if open => match line {
                    // Its last words may say why it goes.
                    Ok(Some(line)) => self.exchange.line(&line.bytes),
                    _ => open = false,
                },
            }
        };
        tracing::info!(backend = self.name, pid, "ended an agent");
        if self.exchange.noise > 0 {
            tracing::warn!(
                backend = self.name,
                lines = self.exchange.noise,
                "the agent printed lines that are no protocol"
            );
        }
        let error = match over {
            Over::Detached => return (DriverEnd::Detached, false),
            Over::Lost(error) => error.or_else(|| self.exchange.broken.take()),
        };
        if let Some(error) = error {
            return (DriverEnd::Failed(error), false);
        }
        // Its stderr ended with it; what is still in the pipe is on its way to the tail.
        let _ = timeout(self.limits.stop_eof, self.tail.ended()).await;
        let said = self.tail.tail();
        let error = lost(&self.name, ready, report.status, &said);
        (DriverEnd::Failed(error), !ready && is_thread_taken(&said))
    }

    /// Hands over events as long as there is room.
    fn send_now(&mut self) {
        while let Some(event) = self.exchange.events.pop_front() {
            if let Err(error) = self.events.try_send(event) {
                let (mpsc::error::TrySendError::Full(event) | mpsc::error::TrySendError::Closed(event)) = error;
                self.exchange.events.push_front(event);
                return;
            }
        }
    }

    /// Writes as much as the pipe takes.
    fn write_now(&mut self) {
        use bytes::Buf as _;
        while let Some(stdin) = self.stdin.as_ref().filter(|_| !self.exchange.out.is_empty()) {
            match stdin.try_write(&self.exchange.out) {
                Ok(written) => self.exchange.out.advance(written),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                // claude is going: the end of its output says so, and with what words.
                Err(_) => self.stdin = None,
            }
        }
        if self.exchange.out.capacity() > KEPT_BYTES && self.exchange.out.is_empty() {
            self.exchange.out = bytes::BytesMut::new();
        }
    }
}

/// After a prompt larger than this its memory is given back.
const KEPT_BYTES: usize = 256 << 10;

async fn writable(stdin: Option<&pipe::Sender>) {
    match stdin {
        // An error shows with the write that follows.
        Some(stdin) => drop(stdin.writable().await),
        None => std::future::pending().await,
    }
}

/// What is said of a process that ended by itself.
fn lost(name: &str, ready: bool, status: Option<ExitStatus>, tail: &str) -> TurnError {
    let status = status.map_or_else(|| "no exit status".to_owned(), |status| status.to_string());
    let said = last_words(tail);
    if ready {
        TurnError::new(ErrorKind::AgentLost, format!("{name}: the agent's process ended ({status}); {said}"))
    } else {
        let message = format!(
            "{name}: the agent ended before it was ready ({status}); {said}. See whether its command starts in a terminal"
        );
        TurnError::new(ErrorKind::StartFailed, message)
    }
}

fn last_words(tail: &str) -> String {
    if tail.is_empty() { "it said nothing on stderr".to_owned() } else { format!("its last words: {tail}") }
}
