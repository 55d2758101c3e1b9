//! What a new thread is told of a conversation.

use super::*;
use crate::protocol::{FinishReason, HistoryMessage, Image, Logged, Role, SteerId, ThreadId, Usage, UserText};
use crate::session::machine::Recalled;
use crate::session::recall::recall;
use crate::store::{AcceptedTurn, TurnRecord, Write};

/// A session's story, as its task writes it.
struct Story {
    store: MemoryStore,
    seq: u64,
}

impl Story {
    fn new(events_bytes: usize) -> Self {
        Self { store: MemoryStore::new(10, events_bytes), seq: 0 }
    }

    fn accepted(&mut self, text: &str) -> TurnId {
        let (turn, key) = (TurnId::generate(), key("1"));
        let record = TurnRecord::accepted(turn, key, BackendId::new("one"), ThreadId::generate(), self.seq + 1);
        self.store.write(vec![Write::Accepted(Box::new(AcceptedTurn { turn: record, name: None, rerun: None }))]);
        self.event(turn, EventKind::UserText(text.into()));
        turn
    }

    fn event(&mut self, turn: TurnId, kind: EventKind) {
        self.seq += 1;
        let logged = Logged::now(Event { seq: self.seq, turn, kind });
        self.store.write(vec![Write::Event(logged)]);
    }

    fn started(&mut self, turn: TurnId) {
        self.event(turn, EventKind::Started { thread: ThreadId::generate() });
    }

    fn says(&mut self, turn: TurnId, text: &str) {
        self.event(turn, EventKind::TextDelta(text.into()));
        self.event(turn, EventKind::AssistantText(text.into()));
    }

    fn completed(&mut self, turn: TurnId, text: &str) {
        let (finish, usage) = (FinishReason::Stop, Usage::default());
        let (text, reasoning) = (text.to_owned(), String::new());
        self.event(turn, EventKind::Ended(TurnEnding::Completed { text, reasoning, finish, usage }));
    }

    /// A whole turn.
    fn turn(&mut self, user: &str, answer: &str) -> TurnId {
        let turn = self.accepted(user);
        self.started(turn);
        self.says(turn, answer);
        self.completed(turn, answer);
        turn
    }

    fn told(&self, first: TurnId) -> Recalled {
        recall(&self.store, &key("1"), first).unwrap()
    }
}

#[test]
fn images_are_named_where_they_were_shown() {
    let mut story = Story::new(1 << 20);
    let turn = story.accepted("look");
    let mark = Image::encode(b"GIF89a").unwrap().mark();
    let again = story.accepted("");
    story.event(again, EventKind::UserText(UserText { text: "and this".into(), images: vec![mark, mark] }));
    for turn in [turn, again] {
        story.started(turn);
        story.says(turn, "seen");
        story.completed(turn, "seen");
    }
    let told = lines(&story.told(turn));
    assert_eq!(told[2], "user: \n\nand this\n[image]\n[image]", "{told:?}");
}

/// The messages in short: who, and what.
fn lines(recalled: &Recalled) -> Vec<String> {
    let line = |message: &HistoryMessage| {
        format!("{}: {}", if message.role == Role::User { "user" } else { "agent" }, message.text)
    };
    recalled.messages.iter().map(line).collect()
}

#[test]
fn it_is_what_was_said_from_the_first_turn_of_the_conversation_on() {
    let mut story = Story::new(1 << 20);
    story.turn("before a reset", "gone");
    let first = story.turn("one", "hello");
    // What waits, and what never reached an agent, is no part of it.
    let waiting = story.accepted("waits");
    let left = story.accepted("left before its time");
    story.event(left, EventKind::Ended(TurnEnding::Interrupted(InterruptCause::ClientGone)));
    story.turn("two", "hello again");
    assert_eq!(lines(&story.told(first)), ["user: one", "agent: hello", "user: two", "agent: hello again"]);
    assert!(!story.told(first).is_cut);
    assert!(!story.told(waiting).messages.iter().any(|message| message.text == "one"));
}

#[test]
fn steers_that_were_read_and_messages_that_were_broken_off_are_part_of_it() {
    let mut story = Story::new(1 << 20);
    let turn = story.accepted("count");
    story.started(turn);
    story.says(turn, "let me see");
    story.says(turn, "one");
    let steers = [SteerId::generate(), SteerId::generate()];
    for (steer, text) in steers.into_iter().zip(["faster", "never read"]) {
        story.event(turn, EventKind::Steered { steer, text: text.into() });
    }
    story.event(turn, EventKind::SteerConsumed { steer: steers[0] });
    story.event(turn, EventKind::TextDelta("tw".into()));
    story.event(turn, EventKind::SteerDropped { steer: steers[1] });
    story.event(turn, EventKind::Ended(TurnEnding::Interrupted(InterruptCause::Request)));
    assert_eq!(lines(&story.told(turn)), ["user: count", "agent: let me see\n\none", "user: faster", "agent: tw"]);
}

#[test]
fn where_the_final_text_differs_it_counts() {
    let mut story = Story::new(1 << 20);
    let turn = story.accepted("one");
    story.started(turn);
    story.says(turn, "not so");
    story.event(turn, EventKind::TextMismatch);
    story.completed(turn, "but so");
    let silent = story.accepted("two");
    story.started(silent);
    story.completed(silent, "at once");
    assert_eq!(lines(&story.told(turn)), ["user: one", "agent: but so", "user: two", "agent: at once"]);
}

#[test]
fn the_newest_messages_that_fit_are_told_whole_and_it_says_that_there_were_more() {
    let mut story = Story::new(8 << 20);
    let first = story.turn("oldest", &"a".repeat(200 << 10));
    story.turn("older", &"b".repeat(200 << 10));
    story.turn("newest", "c");
    let told = story.told(first);
    let lengths: Vec<_> = told.messages.iter().map(|message| message.text.len()).collect();
    assert_eq!(lengths, ["older".len(), 200 << 10, "newest".len(), 1]);
    assert!(told.is_cut);
}

#[test]
fn what_is_not_kept_any_more_is_missed_aloud() {
    let mut story = Story::new(8 << 10);
    let first = story.turn("first", "answer");
    for number in 0..40 {
        story.turn(&format!("turn {number}"), "answer");
    }
    let told = story.told(first);
    assert!(told.is_cut && !told.messages.is_empty(), "{told:?}");
    assert_eq!(lines(&told)[told.messages.len() - 2..], ["user: turn 39", "agent: answer"]);
    assert!(told.messages.iter().all(|message| message.text != "first"));
}

#[test]
fn a_conversation_of_many_turns_is_read_page_by_page() {
    let mut story = Story::new(64 << 20);
    story.turn("before", "a reset");
    let first = story.turn("turn 0", "answer");
    for number in 1..600 {
        story.turn(&format!("turn {number}"), "answer");
    }
    let told = story.told(first);
    assert_eq!((told.messages.len(), told.is_cut), (1200, false));
    assert_eq!(told.messages[0].text, "turn 0");
}
