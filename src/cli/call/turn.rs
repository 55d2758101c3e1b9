//! One turn: asked for, shown as it comes, and interrupted when nobody wants it any more.
//!
//! Everything is awaited in one place, so that Ctrl-C and the end of the time count whatever else is waited for.

use std::future::pending;
use std::io;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hyper::HeaderMap;
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use super::CallError;
use super::output::Output;
use super::pieces::{self, Failure, Happened, Piece};
use super::progress::{Progress, TICK};
use crate::cli::client::{Client, ClientError, Events};

/// How long an interrupted turn may take to end: as long as the daemon gives its agent by default, and some.
const STOP_MAX: Duration = Duration::from_secs(15);

/// What is printed of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Print {
    /// The answer as it comes.
    Answer,
    /// Every event, as JSON.
    Events,
    /// Nothing: the answer is wanted as a whole.
    Nothing,
}

/// What may end a call early.
pub(super) struct Stops {
    interrupts: Signal,
    timeout: Option<Duration>,
    deadline: Option<Instant>,
}

impl Stops {
    /// Listens for Ctrl-C from now on; the time begins now, too.
    pub(super) fn new(timeout: Option<Duration>) -> io::Result<Self> {
        let interrupts = signal(SignalKind::interrupt())?;
        Ok(Self { interrupts, timeout, deadline: timeout.map(|timeout| Instant::now() + timeout) })
    }

    /// The future's value, unless the call is to end before.
    pub(super) async fn or<T, E>(&mut self, future: impl Future<Output = Result<T, E>>) -> Result<T, CallError>
    where
        E: Into<CallError>,
    {
        tokio::select! {
            biased;
            why = self.next(false) => Err(why),
            outcome = future => outcome.map_err(Into::into),
        }
    }

    /// The next reason to end; where one has come already, only Ctrl-C is another.
    async fn next(&mut self, is_stopping: bool) -> CallError {
        let time_up = async {
            match self.deadline.filter(|_| !is_stopping) {
                Some(deadline) => sleep_until(deadline).await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupts.recv() => CallError::Interrupted,
            () = time_up => CallError::TimedOut(self.timeout.unwrap_or_default()),
        }
    }
}

/// Where a turn is shown.
pub(super) struct Shown<'a> {
    pub(super) print: Print,
    pub(super) output: &'a mut Output,
    pub(super) progress: &'a mut Progress,
    pub(super) stops: &'a mut Stops,
}

/// Has the daemon carry out one turn, and shows it. Gives the final text.
///
/// # Errors
/// When it does not complete. It has been interrupted then, or has ended by itself.
pub(super) async fn turn(
    client: &Client,
    headers: &HeaderMap,
    body: &Value,
    shown: Shown<'_>,
) -> Result<String, CallError> {
    let Shown { print, output, progress, stops } = shown;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let asked = client.stream("/v1/chat/completions", headers.clone(), body);
    // Dropped, its connection closes, by which the daemon knows that nobody wants the answer.
    let events = stops.or(spinning(asked, &mut ticks, progress)).await?;
    let turn = events.header("x-turnmux-turn").unwrap_or_default().to_owned();
    let reading = Reading { events, print, output, text: String::new(), done: None, writing: None, closed: false };
    reading.run(client, &turn, ticks, progress, stops).await
}

/// A turn that is being read.
struct Reading<'a> {
    events: Events,
    print: Print,
    output: &'a mut Output,
    /// The whole answer, once there is one.
    text: String,
    /// How it ended.
    done: Option<Result<(), Failure>>,
    /// Nothing is read before this is written.
    writing: Option<JoinHandle<io::Result<()>>>,
    /// Nobody reads what is written.
    closed: bool,
}

