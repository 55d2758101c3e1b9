//! The task of one session: it feeds the machine and carries out what that says. It awaits nothing but its `select!`.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, Sleep, sleep_until};

use super::capacity::{Capacity, Member, Place};
use super::compose::Composer;
use super::delivery::Readers;
use super::journal::Writer;
use super::machine::{Act, Acted, After, AskId, Input, Job, Machine, Policy, Recalled, Refused};
use super::outbox::{Out, Outbox};
use super::registry::Live;
use super::submission::{Submitter, Waiting};
use super::writes::Writes;
use crate::driver::{Attachment, Command, DriverEvent, TerminalSlot};
use crate::protocol::{DriverEnd, ErrorKind, TurnError, TurnId};
use crate::store::{EventStore, SessionRecord, StoreError};

mod effects;

/// Messages that may wait for a session's task; it never makes them wait for anything but each other.
pub(super) const INBOX_MAX: usize = 64;

/// How long the store may take to keep something before the session goes on without it.
pub(super) const KEEP_MAX: Duration = Duration::from_secs(10);

/// How long a session that has nothing else to do waits for a slow reader of its last ending: the end of the daemon must
/// not wait for a client.
const LAST_READER: Duration = Duration::from_secs(2);

/// What others ask of a session's task.
pub(super) enum Message {
    /// A turn is wanted.
    Submit { job: Box<Job>, submitter: Submitter },
    /// Something else is wanted.
    Act { act: Act, reply: oneshot::Sender<Result<Acted, Refused>> },
    /// The running turn, or the one named, is to stop. Answers with a receiver of its end; none when there is no such turn.
    Interrupt { turn: Option<TurnId>, reply: oneshot::Sender<Option<(TurnId, oneshot::Receiver<()>)>> },
    /// One more reads this turn, until `left` ends.
    Join { turn: TurnId, left: oneshot::Receiver<()> },
    /// The session is to end, in one way or another; the answer comes when it has.
    Finish { after: After, reply: oneshot::Sender<()> },
}

/// What ties a session's task to the list of all.
pub(super) struct Ends {
    /// What others ask of it.
    pub(super) inbox: mpsc::Receiver<Message>,
    /// What it shows of itself.
    pub(super) live: watch::Sender<Live>,
    /// Where its agent's terminal is found.
    pub(super) terminal: TerminalSlot,
    /// Takes the session off the list.
    pub(super) unlist: Box<dyn FnOnce() + Send>,
}

/// One session's task.
pub(super) struct Actor {
    machine: Machine,
    inbox: mpsc::Receiver<Message>,
    writes: Writes,
    outbox: Outbox,
    /// Begins a turn as soon as the store has been given what is known of it.
    begins: Option<Command>,
    readers: Readers,
    journal: Writer,
    composer: Composer,
    seq: u64,
    /// Stands at the deadline while there is one. It is kept, for most of what happens does not move that.
    timer: Pin<Box<Sleep>>,
    attachment: Option<Attachment>,
    /// How many there were.
    attachments: u64,
    pid: Option<u32>,
    /// What the machine knows of slow readers.
    held: bool,
    member: Member,
    place: Option<Place>,
    ticket: Option<oneshot::Receiver<Place>>,
    waiting: Vec<Waiting>,
    asks: Vec<(AskId, oneshot::Sender<Result<Acted, Refused>>)>,
    next_ask: AskId,
    /// What the machine is to be told when all that follows from the last input is done.
    next: VecDeque<Input>,
    /// How many listen who can answer questions.
    listeners: watch::Receiver<usize>,
    /// The conversation that is being read, by its number.
    recalling: Option<(u64, BoxFuture<'static, Result<Recalled, StoreError>>)>,
    finishing: Vec<oneshot::Sender<()>>,
    watching: Vec<(TurnId, oneshot::Sender<()>)>,
    live: watch::Sender<Live>,
    terminal: TerminalSlot,
    /// True until the first message has come: a task is made for one.
    fresh: bool,
    /// Takes the session off the list; nothing new comes in after it.
    unlist: Option<Box<dyn FnOnce() + Send>>,
}

/// What happened, out of all that the task waits for.
enum Happened {
    Message(Message),
    ReaderLeft(TurnId),
    Place(Option<Place>),
    Retire,
    Time,
    Pressed,
    Listening,
    Store,
    Recalled(u64, Result<Recalled, StoreError>),
    Driver(Option<DriverEvent>),
}

impl Actor {
    pub(super) fn new(
        record: SessionRecord,
        policy: Policy,
        store: Arc<dyn EventStore>,
        journal: Writer,
        capacity: &Capacity,
        ends: Ends,
    ) -> Self {
        let Ends { inbox, live, terminal, unlist } = ends;
        let mut listeners = journal.listeners();
        // Somebody may have listened before there was a task.
        listeners.mark_changed();
        Self {
            seq: record.last_seq(),
            writes: Writes::new(store, &record),
            outbox: Outbox::default(),
            begins: None,
            member: capacity.join(record.key.tenant()),
            machine: Machine::new(record, policy),
            inbox,
            readers: Readers::default(),
            journal,
            composer: Composer::default(),
            timer: Box::pin(sleep_until(Instant::now())),
            attachment: None,
            attachments: 0,
            pid: None,
            held: false,
            place: None,
            ticket: None,
            waiting: Vec::new(),
            asks: Vec::new(),
            next_ask: 0,
            next: VecDeque::new(),
            listeners,
            recalling: None,
            finishing: Vec::new(),
            watching: Vec::new(),
            live,
            terminal,
            fresh: true,
            unlist: Some(unlist),
        }
    }

