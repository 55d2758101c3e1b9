//! The hand-off of a turn's events to whoever reads them: bounded, and the pressure of a slow reader goes back to the agent.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::observer::{Observer, Seen};
use crate::protocol::{Event, EventKind, InterruptCause, Logged, TurnEnding, TurnId};

/// Events that may wait for one reader. A reader that is that far behind holds up its agent.
pub const READER_MAX: usize = 64;

/// The reading end of one turn. Dropping it tells the session that nobody reads the turn any more.
#[derive(Debug)]
pub struct EventReader {
    events: mpsc::Receiver<Arc<Logged>>,
    /// What was looked at and not read yet, at most [`READER_MAX`].
    ahead: VecDeque<Arc<Logged>>,
    _alive: oneshot::Sender<()>,
}

impl EventReader {
    /// Reads what an observer of a turn sees. The other end is there as long as the reader.
    pub(super) fn joined(turn: TurnId, observer: Observer) -> (Self, oneshot::Receiver<()>) {
        let mut observer = observer.silent();
        let (sender, events) = mpsc::channel(READER_MAX);
        let (alive, left) = oneshot::channel();
        tokio::spawn(async move {
            let (mut is_torn, mut last) = (false, None);
            while let Some(seen) = tokio::select! { seen = observer.next() => seen, () = sender.closed() => None } {
                let Seen::Events(events) = seen else {
                    is_torn = true;
                    continue;
                };
                for logged in events {
                    last = Some(logged.clone());
                    // Behind a gap the pieces of messages fit nothing any more; the ending has the whole answer. A turn that
                    // waited while the daemon was killed has a gap, too, but no pieces before it.
                    is_torn &= !matches!(logged.kind, EventKind::Started { .. });
                    if is_torn && logged.kind.is_delta() {
                        continue;
                    }
                    if sender.send(logged).await.is_err() {
                        return;
                    }
                }
            }
            if last.as_ref().is_none_or(|last| !matches!(last.kind, EventKind::Ended(_))) {
                // The daemon goes down, and the turn is put off.
                let kind = EventKind::Ended(TurnEnding::Interrupted(InterruptCause::ShutdownBeforeStart));
                let seq = last.map_or(0, |last| last.seq);
                // Whoever has left needs no ending.
                let _ = sender.send(Logged::now(Event { seq, turn, kind })).await;
            }
        });
        (Self { events, ahead: VecDeque::new(), _alive: alive }, left)
    }

    /// The next event. After [`EventKind::Ended`] there is none; none before it means that the session let this reader
    /// go, because it took nothing for `limits.reader_stall`.
    pub async fn next(&mut self) -> Option<Arc<Logged>> {
        match self.ahead.pop_front() {
            Some(logged) => Some(logged),
            None => self.events.recv().await,
        }
    }

    /// Looks ahead for the first event that fits; it and those before it are still to be read. None when there is no such
    /// event, or too many come before it. May be dropped and called again.
    pub async fn look_for(&mut self, fits: impl Fn(&EventKind) -> bool) -> Option<Arc<Logged>> {
        if let Some(seen) = self.ahead.iter().find(|logged| fits(&logged.kind)) {
            return Some(seen.clone());
        }
        while self.ahead.len() < READER_MAX {
            let logged = self.events.recv().await?;
            self.ahead.push_back(logged.clone());
            if fits(&logged.kind) {
                return Some(logged);
            }
        }
        None
    }

    /// The same for whoever polls.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Arc<Logged>>> {
        match self.ahead.pop_front() {
            Some(logged) => Poll::Ready(Some(logged)),
            None => self.events.poll_recv(cx),
        }
    }
}

/// A turn that has not ended and that somebody reads.
struct Read {
    turn: TurnId,
    /// The writing end; none where all who read the turn watch it.
    events: Option<mpsc::Sender<Arc<Logged>>>,
    /// Who reads it, by numbers of our own: the submitter, and those who joined later.
    present: Vec<u64>,
}

/// The writing ends, one for each turn that has not ended. There are no more than turns in the session's queue.
#[derive(Default)]
pub(super) struct Readers {
    turns: Vec<Read>,
    last_reader: u64,
    /// What did not fit. The session takes nothing more from the agent until this is gone, so it stays small.
    held: VecDeque<Arc<Logged>>,
    stalled_since: Option<Instant>,
    gone: FuturesUnordered<BoxFuture<'static, (TurnId, u64)>>,
}

