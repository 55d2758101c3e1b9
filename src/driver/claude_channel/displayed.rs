//! The answer of a turn as claude displays it: pieces of messages, and what it says by its `reply` tool.
//!
//! The pieces come over connections of their own, so one may overtake another, or the end of the turn: they are put in
//! order by their number, and what the end told already is not shown again. Two messages with a tool between them are
//! paragraphs. Without one, the second is another attempt when it begins as the first did (claude asked its service again),
//! and else goes on where the model's output was cut at its limit. A reply is a paragraph of its own, unless a message says
//! the same: then, whichever came first, it is shown once.

use std::collections::{BTreeMap, HashSet, VecDeque};

use crate::driver::claude::answer::Answer;

/// Pieces that may wait for an earlier one, and messages: claude has one or two on the way at a time.
const PARKED_MAX: usize = 1_000;

/// Finished messages that late pieces are known by.
const OVER_MAX: usize = 16;

/// The text of a turn.
#[derive(Debug, Default)]
pub(super) struct Displayed {
    answer: Answer,
    /// Messages that are not finished, in the order in which they were first seen; all but the first wait.
    messages: VecDeque<Message>,
    /// The message that was finished last. It is not settled: the next one may be another attempt at it.
    last: Option<Message>,
    /// Replies that wait for a message to finish.
    waiting: Vec<String>,
    /// Replies that no message has repeated yet.
    replies: Vec<String>,
    /// Messages that no reply has repeated yet.
    settled: Vec<String>,
    /// The ids of the messages that were finished last.
    over: VecDeque<String>,
    /// The message that was finished last, shown or known by a reply.
    latest: String,
    /// What the turn's end told before it was displayed.
    told: Option<String>,
    /// Tools that run, or were refused without a word, and how many have ended.
    tools: HashSet<String>,
    ended: u32,
    /// Pieces that found no room.
    lost: bool,
}

#[derive(Debug)]
struct Message {
    id: String,
    /// The number of the next piece.
    next: u32,
    /// Pieces that overtook it.
    parked: BTreeMap<u32, (String, bool)>,
    /// What was taken in order.
    text: String,
    /// How much of `text`, in bytes, the answer has.
    given: usize,
    /// Whether the answer has any of it.
    begun: bool,
    finished: bool,
    /// How many tools had ended when its first piece came.
    ended: u32,
}

impl Displayed {
    /// Takes a piece of a message; gives what is to be shown.
    pub(super) fn piece(&mut self, message: &str, index: u32, text: &str, is_final: bool) -> Vec<String> {
        if self.over.iter().any(|over| over == message) {
            return Vec::new();
        }
        let known = self.messages.iter().position(|known| known.id == message);
        if known.is_none() && self.messages.len() >= PARKED_MAX {
            self.lost = true;
            return Vec::new();
        }
        let at = known.unwrap_or_else(|| {
            self.messages.push_back(Message::new(message, self.ended));
            self.messages.len() - 1
        });
        if let Some(message) = self.messages.get_mut(at) {
            if message.parked.len() < PARKED_MAX {
                message.parked.insert(index, (text.to_owned(), is_final));
            } else {
                self.lost = true;
            }
        }
        self.advance(false)
    }

    /// A tool is about to run.
    pub(super) fn tool_begins(&mut self, id: &str) {
        self.tools.insert(id.to_owned());
    }

    /// A tool has run, or was refused.
    pub(super) fn tool_ended(&mut self, id: &str) {
        self.tools.remove(id);
        self.ended += 1;
    }

    /// Takes what the agent said by its `reply` tool; gives what is to be shown.
    pub(super) fn reply(&mut self, text: &str) -> Vec<String> {
        if !text.trim().is_empty() {
            self.waiting.push(text.to_owned());
        }
        self.advance(false)
    }

    /// Takes the text of the turn's last message, as its end tells it; gives what none of the rest had brought. Pieces that
    /// come later are still taken.
    pub(super) fn finish(&mut self, last: &str) -> Vec<String> {
        let last = last.trim();
        if let Some(message) = self.messages.back_mut() {
            // Pieces of it are on the way still: this is the whole.
            message.complete(last);
        }
        let mut shown = self.advance(true);
        if !last.is_empty() && !same(&self.latest, last) && !self.replies.iter().any(|reply| same(reply, last)) {
            if self.last.as_ref().is_some_and(|message| self.between(message)) {
                self.settle(&mut shown);
            }
            if self.last.take().is_none() {
                self.answer.message_start();
            }
            shown.extend(self.answer.block(last));
            self.told = Some(last.to_owned());
        }
        self.settle(&mut shown);
        shown
    }