    /// Runs until nothing is left to do.
    pub(super) async fn run(mut self) {
        // An ending that waits for the store or a slow reader is something to do, too.
        while !self.machine.done() || !self.outbox.is_empty() || self.readers.holding() || self.fresh {
            match self.wait().await {
                Happened::Message(message) => {
                    self.fresh = false;
                    self.message(message);
                }
                Happened::ReaderLeft(turn) => self.feed(Input::ReaderGone(turn)),
                Happened::Place(Some(place)) => {
                    self.place = Some(place);
                    self.ticket = None;
                    self.feed(Input::PlaceGranted);
                }
                Happened::Place(None) => self.ticket = None,
                Happened::Retire => self.feed(Input::Retire),
                Happened::Time => self.time(),
                Happened::Pressed => {}
                Happened::Store => self.hand_out(),
                Happened::Recalled(number, result) => {
                    self.recalling = None;
                    self.feed(Input::Recalled { number, result: result.map_err(Into::into) });
                }
                Happened::Listening => self.listening(),
                Happened::Driver(event) => self.driver_event(event),
            }
            self.note_pressure();
        }
        self.leave().await;
    }

    async fn wait(&mut self) -> Happened {
        let held = self.readers.holding();
        let waits = !self.outbox.is_empty();
        let streams = self.machine.streaming();
        let pressed = streams && (held || self.writes.is_full());
        let deadline = self.deadline();
        if let Some(deadline) = deadline
            && self.timer.deadline() != deadline
        {
            self.timer.as_mut().reset(deadline);
        }
        tokio::select! {
            biased;
            Some(message) = self.inbox.recv() => Happened::Message(message),
            place = async { match &mut self.ticket { Some(ticket) => ticket.await.ok(), None => std::future::pending().await } } => Happened::Place(place),
            // Only an idle agent can go; who is asked to before that, is asked then.
            () = async { self.member.retire().await }, if !streams => Happened::Retire,
            // Else it is looked at when the agent has said something.
            () = async { changed(&mut self.listeners).await }, if self.machine.is_asking() => Happened::Listening,
            () = self.writes.changed(), if waits || pressed => Happened::Store,
            (number, result) = async { match &mut self.recalling { Some((number, reading)) => (*number, reading.await), None => std::future::pending().await } } => Happened::Recalled(number, result),
            () = self.timer.as_mut(), if deadline.is_some() => Happened::Time,
            event = async { match &mut self.attachment { Some(a) => a.events.recv().await, None => std::future::pending().await } }, if !pressed => Happened::Driver(event),
            happened = async {
                // One borrow of the readers at a time: what is held goes first, and a reader that has left shows there too.
                if held { self.readers.press().await; Happened::Pressed } else { Happened::ReaderLeft(self.readers.left().await) }
            } => happened,
        }
    }

