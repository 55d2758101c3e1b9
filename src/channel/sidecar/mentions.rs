//! What is said stays text in an agent that would take an `@` in it for the name of a file.
//!
//! claude puts the content of `@path` into the prompt, of any file that its user can read and without asking. In what comes
//! through a channel 2.1.329 leaves it alone; 2.1.197 does not. There a word joiner is put before the sign: it shows
//! nowhere, it is no white space, and claude looks for the sign only behind that.

use serde_json::{Map, Value};

/// The oldest release that is known to leave it alone.
const LEFT_ALONE_SINCE: [u64; 3] = [2, 1, 329];

/// A character of no width that is no white space.
const WORD_JOINER: char = '\u{2060}';

/// Whether a release of claude looks for files. One that does not say which it is counts as such.
pub(super) fn act_in(version: &str) -> bool {
    let numbers = version.split(['.', '-', '+']).map_while(|part| part.parse().ok());
    numbers.take(LEFT_ALONE_SINCE.len()).collect::<Vec<u64>>().as_slice() < LEFT_ALONE_SINCE.as_slice()
}

/// Takes the meaning from every `@` in a message's parameters: its content, and what stands in its tag.
pub(super) fn defuse(params: &mut Map<String, Value>) {
    for value in params.values_mut() {
        match value {
            Value::String(text) if text.contains('@') => *text = defused(text),
            Value::Object(inner) => defuse(inner),
            _ => {}
        }
    }
}

fn defused(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 3 * text.matches('@').count());
    let mut before = None;
    for character in text.chars() {
        // In the middle of a word it names no file, and addresses stay as they are.
        if character == '@' && !before.is_some_and(char::is_alphanumeric) {
            safe.push(WORD_JOINER);
        }
        safe.push(character);
        before = Some(character);
    }
    safe
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_releases_that_leave_it_alone_get_it_as_it_is() {
        for old in ["2.1.197", "2.1.328", "2.0.999", "1.9", "", "unknown"] {
            assert!(act_in(old), "{old}");
        }
        for new in ["2.1.329", "2.1.330-beta.1", "2.2.0", "3.0.0"] {
            assert!(!act_in(new), "{new}");
        }
    }

    #[test]
    fn a_sign_behind_no_word_means_nothing_any_more() {
        let mut params = json!({"content": "@a \n@b ada@example.org 。@c \"@d\"", "meta": {"chat_id": "x @e"}});
        defuse(params.as_object_mut().unwrap());
        let safe = "\u{2060}@a \n\u{2060}@b ada@example.org 。\u{2060}@c \"\u{2060}@d\"";
        assert_eq!(params, json!({"content": safe, "meta": {"chat_id": "x \u{2060}@e"}}));
    }
}
