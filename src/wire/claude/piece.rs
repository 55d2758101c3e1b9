//! The lines of which there may be hundreds a second, read without a parser: pieces of the answer and of the visible
//! thinking. With `serde_json` they took three times as many instructions, a quarter of all that turnmux spent on one.
//!
//! claude 2.1.197 and 2.1.329 write them so, on one line; the event in the middle is as the model's service wrote it:
//!
//! ```text
//! {"type":"stream_event","event":{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hel"}},
//!  "session_id":"7abd…","parent_tool_use_id":null,"uuid":"5baf…","api_message_id":"msg_1"}
//! ```
//!
//! Anything else, the same in another order for example, is left to serde; and what is read here, serde would read alike.

use std::borrow::Cow;

use memchr::memchr2;

use super::{Delta, StreamEvent, StreamLine};

const BEGINNING: &[u8] = br#"{"type":"stream_event","event":{"type":"content_block_delta","index":"#;
const TEXT: &[u8] = br#","delta":{"type":"text_delta","text":"#;
const THINKING: &[u8] = br#","delta":{"type":"thinking_delta","thinking":"#;

/// A piece, if the line is one and nobody but the model of the turn itself says it.
pub(super) fn read(line: &[u8]) -> Option<StreamLine<'_>> {
    let rest = index(line.strip_prefix(BEGINNING)?)?;
    let is_text = rest.starts_with(TEXT);
    let (said, rest) = text(rest.strip_prefix(if is_text { TEXT } else { THINKING })?)?;
    ends(rest.strip_prefix(b"}}")?)?;
    let delta = if is_text {
        Delta { kind: "text_delta".into(), text: said, ..Delta::default() }
    } else {
        Delta { kind: "thinking_delta".into(), thinking: said, ..Delta::default() }
    };
    Some(StreamLine { event: StreamEvent { kind: "content_block_delta".into(), delta }, parent_tool_use_id: None })
}

/// What follows a block's number.
fn index(rest: &[u8]) -> Option<&[u8]> {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is_number = digits == 1 || (digits > 1 && rest[0] != b'0');
    is_number.then(|| &rest[digits..])
}

/// A text, and what follows it.
fn text(rest: &[u8]) -> Option<(Cow<'_, str>, &[u8])> {
    let inner = rest.strip_prefix(b"\"")?;
    let at = memchr2(b'"', b'\\', inner)?;
    if inner[at] == b'"' {
        let text = std::str::from_utf8(&inner[..at]).ok()?;
        return is_printed(text.as_bytes()).then(|| (text.into(), &inner[at + 1..]));
    }
    let mut texts = serde_json::Deserializer::from_slice(rest).into_iter::<String>();
    let text = texts.next()?.ok()?;
    Some((text.into(), &rest[texts.byte_offset()..]))
}

/// Looks at what a line says beside its event: names with plain texts or `null`, and no subagent.
fn ends(mut rest: &[u8]) -> Option<()> {
    if !rest.is_ascii() || !is_printed(rest) {
        return None;
    }
    let mut names_parent = false;
    while rest != b"}" {
        let (name, value) = word(rest.strip_prefix(b",")?)?;
        let value = value.strip_prefix(b":")?;
        rest = match (name, value.strip_prefix(b"null")) {
            // Twice they would be an error.
            (b"event", _) => return None,
            (b"parent_tool_use_id", _) if std::mem::replace(&mut names_parent, true) => return None,
            (_, Some(rest)) => rest,
            (b"parent_tool_use_id", None) => return None,
            (_, None) => word(value)?.1,
        };
    }
    Some(())
}

/// Whether no byte is a control character, which JSON wants escaped.
fn is_printed(bytes: &[u8]) -> bool {
    // Sixteen bytes at a time, which no form with an early end would be.
    bytes.iter().fold(u8::MAX, |least, &byte| least.min(byte)) >= b' '
}