    /// The earlier of the machine's limit and that of a stalled reader.
    fn deadline(&self) -> Option<Instant> {
        let machine = self.machine.deadline().map(Instant::from_std);
        let stall = self.readers.stalled_since().map(|since| since + self.reader_stall());
        let store = self.outbox.since().map(|since| since + KEEP_MAX);
        [machine, stall, store, self.writes.due()].into_iter().flatten().min()
    }

    /// How long a reader may take nothing.
    fn reader_stall(&self) -> Duration {
        let stall = self.machine.limits().reader_stall;
        if self.machine.done() { stall.min(LAST_READER) } else { stall }
    }

    fn time(&mut self) {
        let stall = self.reader_stall();
        if self.readers.stalled_since().is_some_and(|since| since + stall <= Instant::now())
            && let Some(turn) = self.readers.let_go_stalled()
        {
            tracing::warn!(session = %self.machine.record().key, %turn, ?stall, "let a reader go that took nothing; its turn goes on");
        }
        self.note_pressure();
        if self.writes.due().is_some_and(|due| due <= Instant::now()) {
            self.writes.at_once();
        }
        if self.outbox.since().is_some_and(|since| since + KEEP_MAX <= Instant::now()) {
            self.go_without_store(&slow());
            self.hand_out();
        }
        self.feed(Input::Tick);
    }

    /// Tells the machine when a reader begins or ceases to press back.
    fn note_pressure(&mut self) {
        let held = self.readers.holding();
        if held != self.held {
            self.held = held;
            self.feed(Input::Held(held));
        }
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::Submit { submitter, .. } if let Some(error) = self.writes.trouble() => {
                submitter.deny(error.into());
            }
            Message::Submit { job, submitter } => {
                self.waiting.push(Waiting::new(&job, submitter));
                self.feed(Input::Submit(job));
            }
            Message::Act { act, reply } => {
                self.next_ask += 1;
                self.asks.push((self.next_ask, reply));
                self.feed(Input::Act { ask: self.next_ask, act });
            }
            Message::Interrupt { turn, reply } => {
                let turn = turn.or_else(|| self.machine.current()).filter(|&turn| self.machine.owes(turn));
                let Some(turn) = turn else {
                    // Whoever asked may have left.
                    let _ = reply.send(None);
                    return;
                };
                let (ended, watch) = oneshot::channel();
                self.watching.push((turn, ended));
                let _ = reply.send(Some((turn, watch)));
                self.feed(Input::Interrupt { turn: Some(turn) });
            }
            Message::Join { turn, left } => {
                if self.machine.owes(turn) {
                    self.readers.join(turn, left);
                    self.feed(Input::ReaderBack(turn));
                }
            }
            Message::Finish { after, reply } => {
                self.finishing.push(reply);
                self.feed(Input::Finish(after));
            }
        }
    }

    /// Somebody who can answer questions began to listen, or ceased to.
    fn listening(&mut self) {
        let listening = *self.listeners.borrow_and_update() > 0;
        self.feed(Input::Listening(listening));
    }

    fn driver_event(&mut self, event: Option<DriverEvent>) {
        // Before the machine hears of a question.
        if self.listeners.has_changed().unwrap_or(false) {
            self.listening();
        }
        if let Some(DriverEvent::Ready { pid }) = event {
            self.pid = pid;
        }
        let event = event.unwrap_or_else(|| {
            // A driver's last event is `Closed`; without it the driver itself broke.
            DriverEvent::Closed(DriverEnd::Failed(TurnError::new(
                ErrorKind::AgentLost,
                "the driver ended unexpectedly",
            )))
        });
        if let DriverEvent::Closed(end) = &event {
            self.attachment = None;
            self.pid = None;
            if let DriverEnd::Failed(error) = end {
                tracing::warn!(session = %self.machine.record().key, %error, "the agent's process ended");
            }
        }
        let closed = matches!(event, DriverEvent::Closed(_));
        self.feed(Input::Driver(event));
        if closed {
            tracing::debug!(session = %self.machine.record().key, "the session has no process");
        }
    }

