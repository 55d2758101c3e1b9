//! All that a session's task sees of its session, and what must hold of it after each step.

use std::collections::HashSet;

use super::*;

/// Messages of each conversation that is recalled.
const RECALLED: usize = 2;

/// What the agent is at, as its commands and events tell.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) thread: ThreadId,
    pub(super) new: bool,
    pub(super) ready: bool,
    pub(super) begun: bool,
    /// The turn that it was given and did not end.
    pub(super) turn: Option<(CommandId, TurnId)>,
    pub(super) given: usize,
    pub(super) interrupted: bool,
    /// It was told to forget everything, and has not said that it did.
    pub(super) clearing: Option<CommandId>,
    pub(super) detached: bool,
}

pub(super) struct World {
    pub(super) machine: Machine,
    pub(super) policy: Policy,
    pub(super) now: Instant,
    pub(super) jobs: HashMap<TurnId, Job>,
    pub(super) accepted: Vec<TurnId>,
    pub(super) ended: HashSet<TurnId>,
    pub(super) denied: HashSet<TurnId>,
    pub(super) started: HashSet<TurnId>,
    /// The turn that was started last and has not ended.
    pub(super) active: Option<TurnId>,
    pub(super) asked: bool,
    pub(super) granted: bool,
    pub(super) agent: Option<Agent>,
    pub(super) threads: HashSet<ThreadId>,
    /// Threads that a call was given which keeps nothing, and the last such call.
    pub(super) spent: HashMap<ThreadId, TurnId>,
    /// The backend of most turns.
    pub(super) backend: &'static str,
    /// Threads of which an agent said that it has never heard.
    pub(super) unknown: HashSet<ThreadId>,
    /// The conversation that was asked for last, and not given yet.
    pub(super) recall: Option<u64>,
    /// What the running turn is told is in the place of a thread that is lost, and nobody has said so.
    pub(super) unsaid: bool,
    pub(super) last_command: CommandId,
    pub(super) closing: bool,
    pub(super) again: Vec<Job>,
    /// Asked, and not answered yet.
    pub(super) asks: HashSet<AskId>,
    pub(super) next_ask: AskId,
    /// Questions that clients were told of and that have no answer yet.
    pub(super) open: HashSet<String>,
    /// Steers of the running turn that were accepted, and not said to be consumed or dropped.
    pub(super) steers: HashSet<SteerId>,
}