    /// The whole answer: what counts, whatever was shown.
    pub(super) fn text(&self) -> &str {
        self.answer.text()
    }

    /// True when something that was shown is not part of the answer.
    pub(super) fn mismatch(&self) -> bool {
        self.answer.mismatch() || self.lost
    }

    /// Gives to the answer what is in order; `all` takes what waits for something that will not come.
    fn advance(&mut self, all: bool) -> Vec<String> {
        let mut shown = Vec::new();
        while let Some(mut message) = self.messages.pop_front() {
            message.put_in_order(all);
            if message.begun || !self.may_be_known(&message) {
                self.give(&mut message, &mut shown);
            }
            if !(message.finished || all) {
                self.messages.push_front(message);
                break;
            }
            self.close(message, &mut shown);
        }
        if self.messages.is_empty() {
            for reply in std::mem::take(&mut self.waiting) {
                self.settle(&mut shown);
                if !take_same(&mut self.settled, &reply) {
                    self.answer.message_start();
                    shown.extend(self.answer.block(&reply));
                    self.replies.push(reply);
                }
            }
        }
        shown
    }

    /// Whether a message so far says what a reply, or the turn's end, has said.
    fn may_be_known(&self, message: &Message) -> bool {
        let text = message.text.trim();
        self.replies.iter().chain(&self.waiting).chain(&self.told).any(|known| known.trim().starts_with(text))
    }

    /// A message is over.
    fn close(&mut self, mut message: Message, shown: &mut Vec<String>) {
        self.latest.clone_from(&message.text);
        self.over.push_back(message.id.clone());
        if self.over.len() > OVER_MAX {
            self.over.pop_front();
        }
        if !message.begun {
            let known = message.text.trim().is_empty()
                || take_same(&mut self.replies, &message.text)
                || take_same(&mut self.waiting, &message.text)
                || self.told.take_if(|told| same(told, &message.text)).is_some();
            if known {
                return;
            }
            self.give(&mut message, shown);
        }
        self.last = Some(message);
    }

    /// Gives what is new of a message to the answer.
    fn give(&mut self, message: &mut Message, shown: &mut Vec<String>) {
        let new = message.text.get(message.given..).unwrap_or_default();
        if new.is_empty() {
            return;
        }
        if !message.begun {
            message.begun = true;
            match &self.last {
                Some(last) if self.between(last) => self.settle(shown),
                // Another attempt: the answer takes what it repeats as shown.
                Some(last) if last.text.starts_with(new) || new.starts_with(&last.text) => self.last = None,
                Some(_) => {
                    self.settle(shown);
                    self.answer.cut();
                }
                None => {}
            }
            self.answer.message_start();
        }
        shown.extend(self.answer.delta(new));
        message.given = message.text.len();
    }

    /// Whether a tool ran since a message began.
    fn between(&self, message: &Message) -> bool {
        self.ended > message.ended || !self.tools.is_empty()
    }

    /// The last message stands: nothing will be another attempt at it.
    fn settle(&mut self, shown: &mut Vec<String>) {
        if let Some(last) = self.last.take() {
            shown.extend(self.answer.block(&last.text));
            self.settled.push(last.text);
        }
    }
}

impl Message {
    fn new(id: &str, ended: u32) -> Self {
        Self {
            id: id.to_owned(),
            next: 0,
            parked: BTreeMap::new(),
            text: String::new(),
            given: 0,
            begun: false,
            finished: false,
            ended,
        }
    }

    fn put_in_order(&mut self, all: bool) {
        while let Some(entry) = self.parked.first_entry() {
            if *entry.key() > self.next && !all {
                return;
            }
            let (index, (text, is_final)) = entry.remove_entry();
            if index < self.next {
                continue;
            }
            self.next = index + 1;
            self.text.push_str(&text);
            self.finished |= is_final;
        }
    }

    /// Takes the whole of it in place of what is on the way, if this is how it begins.
    fn complete(&mut self, whole: &str) {
        self.put_in_order(false);
        if self.finished || !whole.starts_with(self.text.trim_end()) {
            return;
        }
        self.parked.clear();
        if let Some(rest) = whole.strip_prefix(self.text.as_str()) {
            self.text.push_str(rest);
        }
        self.finished = true;
    }
}

fn same(one: &str, other: &str) -> bool {
    one.trim() == other.trim()
}

/// Takes a text out of a list, if it is in it.
fn take_same(list: &mut Vec<String>, text: &str) -> bool {
    let at = list.iter().position(|known| same(known, text));
    at.map(|at| list.remove(at)).is_some()
}

#[cfg(test)]
mod tests;