    /// Tells the machine, does what follows, and hands out what can be handed out by now.
    fn feed(&mut self, input: Input) {
        self.next.push_back(input);
        self.work_off();
        self.hand_out();
    }

    /// Tells the machine all that it is to be told, and gives the store what follows.
    fn work_off(&mut self) {
        while let Some(input) = self.next.pop_front() {
            self.step(input);
        }
        if let Some(number) = self.writes.flush(&self.machine, self.seq) {
            self.outbox.written(number);
        }
        if let Some(command) = self.begins.take() {
            self.command(command);
        }
    }

    fn step(&mut self, input: Input) {
        let now = Instant::now().into_std();
        let effects = self.machine.handle(now, input);
        // Before anybody hears of it: who is told of a turn finds it.
        self.publish();
        for effect in effects {
            self.carry_out(effect);
        }
    }

    /// Hands out what need not wait any longer.
    fn hand_out(&mut self) {
        loop {
            while let Some(out) = self.outbox.next(|| self.writes.kept()) {
                self.put_out(out);
            }
            if self.outbox.is_empty() {
                return;
            }
            let Some(error) = self.writes.trouble() else { return };
            self.go_without_store(&error);
        }
    }

    /// The store keeps nothing: who waits for it is told so. Turns that an agent has go on to their endings.
    fn go_without_store(&mut self, error: &StoreError) {
        for out in self.outbox.give_up() {
            match out {
                Out::Accepted { turn, submitter, .. } => {
                    submitter.deny(error.clone().into());
                    self.next.push_back(Input::Unkept { turn: turn.id, error: error.clone().into() });
                }
                Out::Command { command, .. } => {
                    // Before the other: a turn that ends this way is never interrupted.
                    let (command, result) = (command.id, Err(error.clone().into()));
                    self.next.push_front(Input::Driver(DriverEvent::Acked { command, result }));
                }
                Out::Recall { number, .. } => {
                    self.next.push_back(Input::Recalled { number, result: Err(error.clone().into()) });
                }
                Out::Event { .. } | Out::PutOff(_) | Out::Finished => {}
            }
        }
        self.work_off();
    }

    fn publish(&self) {
        let now = Live {
            state: self.machine.state_name(),
            queued: self.machine.queued(),
            turn: self.machine.active(),
            pid: self.pid,
        };
        self.live.send_if_modified(|live| {
            let changed = *live != now;
            *live = now;
            changed
        });
    }

    /// The record first, for the next task begins with it; then off the list; then whoever came in meanwhile is sent to
    /// the next task.
    async fn leave(mut self) {
        if self.machine.kept() {
            self.writes.save();
        }
        self.writes.flush(&self.machine, self.seq);
        if let Some(unlist) = self.unlist.take() {
            unlist();
        }
        self.inbox.close();
        while let Some(message) = self.inbox.recv().await {
            match message {
                Message::Submit { job, submitter } => submitter.give_back(job),
                Message::Join { .. } => {}
                // Not carried out, so not answered: whoever asked asks again.
                Message::Act { reply, .. } => drop(reply),
                Message::Interrupt { reply, .. } => drop(reply.send(None)),
                Message::Finish { reply, .. } => drop(reply),
            }
        }
    }
}

/// The store did not keep something in [`KEEP_MAX`].
pub(super) fn slow() -> StoreError {
    StoreError::new(format!(
        "the store did not keep what it was given within {KEEP_MAX:?}; see whether the disk of `store.path` is overloaded or \
         failing"
    ))
}

async fn changed(listeners: &mut watch::Receiver<usize>) {
    if listeners.changed().await.is_err() {
        // Nobody can say so any more.
        std::future::pending::<()>().await;
    }
}