impl Reading<'_> {
    async fn run(
        mut self,
        client: &Client,
        turn: &str,
        mut ticks: Interval,
        progress: &mut Progress,
        stops: &mut Stops,
    ) -> Result<String, CallError> {
        // Why the turn is being interrupted, by when it has to have ended, and the request that says so.
        let mut stopping: Option<(CallError, Instant)> = None;
        let mut abort: Option<BoxFuture<'_, Result<Value, ClientError>>> = None;
        let stopped = loop {
            let is_stopping = stopping.is_some();
            let stop_by = stopping.as_ref().map_or_else(Instant::now, |(_, by)| *by);
            let stop = tokio::select! {
                biased;
                why = stops.next(is_stopping) => {
                    if is_stopping {
                        return Err(why);
                    }
                    Some(why)
                }
                () = sleep_until(stop_by), if is_stopping => break stopping.map(|(why, _)| why),
                // Whatever it says, the stream says how the turn ends.
                _ = wait(&mut abort), if abort.is_some() => {
                    abort = None;
                    None
                }
                written = written(&mut self.writing), if self.writing.is_some() => {
                    self.writing = None;
                    written.err().map(stdout_error)
                }
                event = self.events.next(), if self.writing.is_none() => match event {
                    Ok(Some(event)) => {
                        self.take(&event.data, is_stopping, progress).map_err(CallError::NoChat)?;
                        None
                    }
                    Ok(None) => break stopping.map(|(why, _)| why),
                    Err(error) => return Err(stopping.map_or(error.into(), |(why, _)| why)),
                },
                _ = ticks.tick(), if progress.spins() => {
                    progress.tick();
                    None
                }
            };
            self.closed |= matches!(stop, Some(CallError::Closed | CallError::Stdout(_)));
            if let Some(why) = stop.filter(|_| !is_stopping) {
                if matches!(why, CallError::Interrupted) {
                    progress.line("interrupting; Ctrl-C once more to leave at once");
                }
                stopping = Some((why, Instant::now() + STOP_MAX));
                let body = json!({"turn": turn});
                abort = Some(Box::pin(async move { client.post("/v1/chat/abort", &body).await }));
            }
        };
        self.ending(stopped)
    }

    /// Takes what has come. Of an answer nothing is shown any more while the turn is being interrupted.
    fn take(&mut self, data: &str, is_stopping: bool, progress: &mut Progress) -> serde_json::Result<()> {
        if self.print == Print::Events
            && !self.closed
            && let Some(event) = pieces::event(data)?
        {
            self.write(format!("{event}\n"), progress);
        }
        match Piece::read(data)? {
            Some(Piece::Text(text)) if self.print == Print::Answer && !is_stopping => self.write(text, progress),
            Some(Piece::Text(_)) | None => {}
            Some(Piece::Happened(Happened::TurnCompleted { text })) => self.text = text,
            Some(Piece::Happened(_)) if self.print == Print::Events => {}
            Some(Piece::Happened(happened)) => progress.tell(&happened),
            Some(Piece::Failed(failure)) => self.done = Some(Err(failure)),
            Some(Piece::Done) => self.done = Some(Ok(())),
        }
        Ok(())
    }

    fn write(&mut self, text: String, progress: &mut Progress) {
        if self.output.terminal {
            progress.make_room(&text);
        }
        self.writing = Some(self.output.write(text));
    }

    fn ending(self, stopped: Option<CallError>) -> Result<String, CallError> {
        match (stopped, self.done) {
            (Some(why), _) => Err(why),
            (None, Some(Ok(()))) => Ok(self.text),
            (None, Some(Err(Failure { code, message }))) => Err(CallError::Failed { code, message }),
            (None, None) => Err(CallError::Failed {
                code: "cut_off".to_owned(),
                message: "the daemon's answer broke off; `turnmux status` says whether it is there".to_owned(),
            }),
        }
    }
}

/// The future's value, with the spinner going meanwhile.
async fn spinning<T>(future: impl Future<Output = T>, ticks: &mut Interval, progress: &mut Progress) -> T {
    let mut future = std::pin::pin!(future);
    loop {
        tokio::select! {
            biased;
            value = &mut future => return value,
            _ = ticks.tick(), if progress.spins() => progress.tick(),
        }
    }
}

async fn wait<T>(future: &mut Option<BoxFuture<'_, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

async fn written(writing: &mut Option<JoinHandle<io::Result<()>>>) -> io::Result<()> {
    match writing {
        Some(writing) => writing.await.map_err(io::Error::other).flatten(),
        None => pending().await,
    }
}

/// What it means that stdout cannot be written.
pub(super) fn stdout_error(error: io::Error) -> CallError {
    if error.kind() == io::ErrorKind::BrokenPipe { CallError::Closed } else { CallError::Stdout(error) }
}
