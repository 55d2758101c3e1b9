//! The answer of a turn as it forms: deltas first, whole blocks after them, and the whole of it checked at the end.
//!
//! claude says everything up to three times: as deltas, as `assistant` lines (one a finished block), and as the `result`
//! of the turn. What was shown is compared with each of them, so that nothing is lost and nothing is doubled; where they
//! contradict each other the later one counts and [`Answer::mismatch`] says so. When claude asks its service again after
//! a cut connection, the new message begins from the start: what it repeats is not shown twice.

/// Stands between two text blocks, which claude shows as paragraphs of their own.
const BETWEEN: &str = "\n\n";

/// The text of a turn.
#[derive(Debug, Default)]
pub(in crate::driver) struct Answer {
    /// Blocks that are finished, as their `assistant` lines said.
    done: String,
    /// The running block, as its deltas said.
    block: String,
    /// How much of `block`, in bytes, has been shown.
    shown: usize,
    /// Shown text of a block that never was finished.
    orphan: String,
    /// The message was cut off at the model's limit of output.
    cut: bool,
    /// The message before was: what comes next goes on where that broke off.
    goes_on: bool,
    mismatch: bool,
}

impl Answer {
    /// Takes a delta; gives what is to be shown.
    pub(in crate::driver) fn delta(&mut self, text: &str) -> Option<String> {
        self.block.push_str(text);
        self.show()
    }

    /// A message of the model begins: whatever block was open will not be finished.
    pub(in crate::driver) fn message_start(&mut self) {
        self.goes_on = std::mem::take(&mut self.cut);
        if self.block.is_empty() {
            return;
        }
        if self.orphan.is_empty() {
            self.orphan = std::mem::take(&mut self.block);
            self.orphan.truncate(self.shown);
        } else {
            // The orphan is what was shown; a second attempt that was cut too showed nothing new, or became the orphan.
            self.block.clear();
        }
        self.shown = 0;
    }

    /// The running message ended at the model's limit of output; claude asks it to go on mid-thought.
    pub(in crate::driver) fn cut(&mut self) {
        self.cut = true;
    }

    /// Takes a finished block as a whole; gives the rest that no delta brought.
    pub(in crate::driver) fn block(&mut self, text: &str) -> Option<String> {
        let before = std::mem::replace(&mut self.block, text.to_owned());
        if !text.starts_with(&before) {
            self.mismatch = true;
            // What was shown stands; there is no way to take it back, so nothing more of this block is shown.
            self.shown = text.len();
        }
        let rest = self.show();
        let between = self.between();
        // A block that is shorter than what an earlier attempt had shown takes the rest of that back.
        self.mismatch |= !self.orphan.is_empty() && self.orphan != text;
        self.orphan.clear();
        if !text.is_empty() {
            self.done.push_str(between);
            self.goes_on = false;
        }
        self.done.push_str(text);
        self.block.clear();
        self.shown = 0;
        rest
    }

    /// Takes the turn's result; gives what none of the rest had brought.
    pub(in crate::driver) fn finish(&mut self, result: &str) -> Option<String> {
        if !self.block.is_empty() {
            // Deltas without their finished block: the result decides, where it says anything.
            let whole = if result.is_empty() { self.block.clone() } else { result.to_owned() };
            return self.block(&whole);
        }
        if result.is_empty() || same_tail(&self.done, result) {
            return None;
        }
        self.block(result)
    }

    /// The whole answer: what counts, whatever was shown.
    pub(in crate::driver) fn text(&self) -> &str {
        &self.done
    }

    /// True when something that was shown is not part of the answer.
    pub(in crate::driver) fn mismatch(&self) -> bool {
        self.mismatch
    }

    /// What stands before a new block.
    fn between(&self) -> &'static str {
        if self.done.is_empty() || self.goes_on { "" } else { BETWEEN }
    }

    /// What of the running block is new to the reader.
    fn show(&mut self) -> Option<String> {
        if !self.orphan.is_empty() {
            if self.orphan.starts_with(&self.block) {
                return None;
            }
            if self.block.starts_with(&self.orphan) {
                self.shown = self.orphan.len();
            } else {
                self.mismatch = true;
                self.shown = 0;
            }
            let repeated = self.shown > 0;
            self.orphan.clear();
            let new = self.block.get(self.shown..).unwrap_or_default().to_owned();
            self.shown = self.block.len();
            return Some(if repeated { new } else { format!("{BETWEEN}{new}") }).filter(|new| !new.is_empty());
        }
        let new = self.block.get(self.shown..).unwrap_or_default();
        if new.is_empty() {
            return None;
        }
        let new = if self.shown == 0 { format!("{}{new}", self.between()) } else { new.to_owned() };
        self.shown = self.block.len();
        Some(new)
    }
}

