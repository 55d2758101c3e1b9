//! What holds for every session, under inputs in any order: the list in the machine's own documentation, and that no
//! state lasts for ever.
//!
//! A story is made up: submissions, a place that comes or not, an agent that does what agents do or something that makes
//! no sense, and time. [`World`] asserts after each step.

use proptest::prelude::*;

use super::super::acting::{Change, Steering};
use super::super::asking::Open;
use super::world::{Agent, World};
use super::*;
use crate::protocol::{Call, Decision, HistoryMessage, InterruptCause, Permission, Question, RequestId, Role};

/// Something that happens. The numbers are choices among what is possible at that moment.
#[derive(Debug, Clone, Copy)]
enum Op {
    Submit { thread: u8, history: bool, backend: u8, unnamed: bool, instructions: u8, boundary: u8 },
    Start { renew: bool },
    Call { renew: bool, keep: bool, backend: u8, instructions: u8 },
    Act(u8),
    Recalled { is_kept: bool },
    Listening(bool),
    Place,
    PlaceBusy,
    Agent(u8),
    Stray(u8),
    Interrupt(Option<u8>),
    ReaderGone(u8),
    ReaderBack(u8),
    Held(bool),
    Retire,
    Finish(After),
    Time(u8),
}

fn op() -> impl Strategy<Value = Op> {
    let after = prop_oneof![
        4 => Just(After::Reset),
        1 => Just(After::Seal),
        1 => Just(After::Close),
        1 => Just(After::Shutdown),
        1 => Just(After::ShutdownNow),
    ];
    prop_oneof![
        6 => (any::<u8>(), any::<bool>(), any::<u8>(), any::<bool>(), any::<u8>(), any::<u8>()).prop_map(
            |(thread, history, backend, unnamed, instructions, boundary)| Op::Submit {
                thread, history, backend, unnamed, instructions, boundary
            }
        ),
        2 => any::<bool>().prop_map(|renew| Op::Start { renew }),
        3 => (any::<u8>(), any::<bool>(), any::<u8>(), any::<u8>()).prop_map(|(renew, keep, backend, instructions)| {
            Op::Call { renew: renew % 4 != 0, keep, backend, instructions }
        }),
        4 => any::<u8>().prop_map(Op::Act),
        4 => any::<u8>().prop_map(|choice| Op::Recalled { is_kept: choice % 4 != 0 }),
        2 => any::<bool>().prop_map(Op::Listening),
        6 => Just(Op::Place),
        1 => Just(Op::PlaceBusy),
        18 => any::<u8>().prop_map(Op::Agent),
        2 => any::<u8>().prop_map(Op::Stray),
        2 => proptest::option::of(any::<u8>()).prop_map(Op::Interrupt),
        1 => any::<u8>().prop_map(Op::ReaderGone),
        1 => any::<u8>().prop_map(Op::ReaderBack),
        1 => any::<bool>().prop_map(Op::Held),
        1 => Just(Op::Retire),
        1 => after.prop_map(Op::Finish),
        3 => any::<u8>().prop_map(Op::Time),
    ]
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<u8>());
    (flags, 1..5usize).prop_map(|((silence, turn, grace, lost), queue_max)| {
        let mut policy = Policy { queue_max, ..policy() };
        policy.lost_thread = if lost.is_multiple_of(4) { LostThread::Fail } else { LostThread::Continue };
        policy.limits.silence = silence.then_some(40 * SECOND);
        policy.limits.turn = turn.then_some(300 * SECOND);
        policy.disconnect_grace = if grace { 5 * SECOND } else { Duration::ZERO };
        policy.linger = if grace { Duration::ZERO } else { 7 * SECOND };
        policy
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_promised_holds_whatever_happens(
        policy in any_policy(),
        ops in proptest::collection::vec(op(), 1..80),
        alone in any::<bool>(),
        clears in any::<bool>(),
        finish in proptest::option::of(prop_oneof![Just(After::Close), Just(After::Shutdown), Just(After::ShutdownNow)]),
    ) {
        let mut world = World::new(policy);
        world.backend = if clears { "clears" } else { "one" };
        for op in ops {
            world.apply(op);
        }
        if let Some(after) = finish {
            world.apply(Op::Finish(after));
        }
        if alone {
            world.be_left_alone();
        } else {
            world.come_to_rest();
        }
        prop_assert!(world.accepted.iter().all(|turn| world.ended.contains(turn)));
        if world.closing {
            prop_assert_eq!(world.machine.state_name(), "closed");
            prop_assert!(world.asks.is_empty());
        }
    }
}

impl World {
    fn apply(&mut self, op: Op) {
        match op {
            Op::Submit { thread, history, backend, unnamed, instructions, boundary } => {
                let mut job = self.job(thread, history, backend, unnamed, instructions);
                job.request.boundary = (boundary % 4 != 0).then_some(u64::from(boundary / 64));
                job.request.keeps_thread = boundary % 4 == 1;
                if job.request.boundary.is_some() && job.request.thread != self.machine.record().thread {
                    // A thread that was promised and never begun cannot be what a new conversation goes on with.
                    job.request.thread.take_if(|named| !named.as_str().starts_with("0000"));
                }
                let turn = job.turn;
                self.jobs.insert(turn, job.clone());
                self.feed(Input::Submit(Box::new(job)));
                let answered = self.accepted.contains(&turn) != self.denied.contains(&turn);
                assert!(answered, "a submission has one answer, at once");
            }
            Op::Start { renew } => {
                let mut job = job("x");
                job.steers = true;
                job.request.renew = renew;
                self.jobs.insert(job.turn, job.clone());
                self.feed(Input::Submit(Box::new(job)));
            }
            Op::Call { renew, keep, backend, instructions } => {
                let mut job = self.job(7, false, backend, true, instructions);
                job.request.renew = renew;
                job.request.call = Some(Call { keep });
                self.jobs.insert(job.turn, job.clone());
                self.feed(Input::Submit(Box::new(job)));
            }
            Op::Act(choice) => {
                let act = self.an_act(choice);
                self.next_ask += 1;
                self.asks.insert(self.next_ask);
                self.feed(Input::Act { ask: self.next_ask, act });
            }
            Op::Recalled { is_kept } => self.recalls(is_kept),
            Op::Listening(listening) => self.feed(Input::Listening(listening)),
            Op::Place if self.asked && !self.granted => {
                self.granted = true;
                self.feed(Input::PlaceGranted);
            }
            Op::PlaceBusy if self.asked && !self.granted => self.feed(Input::PlaceBusy),
            Op::Place | Op::PlaceBusy => {}
            Op::Agent(choice) => {
                if let Some(event) = self.plausible(choice) {
                    self.agent_says(event);
                }
            }
            Op::Stray(choice) => {
                let event = self.stray(choice);
                self.agent_says(event);
            }
            Op::Interrupt(choice) => {
                let turn = choice.and_then(|choice| self.any_turn(choice));
                self.feed(Input::Interrupt { turn });
            }
            Op::ReaderGone(choice) => {
                if let Some(turn) = self.any_turn(choice) {
                    self.feed(Input::ReaderGone(turn));
                }
            }
            Op::ReaderBack(choice) => {
                if let Some(turn) = self.any_turn(choice) {
                    self.feed(Input::ReaderBack(turn));
                }
            }
            Op::Held(held) => self.feed(Input::Held(held)),
            Op::Retire => self.feed(Input::Retire),
            Op::Finish(after) => {
                self.closing |= !matches!(after, After::Reset | After::Seal);
                self.feed(Input::Finish(after));
            }
            Op::Time(choice) => {
                let due = self.machine.deadline().map_or(SECOND, |at| at.saturating_duration_since(self.now));
                self.now += match choice % 4 {
                    0 => Duration::from_millis(1),
                    1 => due / 2,
                    2 => due,
                    _ => due * 2,
                };
                self.feed(Input::Tick);
            }
        }
    }

    /// Whether no turn was promised the thread that the next one gets.
    fn is_fresh(&self) -> bool {
        self.machine.done() || self.machine.attached.as_ref().is_some_and(|attached| attached.cleared)
    }

    fn job(&self, choice: u8, history: bool, backend: u8, unnamed: bool, instructions: u8) -> Job {
        let mut job = job("x");
        job.request.unnamed = unnamed;
        job.request.lingers = choice.is_multiple_of(3);
        job.request.thread = match choice % 16 {
            0 => Some(thread(1)),
            1 => Some(thread(2)),
            // Nobody can know the one that an idle session would get, nor the one of a context that was just cleared.
            2 if self.machine.record().thread.is_some() || !self.is_fresh() => Some(self.machine.thread().clone()),
            _ => None,
        };
        if history {
            job.request.history = vec![HistoryMessage { role: Role::User, text: "before".into() }];
        }
        job.request.instructions = (instructions.is_multiple_of(4)).then(|| format!("number {}", instructions / 128));
        let change: fn(&mut BackendSpec) = match backend % 16 {
            0 => |spec| spec.effort = Some("high".into()),
            1 => |spec| spec.model = Some("impossible".into()),
            2 => |spec| spec.model = Some("opus".into()),
            3 => |spec| spec.args = vec!["--other".into()],
            _ => |_| {},
        };
        let mut spec = spec(self.backend);
        change(&mut spec);
        job.spec = Arc::new(spec);
        match backend % 16 {
            4 => job.driver = Arc::new(Planner("other")),
            5 => job.request.workspace = Some("/srv/other".into()),
            _ => {}
        }
        job
    }

    fn an_act(&self, choice: u8) -> Act {
        match choice % 8 {
            0..4 => Act::Steer { text: "more".into() },
            4 | 5 => {
                let open = self.machine.questions.iter().map(Open::id).next();
                let request = open.unwrap_or_else(RequestId::generate);
                let decision = [Decision::Allow, Decision::AllowSession, Decision::Deny { message: String::new() }];
                Act::Answer { request, decision: decision[usize::from(choice / 8) % 3].clone() }
            }
            6 => Act::Configure { model: Change::Set("opus".into()), permission: Change::Set(Permission::Deny) },
            _ => Act::Adopt {
                thread: thread(1),
                backend: BackendId::new("one"),
                driver: "planner".into(),
                directory: "/srv/default".into(),
            },
        }
    }

    fn any_turn(&self, choice: u8) -> Option<TurnId> {
        let count = self.accepted.len();
        // The last ones more often: the others have ended.
        (count > 0).then(|| self.accepted[count - 1 - usize::from(choice) % count.min(4)])
    }

    /// What an agent in this situation may say next.
    fn plausible(&self, choice: u8) -> Option<DriverEvent> {
        let agent = self.agent.as_ref()?;
        let died = || DriverEvent::Closed(DriverEnd::Failed(TurnError::new(ErrorKind::AgentLost, "died")));
        let refusal = || Err(TurnError::new(ErrorKind::ModelRefused, "no"));
        let thread = agent.thread.clone();
        Some(match (agent, choice % 16) {
            (_, 15) => died(),
            (Agent { ready: false, new: false, .. }, 10..=13) => {
                let error = TurnError::new(ErrorKind::ThreadNotFound, "never heard of it");
                DriverEvent::Closed(DriverEnd::Failed(error))
            }
            (Agent { detached: true, .. }, _) => DriverEvent::Closed(DriverEnd::Detached),
            (Agent { ready: false, .. }, _) => DriverEvent::Ready { pid: None },
            (Agent { clearing: Some(command), .. }, 0) => DriverEvent::Acked { command: *command, result: refusal() },
            (Agent { clearing: Some(command), .. }, 1) => DriverEvent::Acked { command: *command, result: Ok(()) },
            (Agent { clearing: Some(_), .. }, _) => DriverEvent::Cleared { thread: ThreadId::generate() },
            (Agent { turn: None, .. }, _) => return None,
            (Agent { turn: Some((command, _)), begun: false, .. }, 0) => {
                DriverEvent::Acked { command: *command, result: refusal() }
            }
            (Agent { turn: Some((command, _)), begun: false, .. }, 1) => {
                DriverEvent::Acked { command: *command, result: Ok(()) }
            }
            (Agent { begun: false, .. }, 2) => DriverEvent::Alive,
            (Agent { begun: false, .. }, _) => DriverEvent::Began { thread },
            (Agent { interrupted: true, .. }, 0..8) => {
                DriverEvent::TurnEnded(TurnEnding::Interrupted(InterruptCause::Agent))
            }
            (_, 0..5) => DriverEvent::Step(EventKind::TextDelta("x".into())),
            (_, 5) => DriverEvent::Asked(Question { id: "q".into(), tool: "Bash".into(), input: "{}".into() }),
            (_, 8) if self.machine.steers.iter().any(|steer| steer.command().is_some()) => {
                let command = self.machine.steers.iter().find_map(Steering::command).unwrap();
                DriverEvent::Acked { command, result: if (choice / 16).is_multiple_of(4) { refusal() } else { Ok(()) } }
            }
            (_, 9) if self.machine.steers.iter().any(|steer| steer.command().is_some()) => {
                let command = self.machine.steers.iter().find_map(Steering::command).unwrap();
                DriverEvent::SteerConsumed { command }
            }
            (_, 6) => DriverEvent::TurnEnded(TurnEnding::Failed(TurnError::new(ErrorKind::UpstreamFailed, "no"))),
            _ => DriverEvent::TurnEnded(completed()),
        })
    }

    /// Anything, whether or not it makes sense now.
    fn stray(&self, choice: u8) -> DriverEvent {
        let thread = self.agent.as_ref().map_or_else(|| thread(9), |agent| agent.thread.clone());
        let refusal = Err(TurnError::new(ErrorKind::Conflict, "stray"));
        match choice % 8 {
            0 => DriverEvent::Ready { pid: None },
            1 => DriverEvent::Acked { command: u64::from(choice), result: refusal },
            2 => DriverEvent::Began { thread },
            3 => DriverEvent::Alive,
            4 => DriverEvent::Step(EventKind::TextDelta("stray".into())),
            5 => DriverEvent::Asked(Question { id: "q".into(), tool: "Bash".into(), input: "{}".into() }),
            6 => DriverEvent::TurnEnded(completed()),
            _ => DriverEvent::Closed(DriverEnd::Detached),
        }
    }

    /// Lets everybody do what they should until nothing is left to do.
    fn come_to_rest(&mut self) {
        for _ in 0..200 {
            if self.asked && !self.granted {
                self.apply(Op::Place);
            } else if let Some(event) = self.plausible(14) {
                self.agent_says(event);
            } else if self.recall.is_some() {
                self.recalls(true);
            } else if let Some(at) = self.machine.deadline() {
                self.now = self.now.max(at);
                self.feed(Input::Tick);
            } else {
                break;
            }
        }
        assert!(self.machine.done(), "it comes to rest, and not in {}", self.machine.state_name());
    }

    /// No place, no word from the agent: time alone has to end everything.
    fn be_left_alone(&mut self) {
        for _ in 0..200 {
            if let Some(at) = self.machine.deadline() {
                self.now = self.now.max(at);
                self.feed(Input::Tick);
                assert!(self.machine.deadline().is_none_or(|next| next > self.now), "a timer that is spent is not due");
            } else if self.machine.done() {
                return;
            } else {
                assert!(self.policy.limits.silence.is_none() || self.machine.held);
                assert_eq!(self.policy.limits.turn, None);
                self.apply(Op::Interrupt(None));
            }
        }
        panic!("it lasts for ever in {}", self.machine.state_name());
    }
}