/// A text without escapes, and what follows it.
fn word(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = rest.strip_prefix(b"\"")?;
    let at = memchr2(b'"', b'\\', inner)?;
    (inner[at] == b'"').then(|| (&inner[..at], &inner[at + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// As the two releases write them.
    const WRITTEN: [(&str, &str); 4] = [
        (
            r#"{"type":"stream_event","event":{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hello"}},"session_id":"d3496c27-e2f7-4a96-a09b-a036576e2559","parent_tool_use_id":null,"uuid":"a9c6f8b8-993b-4c6f-a126-d458cfeeb80b"}"#,
            "Hello",
        ),
        (
            r#"{"type":"stream_event","event":{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}},"session_id":"d3496c27-e2f7-4a96-a09b-a036576e2559","parent_tool_use_id":null,"uuid":"57eb9465-18f4-4895-ba41-4097d5ba3286"}"#,
            "hm",
        ),
        (
            r#"{"type":"stream_event","event":{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}},"session_id":"7abdd008-b338-4597-87b9-ac9143e1d877","parent_tool_use_id":null,"uuid":"b1783916-f819-446b-ad63-488dc85e17fb","thinking_display":"updates","api_message_id":"msg_1"}"#,
            "hm",
        ),
        (
            r#"{"type":"stream_event","event":{"type":"content_block_delta","index":12,"delta":{"type":"text_delta","text":" \"wörld\"\n"}},"session_id":"7abdd008-b338-4597-87b9-ac9143e1d877","parent_tool_use_id":null,"uuid":"1f2dcaa7-fae3-4744-9d69-efbb5a39edf1","api_message_id":"msg_1"}"#,
            " \"wörld\"\n",
        ),
    ];

    fn by_serde(line: &[u8]) -> Option<StreamLine<'_>> {
        serde_json::from_slice(line).ok()
    }

    #[test]
    fn what_claude_writes_is_read() {
        for (line, said) in WRITTEN {
            let read = read(line.as_bytes()).expect(line);
            assert_eq!(format!("{}{}", read.event.delta.text, read.event.delta.thinking), said);
            assert_eq!(Some(read), by_serde(line.as_bytes()));
        }
    }

    #[test]
    fn whatever_is_different_is_left_to_serde() {
        let (line, _) = WRITTEN[0];
        for (what, with) in [
            ("null", r#""toolu_1""#),
            ("null", "[null]"),
            (r#""index":1"#, r#""index":01"#),
            (r#""index":1,"#, ""),
            ("text_delta", "input_json_delta"),
            ("Hello", "Hel\nlo"),
            ("Hello", r"Hel\xlo"),
            (r#""text":"Hello""#, r#""text":"Hello","more":1"#),
            (r#","session_id""#, r#","parent_tool_use_id":null,"session_id""#),
            (r#","session_id""#, r#","event":null,"session_id""#),
            (r#","session_id""#, r#","session\u005fid""#),
            (r#"80b"}"#, r#"80b"},"#),
            (r#"80b"}"#, r#"80b""#),
            (r#"80b"}"#, "80b"),
            (r#"80b"}"#, "80\u{7}\"}"),
        ] {
            let other = line.replacen(what, with, 1);
            assert!(other != line && read(other.as_bytes()).is_none(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_serde_reads_alike(said in "\\PC{0,20}|[\\x00-\\x7f]{0,8}", cut in 0usize..400, byte: u8, tail in "[a-z_\"\\\\:,{}nul]{0,12}") {
            let line = WRITTEN[2].0.replacen(r#""hm""#, &json!(said).to_string(), 1);
            prop_assert_eq!(&*read(line.as_bytes()).expect("a piece").event.delta.thinking, &*said);
            // One byte is another, or something stands in between.
            let mut lines = [line.clone().into_bytes(), line.into_bytes()];
            let at = cut % lines[0].len();
            lines[0][at] = byte;
            lines[1].splice(at..at, tail.into_bytes());
            for line in &lines {
                if let Some(read) = read(line) {
                    prop_assert_eq!(Some(read), by_serde(line), "{}", String::from_utf8_lossy(line));
                }
            }
        }
    }
}
