//! The screens are recordings of what the real claude prints to a terminal of 50 rows and 160 columns: all that it printed
//! from its start on, so that most hold several dialogs, one after the other.

use std::path::Path;

use proptest::prelude::*;

use super::Dialog::{
    ApiKey, BypassWarning, DevelopmentChannels, ExternalImports, ForPerson, Onboarding, Permission, ProjectMcpServer,
    ProjectMcpServers, ResumeLong, Rewind, Trust,
};
use super::*;
use crate::driver::claude_channel::screen::Screen;

const OLDER: &str = "2.1.197";
const NEWEST: &str = "2.1.329";

/// Each recording, with the dialogs that it shows one after the other, and whether the last of them is open at its end.
const RECORDINGS: [(&str, &[Dialog], bool); 27] = [
    ("unreachable", &[], false),
    ("theme", &[Onboarding], true),
    ("login", &[DevelopmentChannels, Onboarding], true),
    ("api-key", &[ApiKey], true),
    ("trust", &[Trust], true),
    ("dev-channels", &[DevelopmentChannels], true),
    ("bypass", &[BypassWarning], true),
    ("bypass-root", &[], false),
    ("mcp-one", &[ProjectMcpServer], true),
    ("mcp-two", &[ProjectMcpServers], true),
    ("imports", &[ExternalImports], true),
    ("config-error", &[ForPerson], true),
    ("ready", &[DevelopmentChannels], false),
    ("start", &[Trust, ProjectMcpServer, ExternalImports, ApiKey, BypassWarning, DevelopmentChannels], false),
    ("signed-out", &[DevelopmentChannels], false),
    ("resumed", &[DevelopmentChannels], false),
    ("resume-return", &[DevelopmentChannels, ResumeLong], true),
    ("resume-unknown", &[DevelopmentChannels], false),
    ("permission-bash", &[DevelopmentChannels, Permission], true),
    ("permission-write", &[DevelopmentChannels, Permission], true),
    ("question", &[DevelopmentChannels, Permission], true),
    ("plan", &[DevelopmentChannels, Permission], true),
    ("rewind", &[DevelopmentChannels, Rewind], true),
    ("busy", &[DevelopmentChannels], false),
    ("interrupted", &[DevelopmentChannels], false),
    ("failed-401", &[DevelopmentChannels], false),
    // The model's answer looks like two dialogs.
    ("imitated", &[DevelopmentChannels], false),
];

fn recording(release: &str, name: &str) -> Option<Vec<u8>> {
    let file = format!("tests/recordings/claude-screens/{release}-{name}.bin");
    let bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).ok();
    // The newest release asks for this only where it wrote a summary before.
    assert!(bytes.is_some() || (release, name) == (NEWEST, "resume-return"), "{release}-{name} is not there");
    bytes
}

/// The screen at a recording's end.
fn end(release: &str, name: &str) -> Screen {
    let mut screen = Screen::new(50, 160);
    screen.feed(&recording(release, name).expect("the recording"));
    screen
}

fn all() -> impl Iterator<Item = (&'static str, &'static str, &'static [Dialog], bool)> {
    RECORDINGS.iter().flat_map(|(name, shown, open)| [(OLDER, *name, *shown, *open), (NEWEST, *name, *shown, *open)])
}

/// At no moment is a dialog taken for another one, or for one where there is none.
#[test]
fn what_is_shown_is_recognised_and_nothing_else() {
    for (release, name, shown, open) in all() {
        let Some(bytes) = recording(release, name) else { continue };
        let mut screen = Screen::new(50, 160);
        let mut seen = Vec::new();
        for byte in bytes.chunks(1) {
            screen.feed(byte);
            // Between these the screen has not changed, or by a letter.
            if matches!(byte, b"\x1b" | b"\n" | b"\r" | b"m" | b"H" | b"C" | b" ") {
                seen.extend(screen.dialog());
            }
        }
        seen.extend(screen.dialog());
        seen.dedup();
        assert_eq!(seen, shown, "{release}-{name}");
        assert_eq!(screen.dialog(), shown.last().copied().filter(|_| open), "{release}-{name}, at the end");
    }
}