impl Readers {
    /// Opens a turn's reader.
    pub(super) fn open(&mut self, turn: TurnId) -> EventReader {
        let (sender, events) = mpsc::channel(READER_MAX);
        let (alive, left) = oneshot::channel();
        self.turns.push(Read { turn, events: Some(sender), present: Vec::new() });
        self.join(turn, left);
        EventReader { events, ahead: VecDeque::new(), _alive: alive }
    }

    /// One more reads the turn, until `left` ends.
    pub(super) fn join(&mut self, turn: TurnId, left: oneshot::Receiver<()>) {
        self.last_reader += 1;
        let reader = self.last_reader;
        match self.turn(turn) {
            Some(read) => read.present.push(reader),
            None => self.turns.push(Read { turn, events: None, present: vec![reader] }),
        }
        self.gone.push(Box::pin(async move {
            // Nothing is ever sent: the end of the sender is the message.
            let _ = left.await;
            (turn, reader)
        }));
    }

    /// Hands over an event, or holds it. An ending closes the reader behind it.
    pub(super) fn deliver(&mut self, logged: Arc<Logged>) {
        if self.held.iter().any(|held| held.turn == logged.turn) {
            self.held.push_back(logged);
            return;
        }
        let last = matches!(logged.kind, EventKind::Ended(_));
        let turn = logged.turn;
        let Some(sender) = self.turn(turn).and_then(|read| read.events.as_ref()) else {
            if last {
                self.close(turn);
            }
            return;
        };
        match sender.try_send(logged) {
            Ok(()) if last => self.close(turn),
            // That a reader has left is for `left` to say.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(logged)) => {
                tracing::debug!(%turn, "a slow reader holds up its agent");
                self.stalled_since.get_or_insert_with(Instant::now);
                self.held.push_back(logged);
            }
        }
    }

    /// Whether anybody reads the turn.
    pub(super) fn has_any(&self, turn: TurnId) -> bool {
        self.turns.iter().any(|read| read.turn == turn)
    }

    /// Whether events wait for a slow reader.
    pub(super) fn holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Since when.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        self.stalled_since
    }

    /// Waits until the slow reader takes something, and hands over what fits. Never ends while nothing is held.
    pub(super) async fn press(&mut self) {
        let Some(turn) = self.held.front().map(|logged| logged.turn) else { return std::future::pending().await };
        // A clone, so that this future holds no borrow of the list over its wait.
        let room = match self.turn(turn).and_then(|read| read.events.clone()) {
            Some(sender) => sender.reserve_owned().await.ok(),
            None => None,
        };
        match (room, self.held.pop_front()) {
            (Some(room), Some(logged)) => {
                if matches!(logged.kind, EventKind::Ended(_)) {
                    self.close(turn);
                }
                room.send(logged);
            }
            _ => self.forget_held(turn),
        }
        self.stalled_since = self.holding().then(Instant::now);
    }

    /// Lets the reader go that events wait for: the turn goes on without it.
    pub(super) fn let_go_stalled(&mut self) -> Option<TurnId> {
        let turn = self.held.front()?.turn;
        self.close(turn);
        self.forget_held(turn);
        self.stalled_since = self.holding().then(Instant::now);
        Some(turn)
    }

    fn forget_held(&mut self, turn: TurnId) {
        self.held.retain(|logged| logged.turn != turn);
    }

    /// The next turn whose last reader was dropped before it had everything. A reader that was let go does not count: its
    /// turn is to go on. Never ends while there is no such reader.
    pub(super) async fn left(&mut self) -> TurnId {
        while let Some((turn, reader)) = self.gone.next().await {
            let Some(read) = self.turn(turn) else { continue };
            read.present.retain(|&other| other != reader);
            if read.present.is_empty() {
                self.close(turn);
                tracing::debug!(%turn, "the reader of a turn has left");
                return turn;
            }
        }
        std::future::pending().await
    }

    fn turn(&mut self, turn: TurnId) -> Option<&mut Read> {
        self.turns.iter_mut().find(|read| read.turn == turn)
    }

    fn close(&mut self, turn: TurnId) {
        self.turns.retain(|read| read.turn != turn);
    }
}
