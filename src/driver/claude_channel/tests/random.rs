//! Whatever comes in whatever order: each turn that was taken begins once at most and ends once, nothing is shown outside of
//! one, and no key is pressed while claude is idle.

use proptest::prelude::*;

use super::super::exchange::Act;
use super::super::transcript::Entry;
use super::play::{Play, prompt};
use crate::driver::{Answer, CommandKind, DriverEvent};

/// One thing that happens. Numbers choose among what there is.
#[derive(Debug, Clone)]
enum Step {
    Start,
    Steer,
    Interrupt,
    Answer(u8),
    /// claude begins a push, an old one too.
    Submit(u8),
    SubmitOwn,
    Piece(u8, u8, bool),
    Tool(&'static str),
    Permission,
    Stop(u8),
    Fail,
    Cancelled,
    Written(u8),
    Merged(u8),
    Duration,
    PluginLost,
    Reply(u8),
    AskedByPlugin,
    Pass(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Start),
        3 => Just(Step::Steer),
        2 => Just(Step::Interrupt),
        1 => (1..4_u8).prop_map(Step::Answer),
        6 => (0..4_u8).prop_map(Step::Submit),
        1 => Just(Step::SubmitOwn),
        4 => (0..4_u8, 0..3_u8, any::<bool>()).prop_map(|(message, index, last)| Step::Piece(message, index, last)),
        1 => Just(Step::Tool("PreToolUse")),
        1 => Just(Step::Tool("PostToolUse")),
        1 => Just(Step::Tool("PostToolUseFailure")),
        1 => Just(Step::Permission),
        4 => (0..4_u8).prop_map(Step::Stop),
        1 => Just(Step::Fail),
        2 => Just(Step::Cancelled),
        3 => (0..4_u8).prop_map(Step::Written),
        1 => (0..4_u8).prop_map(Step::Merged),
        1 => Just(Step::Duration),
        1 => Just(Step::PluginLost),
        1 => (0..4_u8).prop_map(Step::Reply),
        1 => Just(Step::AskedByPlugin),
        3 => (0..3_000_u16).prop_map(Step::Pass),
    ]
}

/// A play, and what must hold of it.
struct Watched {
    play: Play,
    /// A prompt was submitted, and nothing has ended since.
    at_work: bool,
    /// A turn was taken; whether it has begun.
    open: Option<bool>,
}

impl Watched {
    fn take(&mut self, step: &Step) {
        let words = ["", "one", "one\ntwo", "other"];
        let word = |number: u8| words[usize::from(number) % words.len()];
        let play = &mut self.play;
        match step {
            Step::Start => play.start(),
            Step::Steer => play.steer(),
            Step::Interrupt => play.command(CommandKind::Interrupt),
            Step::Answer(number) => play.answer(&format!("question-{number}"), Answer::Allow),
            Step::Submit(back) => {
                if let Some(push) = play.pushes.iter().rev().nth(usize::from(*back)).copied() {
                    self.at_work = true;
                    play.submit(&[push]);
                }
            }
            Step::SubmitOwn => {
                self.at_work = true;
                play.submit(&[]);
            }
            Step::Piece(message, index, last) => {
                play.piece(&format!("m{message}"), u32::from(*index), word(*index), *last);
            }
            Step::Tool(name) => play.tool(name, "t"),
            Step::Permission => drop(play.permission("Bash")),
            Step::Stop(last) => {
                self.at_work = false;
                play.stop(word(*last));
            }
            Step::Fail => {
                self.at_work = false;
                play.fail("overloaded", "API Error: 529");
            }
            Step::Cancelled => {
                self.at_work = false;
                play.cancelled();
            }
            Step::Written(text) => play.written("m", word(*text), 1),
            Step::Merged(back) => {
                let push: Vec<_> = play.pushes.iter().rev().nth(usize::from(*back)).copied().into_iter().collect();
                play.entry(Entry::QueuedCommand(prompt(&push)));
            }
            Step::Duration => play.entry(Entry::TurnDuration),
            Step::PluginLost => play.exchange.plugin_lost(),
            Step::Reply(text) => play.exchange.replied(word(*text)),
            Step::AskedByPlugin => play.exchange.asked_by_plugin("abcde".into(), "Bash"),
            Step::Pass(millis) => play.pass(u64::from(*millis)),
        }
        let starts = matches!(step, Step::Start);
        self.check(starts);
    }

    fn check(&mut self, starts: bool) {
        for act in &self.play.exchange.acts {
            assert!(self.at_work || !matches!(act, Act::Keys(_)), "a key was pressed while claude was idle");
        }
        self.play.acts();
        while let Some(event) = self.play.exchange.events.pop_front() {
            match event {
                DriverEvent::Acked { result, .. } if starts && result.is_ok() => {
                    assert_eq!(self.open.replace(false), None, "a turn was taken while another ran");
                }
                DriverEvent::Acked { .. } => {}
                DriverEvent::Began { .. } => {
                    assert_eq!(self.open.replace(true), Some(false), "it began twice, or untaken");
                }
                DriverEvent::Step(_) | DriverEvent::Asked(_) | DriverEvent::SteerConsumed { .. } => {
                    assert_eq!(self.open, Some(true), "outside of a turn: {event:?}");
                }
                DriverEvent::TurnEnded(_) => assert_eq!(self.open.take(), Some(true), "an ending without a turn"),
                other => panic!("{other:?}"),
            }
        }
    }
}

proptest! {
    #[test]
    fn a_turn_has_one_end_whatever_comes(steps in prop::collection::vec(step(), 0..60)) {
        let mut watched = Watched { play: Play::ready(), at_work: false, open: None };
        for step in &steps {
            if watched.play.exchange.broken.is_some() {
                return Ok(());
            }
            watched.take(step);
        }
        // claude does what it has to: what runs stops, what was pushed last begins, and then nothing more comes.
        let ends = [Step::Stop(1), Step::Pass(2_000), Step::Submit(0), Step::Stop(1), Step::Pass(2_000), Step::Submit(1)];
        let silence = [Step::Stop(1), Step::Pass(20_000), Step::Pass(20_000), Step::Pass(20_000), Step::Pass(20_000)];
        for step in ends.into_iter().chain(silence) {
            if watched.play.exchange.broken.is_some() {
                return Ok(());
            }
            watched.take(&step);
        }
        prop_assert!(watched.open.is_none() || watched.play.exchange.broken.is_some(), "a turn has no end");
        prop_assert!(watched.play.exchange.broken.is_some() || !watched.play.exchange.running(), "claude counts as at work");
    }
}
