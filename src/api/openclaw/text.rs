//! The user's messages, without what OpenClaw puts around them.

/// A message of context that changes with each request and is not kept.
const INTERNAL_CONTEXT: &str = "<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>";
/// The first message of a transcript that OpenClaw has compacted.
const COMPACTED: &str = "The conversation history before this point was compacted into the following summary:";
/// The note about a turn that was broken off.
const ABORTED: (&str, &str) = ("<turn_aborted>", "</turn_aborted>");
/// What a turn that got no answer is asked again with; the sentence goes on in several ways.
const CONTINUE: &str = "Continue the current task from the existing transcript";
/// What stands before a message that got no answer, up to the end of its line.
const UNANSWERED: [&str; 2] =
    ["[Queued user message from a previous active turn;", "[Earlier unanswered user message."];
/// What users say to OpenClaw itself. Its transcript keeps the words and not its answer, so they stand before the next message
/// as though nobody had answered them.
const COMMANDS: [&str; 28] = [
    "new",
    "reset",
    "status",
    "help",
    "commands",
    "whoami",
    "id",
    "model",
    "models",
    "think",
    "thinking",
    "t",
    "verbose",
    "v",
    "reasoning",
    "reason",
    "elevated",
    "elev",
    "exec",
    "fast",
    "trace",
    "queue",
    "usage",
    "context",
    "compact",
    "name",
    "tools",
    "stop",
];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// The longest name of a time zone that is looked for.
const ZONE_MAX: usize = 40;

/// A user message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// What the user said; empty where it was nothing but notes.
    pub(super) text: String,
    /// Asks for what was asked before.
    pub(super) again: bool,
}

pub(super) fn is_internal_context(text: &str) -> bool {
    text.trim_start().starts_with(INTERNAL_CONTEXT)
}

pub(super) fn is_compacted(text: &str) -> bool {
    text.trim_start().starts_with(COMPACTED)
}

/// Whether the text is nothing but the request to go on.
pub(in crate::api) fn is_continue(text: &str) -> bool {
    text.starts_with(CONTINUE) && !text.trim_end().contains('\n')
}

/// Whether the text is nothing but commands that OpenClaw answers itself, a line each.
pub(super) fn is_command(text: &str) -> bool {
    let is_one = |line: &str| {
        let word = line.strip_prefix('/').and_then(|rest| rest.split([' ', ':']).next());
        word.is_some_and(|word| COMMANDS.contains(&word))
    };
    !text.is_empty() && text.lines().all(|line| is_one(without_time(line.trim_end())))
}

/// Reads a user message whose Runtime line is off already.
pub(super) fn clean(text: &str) -> Message {
    let mut rest = without_note(without_time(text));
    let mut wrapped = false;
    // A message that was wrapped and got no answer again is wrapped again.
    while let Some(inner) = unwrapped(rest) {
        rest = without_note(without_time(inner));
        wrapped = true;
    }
    let mut again = is_continue(rest);
    while wrapped
        && let Some((before, last)) = rest.trim_end().rsplit_once("\n\n")
        && is_continue(last)
    {
        rest = before;
        again = true;
    }
    Message { text: rest.to_owned(), again }
}

/// Without `[Fri 2026-11-20 13:27 UTC] ` before it.
fn without_time(text: &str) -> &str {
    let stamp = || {
        let (inside, rest) = text.strip_prefix('[')?.split_once("] ")?;
        let mut words = inside.splitn(4, ' ');
        let (day, date, time, zone) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let fits = |text: &str, form: &str| {
            let same = |(byte, form): (u8, u8)| if form == b'0' { byte.is_ascii_digit() } else { byte == form };
            text.len() == form.len() && text.bytes().zip(form.bytes()).all(same)
        };
        let is_zone = !zone.is_empty()
            && zone.len() <= ZONE_MAX
            && zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-:/_".contains(&byte));
        (DAYS.contains(&day) && fits(date, "0000-00-00") && fits(time, "00:00") && is_zone).then_some(rest)
    };
    stamp().unwrap_or(text)
}

fn without_note(text: &str) -> &str {
    let after = text.strip_prefix(ABORTED.0).and_then(|rest| rest.split_once(ABORTED.1));
    after.map_or(text, |(_, rest)| rest.trim_start())
}

fn unwrapped(text: &str) -> Option<&str> {
    let (marker, rest) = text.split_once("]\n")?;
    UNANSWERED.iter().any(|known| marker.starts_with(known) && !marker.contains('\n')).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTINUE_WHOLE: &str = "Continue the current task from the existing transcript, preserving completed work. If an \
        action was interrupted, inspect its state. Do not restart the task or repeat completed actions.";
    const QUEUED: &str = "[Queued user message from a previous active turn; preserved as context only. Continue with the \
        active prompt below.]";

    fn cleaned(text: &str) -> (String, bool) {
        let message = clean(text);
        (message.text, message.again)
    }

    #[test]
    fn time_stamps_go() {
        for zone in ["UTC", "GMT+2", "Europe/Berlin", "+05:30"] {
            assert_eq!(cleaned(&format!("[Fri 2026-11-20 13:27 {zone}] hello")), ("hello".into(), false));
        }
        assert_eq!(
            cleaned("[Fri 2026-11-20 13:27 UTC] a\n[Sat 2026-11-21 01:00 UTC] b").0,
            "a\n[Sat 2026-11-21 01:00 UTC] b"
        );
        for text in
            ["[note] hello", "[Fri 2026-11-20 UTC] x", "[Fox 2026-11-20 13:27 UTC] x", "[Fri 2026-11-20 13:27 UTC]x"]
        {
            assert_eq!(cleaned(text).0, text, "not OpenClaw's");
        }
    }

    #[test]
    fn notes_of_broken_turns_go() {
        let note = "[Fri 2026-11-20 13:23 UTC] <turn_aborted>\nThe previous turn was interrupted.\n</turn_aborted>";
        assert_eq!(cleaned(note), (String::new(), false));
        assert_eq!(cleaned(&format!("{note}\nand now this")), ("and now this".into(), false));
        let open = "<turn_aborted> is what the log says";
        assert_eq!(cleaned(open).0, open);
    }

    #[test]
    fn a_wrapped_message_is_unwrapped() {
        let once = format!("[Fri 2026-11-20 13:43 UTC] {QUEUED}\nhello\nthere\n\n{CONTINUE_WHOLE}");
        assert_eq!(cleaned(&once), ("hello\nthere".into(), true));
        let twice = format!("{QUEUED}\n{QUEUED}\nhello\n\n{CONTINUE_WHOLE}\n\n{CONTINUE_WHOLE}");
        assert_eq!(cleaned(&twice), ("hello".into(), true));
        // Another message was put behind one without an answer: both are the user's.
        assert_eq!(cleaned(&format!("{QUEUED}\nolder\n\nnewer")), ("older\n\nnewer".into(), false));
        let newer =
            "[Earlier unanswered user message. Address this request alongside the current input.]\nolder\n\nnewer";
        assert_eq!(cleaned(newer), ("older\n\nnewer".into(), false));
    }

    #[test]
    fn the_request_to_go_on_is_known() {
        assert_eq!(cleaned(&format!("[Fri 2026-11-20 13:23 UTC] {CONTINUE_WHOLE}")), (CONTINUE_WHOLE.into(), true));
        let quoted = format!("What does this mean?\n\n{CONTINUE_WHOLE}");
        assert_eq!(cleaned(&quoted), (quoted.clone(), false), "a user may quote it");
    }
}