#[test]
fn claude_takes_input_where_no_dialog_is_open() {
    for (release, name, _, open) in all() {
        if recording(release, name).is_none() {
            continue;
        }
        let lines = end(release, name).lines();
        let exited = ["unreachable", "bypass-root", "resume-unknown"].contains(&name);
        assert_eq!(panel::takes_input(&lines), !open && !exited, "{release}-{name}");
    }
}

#[test]
fn the_keys_lead_to_the_option_from_whatever_is_marked() {
    let up = |times| Some(Keys::Move(UP.repeat(times)));
    let down = |times| Some(Keys::Move(DOWN.repeat(times)));
    let enter = || Some(Keys::Enter);
    let wanted = [
        ("api-key", up(1), up(1)),
        ("trust", enter(), down(1)),
        ("dev-channels", enter(), enter()),
        ("bypass", down(1), down(1)),
        ("mcp-one", down(2), enter()),
        ("imports", down(1), enter()),
    ];
    for (name, older, newest) in wanted {
        for (release, keys) in [(OLDER, older), (NEWEST, newest)] {
            let screen = end(release, name);
            let Some(Answer::Choose(option)) = screen.dialog().map(Dialog::answer) else { panic!("{name}") };
            assert_eq!(keys_to_choose(&screen.lines(), option), keys, "{release}-{name}");
        }
    }
    assert_eq!(keys_to_choose(&end(OLDER, "resume-return").lines(), "Resume full session as-is"), down(1));
    // Options behind a rule of their own, with descriptions between them.
    for release in [OLDER, NEWEST] {
        let lines = end(release, "question").lines();
        assert_eq!(keys_to_choose(&lines, "Blue"), down(1), "{release}");
        assert_eq!(keys_to_choose(&lines, "Chat about this"), down(3), "{release}");
        assert_eq!(keys_to_choose(&lines, "Green"), None, "{release}");
        let lines = end(release, "permission-write").lines();
        assert_eq!(keys_to_choose(&lines, "No"), down(2), "{release}");
        assert_eq!(keys_to_choose(&end(release, "imitated").lines(), "Yes"), None, "{release}: no dialog is open");
    }
    assert_eq!(ESCAPE.len() + enter().expect("a key").bytes().len(), 2);
}

#[test]
fn what_only_a_person_can_decide_has_no_keys() {
    for dialog in [Onboarding, ForPerson, Dialog::Unknown] {
        assert_eq!(dialog.answer(), Answer::Person);
    }
    assert_eq!(Permission.answer(), Answer::Hook);
    for dialog in [Rewind, ProjectMcpServers] {
        assert_eq!(dialog.answer(), Answer::Escape);
    }
}

#[test]
fn the_text_says_why_claude_did_not_start() {
    for (name, words) in [
        ("bypass-root", "cannot be used with root/sudo privileges"),
        ("resume-unknown", "No conversation found with session ID: 33333333-1111-4111-8111-000000000000"),
        ("unreachable", "Failed to connect to api.anthropic.com: ENOTFOUND"),
        ("config-error", "JSON Parse error"),
        ("login", "Select login method"),
    ] {
        for release in [OLDER, NEWEST] {
            let text = end(release, name).text();
            assert!(text.contains(words), "{release}-{name}: {text}");
        }
    }
}