/// Whether the answer already ends with the result. White space is left out, for claude joins blocks without any.
fn same_tail(answer: &str, result: &str) -> bool {
    if answer.ends_with(result) {
        return true;
    }
    let mut answer = answer.chars().rev().filter(|c| !c.is_whitespace());
    result.chars().rev().filter(|c| !c.is_whitespace()).all(|c| answer.next() == Some(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn deltas_that_agree_with_their_block_are_shown_once() {
        let mut answer = Answer::default();
        assert_eq!(answer.delta("He").as_deref(), Some("He"));
        assert_eq!(answer.delta("llo").as_deref(), Some("llo"));
        assert_eq!(answer.block("Hello"), None);
        assert_eq!(answer.finish("Hello"), None);
        assert_eq!((answer.text(), answer.mismatch()), ("Hello", false));
    }

    #[test]
    fn what_the_deltas_left_out_is_shown_with_the_block_or_the_result() {
        let mut answer = Answer::default();
        assert_eq!(answer.delta("He").as_deref(), Some("He"));
        assert_eq!(answer.block("Hello").as_deref(), Some("llo"));
        assert_eq!(answer.finish("Hello"), None);

        let mut answer = Answer::default();
        assert_eq!(answer.finish("Hello").as_deref(), Some("Hello"));
        assert_eq!(answer.text(), "Hello");

        let mut answer = Answer::default();
        assert_eq!(answer.delta("He").as_deref(), Some("He"));
        assert_eq!(answer.finish("Hello").as_deref(), Some("llo"));
        assert_eq!((answer.text(), answer.mismatch()), ("Hello", false));
    }

    #[test]
    fn a_block_that_contradicts_its_deltas_counts_and_is_said_to() {
        let mut answer = Answer::default();
        answer.delta("Yes");
        assert_eq!(answer.block("No"), None);
        answer.finish("No");
        assert_eq!((answer.text(), answer.mismatch()), ("No", true));
    }

    #[test]
    fn blocks_are_paragraphs() {
        let mut answer = Answer::default();
        answer.message_start();
        assert_eq!(answer.delta("Let me look.").as_deref(), Some("Let me look."));
        answer.block("Let me look.");
        answer.message_start();
        assert_eq!(answer.delta("Done.").as_deref(), Some("\n\nDone."));
        answer.block("Done.");
        assert_eq!(answer.finish("Done."), None);
        assert_eq!((answer.text(), answer.mismatch()), ("Let me look.\n\nDone.", false));
    }

    #[test]
    fn what_follows_a_limit_goes_on_where_it_broke_off() {
        let mut answer = Answer::default();
        answer.message_start();
        answer.delta("One tw");
        answer.cut();
        answer.block("One tw");
        answer.message_start();
        assert_eq!(answer.delta("o").as_deref(), Some("o"));
        answer.block("o three");
        answer.message_start();
        assert_eq!(answer.block("Four").as_deref(), Some("\n\nFour"));
        assert_eq!(answer.finish(""), None);
        assert_eq!((answer.text(), answer.mismatch()), ("One two three\n\nFour", false));
    }

    #[test]
    fn an_attempt_that_was_cut_is_not_repeated() {
        let mut answer = Answer::default();
        answer.message_start();
        assert_eq!(answer.delta("One two").as_deref(), Some("One two"));
        answer.message_start();
        assert_eq!(answer.delta("One "), None);
        assert_eq!(answer.delta("two three").as_deref(), Some(" three"));
        assert_eq!(answer.block("One two three"), None);
        assert_eq!((answer.text(), answer.mismatch()), ("One two three", false));
    }

    #[test]
    fn an_attempt_that_says_something_else_is_shown_apart() {
        let mut answer = Answer::default();
        answer.message_start();
        answer.delta("One");
        answer.message_start();
        assert_eq!(answer.delta("Two").as_deref(), Some("\n\nTwo"));
        answer.block("Two");
        assert_eq!((answer.text(), answer.mismatch()), ("Two", true));
    }

    proptest! {
        /// However a text is cut into deltas, and wherever the connection broke once, it is shown once and whole.
        #[test]
        fn nothing_is_lost_and_nothing_doubled(
            text in "[a-zé ]{1,40}", cuts in proptest::collection::vec(1usize..6, 0..20), broken in proptest::option::of(0usize..40),
        ) {
            let mut answer = Answer::default();
            let mut shown = String::new();
            let chars: Vec<char> = text.chars().collect();
            let feed = |answer: &mut Answer, until: usize, shown: &mut String| {
                answer.message_start();
                let (mut at, mut cut) = (0, cuts.iter().cycle());
                while at < until {
                    let next = (at + cut.next().copied().unwrap_or(3)).min(until);
                    let piece: String = chars.get(at..next).unwrap_or_default().iter().collect();
                    shown.extend(answer.delta(&piece));
                    at = next;
                }
            };
            if let Some(broken) = broken {
                feed(&mut answer, broken.min(chars.len()), &mut shown);
            }
            feed(&mut answer, chars.len(), &mut shown);
            shown.extend(answer.block(&text));
            shown.extend(answer.finish(&text));
            prop_assert_eq!(&shown, &text);
            prop_assert_eq!(answer.text(), &text);
            prop_assert!(!answer.mismatch());
        }
    }
}