impl World {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            machine: Machine::new(record(), policy.clone()),
            policy,
            now: Instant::now(),
            jobs: HashMap::new(),
            accepted: Vec::new(),
            ended: HashSet::new(),
            denied: HashSet::new(),
            started: HashSet::new(),
            active: None,
            asked: false,
            granted: false,
            agent: None,
            threads: HashSet::new(),
            spent: HashMap::new(),
            backend: "one",
            unknown: HashSet::new(),
            recall: None,
            unsaid: false,
            last_command: 0,
            closing: false,
            again: Vec::new(),
            asks: HashSet::new(),
            next_ask: 0,
            open: HashSet::new(),
            steers: HashSet::new(),
        }
    }

    pub(super) fn agent_says(&mut self, event: DriverEvent) {
        if let Some(agent) = &mut self.agent {
            match &event {
                DriverEvent::Ready { .. } => agent.ready = true,
                DriverEvent::Began { .. } => agent.begun = agent.turn.is_some(),
                DriverEvent::TurnEnded(_) => (agent.turn, agent.begun) = (None, false),
                DriverEvent::Acked { command, result: Err(_) } if agent.turn.is_some_and(|(id, _)| id == *command) => {
                    // It never heard what was said.
                    agent.given -= usize::from(!agent.begun);
                    (agent.turn, agent.begun) = (None, false);
                }
                DriverEvent::Cleared { thread } => {
                    assert!(self.threads.insert(thread.clone()), "an agent names a thread once");
                    (agent.thread, agent.new, agent.given, agent.clearing) = (thread.clone(), true, 0, None);
                }
                DriverEvent::Acked { command, result: Err(_) } if agent.clearing == Some(*command) => {
                    agent.clearing = None;
                }
                DriverEvent::Closed(end) => {
                    if matches!(end, DriverEnd::Failed(error) if error.kind == ErrorKind::ThreadNotFound) {
                        self.unknown.insert(agent.thread.clone());
                    }
                    self.agent = None;
                }
                _ => {}
            }
        }
        self.feed(Input::Driver(event));
    }

    pub(super) fn feed(&mut self, input: Input) {
        let record = self.machine.record().clone();
        let effects = self.machine.handle(self.now, input);
        let last = effects.len().saturating_sub(1);
        let again = effects.iter().filter(|effect| matches!(effect, Effect::Again(_))).count();
        assert!(again <= 32);
        for (at, effect) in effects.iter().enumerate() {
            if matches!(effect, Effect::AcquirePlace) {
                assert_eq!(at, last, "a task that has a place at once says so at once, before what stands behind");
            }
            self.carry_out(effect, &record);
        }
        for job in std::mem::take(&mut self.again) {
            self.feed(Input::Submit(Box::new(job)));
        }
        self.check();
    }

    fn carry_out(&mut self, effect: &Effect, before: &SessionRecord) {
        match effect {
            Effect::Accept { turn, .. } => {
                assert!(self.jobs.contains_key(turn) && !self.denied.contains(turn) && !self.accepted.contains(turn));
                assert!(!self.closing, "a session that closes takes nothing");
                self.accepted.push(*turn);
            }
            Effect::Deny { turn, .. } => {
                assert!(!self.accepted.contains(turn) && self.denied.insert(*turn));
            }
            Effect::AcquirePlace => assert!(!std::mem::replace(&mut self.asked, true), "a place is asked for once"),
            Effect::ReleasePlace => {
                assert!(std::mem::replace(&mut self.asked, false), "only what was asked for is given back");
                assert!(self.agent.is_none(), "a place is given back when the process is gone");
                self.granted = false;
            }
            Effect::Open { request, .. } => self.opens(request),
            Effect::DropAttachment => assert!(self.agent.take().is_some()),
            Effect::Command(command) => {
                assert!(command.id > self.last_command, "each command has a number of its own");
                self.last_command = command.id;
                self.told(command.id, &command.kind, before);
            }
            Effect::Emit(turn, kind) => {
                assert!(self.accepted.contains(turn), "only a turn that was taken has events");
                assert!(!self.ended.contains(turn), "nothing comes after the end");
                match kind {
                    EventKind::Waiting(_) => assert!(!self.started.contains(turn)),
                    EventKind::ContextLost { from, to, recalled } => {
                        assert!(std::mem::take(&mut self.unsaid) && self.active == Some(*turn), "once, where it is so");
                        assert_eq!(Some(from), self.machine.record().thread.as_ref());
                        assert_eq!(Some(to), self.agent.as_ref().map(|agent| &agent.thread));
                        let brought = self.jobs[turn].request.history.len();
                        assert_eq!(*recalled, if brought > 0 { brought } else { RECALLED });
                    }
                    EventKind::Ended(_) => {
                        if self.active == Some(*turn) {
                            assert!(self.open.is_empty(), "the end of a turn closes its questions");
                            assert!(self.steers.is_empty(), "and says what became of its steers");
                        }
                        self.ended.insert(*turn);
                        self.active.take_if(|active| active == turn);
                    }
                    _ => {
                        assert_eq!(self.active, Some(*turn), "only the running turn has {kind:?}");
                        assert!(!self.unsaid, "first it is said that the thread is a new one");
                        self.told_of(kind);
                    }
                }
            }
            Effect::Recall { number, first } => {
                assert!(self.agent.is_none() && self.started.contains(first));
                assert_eq!(self.policy.lost_thread, LostThread::Continue);
                self.recall = Some(*number);
            }
            Effect::Remove => assert!(self.closing),
            Effect::Joined { turn, into, .. } => {
                assert!(!self.accepted.contains(turn) && self.denied.insert(*turn), "it has one answer");
                assert_eq!(self.active, Some(*into), "only the running turn is steered");
            }
            Effect::Typed { .. } => unreachable!("nobody types here"),
            Effect::Again(job) => self.again.push((**job).clone()),
            Effect::Reply { ask, .. } => assert!(self.asks.remove(ask), "whoever asks has one answer"),
            Effect::MarkIdle(_) | Effect::Save | Effect::PutOff(_) | Effect::Finished => {}
        }
    }

    /// The conversation that was asked for comes, or not.
    pub(super) fn recalls(&mut self, is_kept: bool) {
        let Some(number) = self.recall.take() else { return };
        let message = HistoryMessage { role: Role::User, text: "kept".into() };
        let kept = Recalled { messages: vec![message; RECALLED], is_cut: false };
        let result = if is_kept { Ok(kept) } else { Err(TurnError::new(ErrorKind::StoreUnavailable, "no")) };
        self.feed(Input::Recalled { number, result });
    }

    fn told_of(&mut self, kind: &EventKind) {
        match kind {
            EventKind::PermissionAsked(question) => assert!(self.open.insert(question.id.clone())),
            EventKind::PermissionAnswered { question, .. } => assert!(self.open.remove(question), "answered once"),
            EventKind::Steered { steer, .. } => assert!(self.steers.insert(*steer)),
            EventKind::SteerConsumed { steer } | EventKind::SteerDropped { steer } => {
                assert!(self.steers.remove(steer), "a steer has one outcome");
            }
            _ => {}
        }
    }

    fn opens(&mut self, request: &OpenRequest) {
        assert!(self.asked && self.granted, "a process needs a place");
        assert!(self.agent.is_none(), "one process at a time");
        let new = matches!(request.origin, ThreadOrigin::New(_));
        let thread = request.origin.thread().clone();
        let named = thread == super::thread(1) || thread == super::thread(2);
        if new {
            let unused = self.threads.insert(thread.clone()) || self.unknown.remove(&thread);
            assert!(!named && unused, "an id for a new thread is used once");
        } else {
            assert!(named || self.threads.contains(&thread), "only what is known can be resumed");
        }
        self.agent = Some(Agent {
            thread,
            new,
            ready: false,
            begun: false,
            turn: None,
            given: 0,
            interrupted: false,
            clearing: None,
            detached: false,
        });
    }

    fn told(&mut self, id: CommandId, kind: &CommandKind, before: &SessionRecord) {
        let agent = self.agent.as_mut().expect("commands need a process");
        assert!(!agent.detached, "nothing comes after Detach");
        match kind {
            CommandKind::StartTurn { turn, input, .. } => {
                let first = self.accepted.iter().find(|turn| !self.ended.contains(turn));
                assert_eq!(first, Some(turn), "turns begin in the order in which they were accepted");
                assert!(self.started.insert(*turn), "a turn is given to an agent once");
                assert_eq!(self.active.replace(*turn), None, "one turn at a time");
                let job = &self.jobs[turn];
                if let Some(wanted) = job.request.thread.as_ref().filter(|wanted| wanted.as_str().starts_with("0000")) {
                    assert_eq!(agent.thread, *wanted, "a turn runs in the thread that it names");
                }
                if job.request.boundary.is_some() {
                    assert_eq!(self.machine.record().boundary, job.request.boundary, "and in its own conversation");
                }
                assert_eq!(job.driver.name(), self.machine.record().driver, "by the driver whose thread it is");
                assert_eq!(agent.clearing, None, "nothing is given to an agent that is about to forget it");
                assert!(
                    !job.request.renew || (agent.new && agent.given == 0),
                    "who wants nothing of others gets nothing"
                );
                if let Some(call) = self.spent.get(&agent.thread) {
                    // Who names the thread after that has it with all that is in it, and so have those behind.
                    let at = |turn| self.accepted.iter().position(|accepted| accepted == turn);
                    let since = &self.accepted[at(call).unwrap()..=at(turn).unwrap()];
                    let names = |turn| self.jobs[turn].request.thread.as_ref() == Some(&agent.thread);
                    assert!(since.iter().any(names), "what a call said is nobody else's");
                }
                if job.request.call.as_ref().is_some_and(|call| !call.keep)
                    && !agent.thread.as_str().starts_with("0000")
                {
                    self.spent.insert(agent.thread.clone(), *turn);
                }
                let told = input.preface.iter().any(|block| block.contains("<conversation_so_far>"));
                let kept = self.machine.record().thread.as_ref();
                self.unsaid = agent.new && kept.is_some_and(|kept| *kept != agent.thread);
                assert!(!told || (agent.new && (self.unsaid || !job.request.history.is_empty())));
                assert!(!self.unsaid || told, "it is told the conversation");
                if agent.given == 0 && agent.new && before.thread.is_none() {
                    assert_eq!(told, !job.request.history.is_empty(), "a new thread is told what came before");
                }
                (agent.turn, agent.begun, agent.interrupted) = (Some((id, *turn)), false, false);
                agent.given += 1;
            }
            CommandKind::Interrupt => {
                assert!(self.active.is_some(), "only a running turn can be interrupted");
                assert!(!std::mem::replace(&mut agent.interrupted, true), "a turn is interrupted once");
            }
            CommandKind::Clear => {
                assert!(self.active.is_none() && agent.turn.is_none() && agent.clearing.is_none(), "between turns");
                agent.clearing = Some(id);
            }
            CommandKind::Detach => agent.detached = true,
            _ => assert!(self.active.is_some()),
        }
    }

    fn check(&self) {
        let owed: Vec<_> = self.accepted.iter().filter(|turn| !self.ended.contains(turn)).collect();
        let waiting = owed.len() - usize::from(self.active.is_some());
        assert!(self.machine.queued() <= self.policy.queue_max, "the queue is bounded");
        assert_eq!(self.machine.queued(), waiting, "what was taken waits, runs or has ended");
        assert_eq!(self.machine.active(), self.active);
        if self.active.is_none() {
            assert!(self.asks.is_empty(), "whoever asks is answered at the end of the turn at the latest");
            assert!(self.machine.questions.is_empty() && self.machine.steers.is_empty());
        }
        assert!(self.accepted.iter().all(|turn| self.machine.owes(*turn) != self.ended.contains(turn)));
        let unlimited = self.machine.streaming() && !self.machine.done();
        if !owed.is_empty() || self.agent.is_some() || self.asked {
            assert!(!self.machine.done());
            assert!(unlimited || self.machine.deadline().is_some(), "no state lasts for ever");
        }
        if self.machine.done() {
            assert!(owed.is_empty() && self.agent.is_none() && !self.asked);
            assert_eq!(self.machine.deadline(), None);
        }
    }
}