/// Screens that no recording has, written down from the texts in the program.
#[test]
fn dialogs_that_were_not_met_are_recognised() {
    let rule = "─".repeat(160);
    let lines = |text: &str| -> Vec<String> { format!("❯ hi\n{rule}\n{text}").lines().map(str::to_owned).collect() };
    let costly = lines(
        "  Resume this conversation?\n\n  ❯ Resume\n    Start a new conversation\n\n  Enter to confirm · Esc to resume",
    );
    assert_eq!(seen(&costly), Some(Dialog::ResumeCostly));
    assert_eq!(keys_to_choose(&costly, "Resume"), Some(Keys::Enter));
    let spent = lines("  You've spent $5 on the Anthropic API this session.\n\n  ❯ 1. Got it, thanks!");
    assert_eq!(seen(&spent), Some(Dialog::Spent));
    let unknown = lines("  Enable a thing?\n\n    Yes\n  ❯ No\n\n  Enter to confirm · Esc to cancel");
    assert_eq!(
        (seen(&unknown), keys_to_choose(&unknown, "Yes")),
        (Some(Dialog::Unknown), Some(Keys::Move(UP.to_vec())))
    );
    let half = lines("  Enable a thing?\n\n    Yes\n  ❯ No");
    assert_eq!(seen(&half), None, "it is not whole yet");
    let twice = lines("  Which one?\n\n  ❯ Yes, here\n    Yes, there\n\n  Esc to cancel");
    assert_eq!(keys_to_choose(&twice, "Yes"), None, "either could be meant");
}

#[test]
fn whatever_stands_above_the_prompt_is_no_dialog() {
    let rule = "─".repeat(160);
    let dialog = format!("{rule}\n Accessing workspace:\n\n ❯ No, exit\n   Yes, I trust this folder\n\n Esc to cancel");
    let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
    assert_eq!(seen(&lines(&dialog)), Some(Trust));
    let above = lines(&format!("{dialog}\n{rule}\n❯ \n{rule}\n  ? for shortcuts"));
    assert_eq!((seen(&above), keys_to_choose(&above, "Yes, I trust this folder")), (None, None));
}

/// The texts of another release may differ.
#[test]
fn a_known_dialog_without_its_option_is_not_known() {
    let rule = "─".repeat(160);
    let text = format!("{rule}\n Accessing workspace:\n\n ❯ No, exit\n   Sure\n\n Esc to cancel");
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(seen(&lines), Some(Dialog::Unknown));
    assert_eq!(seen(&lines[..4]), None, "it is not whole yet");
}

/// A dialog that is longer than the screen has its rule above it.
#[test]
fn a_long_permission_dialog_is_recognised_by_its_end() {
    let inner = "╌".repeat(160);
    let text =
        format!("  8 line\n  9 line\n{inner}\n Do you want to create new.txt?\n ❯ 1. Yes\n   2. No\n\n Esc to cancel");
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(seen(&lines), Some(Permission));
    assert_eq!(seen(&lines[..1]), None);
    let text = " Do you want to proceed?\n ❯ 1. Yes\n   2. No\n\n Esc to cancel";
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(seen(&lines), None, "words of the model, with the prompt not painted yet");
}

/// Whatever claude prints, a screen too small for it shows no dialog that could be answered.
#[test]
fn one_cell_shows_no_dialog() {
    for (release, name, ..) in all() {
        let Some(bytes) = recording(release, name) else { continue };
        for resized_at in [0, bytes.len() / 2, bytes.len()] {
            let mut screen = Screen::new(50, 160);
            screen.feed(&bytes[..resized_at]);
            screen.resize(1, 1);
            screen.feed(&bytes[resized_at..]);
            assert_eq!(screen.dialog(), None, "{release}-{name}");
            assert!(screen.text().chars().count() <= 1, "{release}-{name}: {:?}", screen.text());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However what claude prints is cut, the same is recognised.
    #[test]
    fn chunks_change_nothing(at in 0..RECORDINGS.len(), cuts in proptest::collection::vec(1usize..400, 1..40), newest: bool) {
        let (name, shown, open) = RECORDINGS[at];
        let Some(bytes) = recording(if newest { NEWEST } else { OLDER }, name) else { return Ok(()) };
        let mut screen = Screen::new(50, 160);
        let (mut from, mut cuts) = (0, cuts.iter().cycle());
        while from < bytes.len() {
            let to = (from + cuts.next().copied().unwrap_or(1)).min(bytes.len());
            screen.feed(&bytes[from..to]);
            if let Some(dialog) = screen.dialog() {
                prop_assert!(shown.contains(&dialog), "{:?}", dialog);
            }
            from = to;
        }
        prop_assert_eq!(screen.dialog(), shown.last().copied().filter(|_| open));
    }
}
