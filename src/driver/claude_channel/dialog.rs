//! claude's dialogs, recognised by what is seen on its screen, and the keys that answer them.
//!
//! While claude takes input its screen ends in a prompt box, two rules with `❯` between them, and below them the status:
//! then nothing above is a dialog, whatever it looks like, for the model and its users can write anything there. A dialog
//! stands in the box's place, below a rule of its own. Its first line is its title, and `❯` marks one of its options:
//!
//! ```text
//! ─────────────────────────────
//!  Accessing workspace:
//!  …
//!  ❯ No, exit                      2.1.197 numbers its options, and has other defaults
//!    Yes, I trust this folder
//!
//!  Enter to confirm · Esc to cancel
//! ```
//!
//! An answer takes care, as both releases showed:
//! * Enter in one write with the arrow before it chooses the option that was marked *before*: move, and look again.
//! * Some 200 ms after it was first painted 2.1.329 paints a dialog a second time, with the default marked, and until then
//!   it may lose keys. So a step is taken when the screen has rested, and again where nothing came of it.

mod panel;
#[cfg(test)]
mod tests;

use panel::Panel;

/// What stands in place of the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialog {
    /// Whether to load a channel that is in development: ours is.
    DevelopmentChannels,
    /// Whether the folder is trusted. Its default is no on 2.1.329, and yes on 2.1.197.
    Trust,
    /// Whether to use the API key of the environment. Its default is no.
    ApiKey,
    /// Whether to run without asking; shown only where that was configured.
    BypassWarning,
    /// Whether to use a new server of the project's `.mcp.json`. claude writes the answer into the project's
    /// `.claude/settings.local.json`.
    ProjectMcpServer,
    /// The same for several.
    ProjectMcpServers,
    /// Whether the project's CLAUDE.md may include files from outside.
    ExternalImports,
    /// Whether to shorten a long conversation that is resumed after an hour or later. Its default is to.
    ResumeLong,
    /// The same, of 2.1.329, for one that takes much of the account's allowance.
    ResumeCostly,
    /// A word about what was spent. Not seen yet: known from the program's texts, as the one above.
    Spent,
    /// Whether a tool may run, or what else a tool asks; hooks answer it while it is shown.
    Permission,
    /// Where to go back to: somebody pressed Escape twice. It swallows what is pushed.
    Rewind,
    /// The first steps, sign-in among them.
    Onboarding,
    /// Something else that only a person can decide: broken settings, an organisation's rules, new terms.
    ForPerson,
    /// A dialog that is not known.
    Unknown,
}

/// What answers a dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// This option, by [`keys_to_choose`].
    Choose(&'static str),
    /// The Escape key.
    Escape,
    /// A hook's reply. No key.
    Hook,
    /// A person, in a terminal: [`super::screen::Screen::text`] says what is asked.
    Person,
}

/// A step towards an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Keys {
    /// Arrows, for the mark is elsewhere. Look again before the next step.
    Move(Vec<u8>),
    /// Enter, for the option is marked.
    Enter,
    /// Escape, which closes it.
    Escape,
}

const ESCAPE: &[u8] = b"\x1b";

const ENTER: &[u8] = b"\r";
const UP: &[u8] = b"\x1b[A";
const DOWN: &[u8] = b"\x1b[B";

/// A dialog that is known by its title: how that begins, and what else it has.
struct Known(Dialog, &'static str, &'static str, Answer);

const KNOWN: [Known; 16] = [
    Known(
        Dialog::DevelopmentChannels,
        "WARNING: Loading development channels",
        "",
        Answer::Choose("I am using this for local development"),
    ),
    Known(Dialog::Trust, "Accessing workspace:", "", Answer::Choose("Yes, I trust this folder")),
    Known(Dialog::ApiKey, "Detected a custom API key in your environment", "", Answer::Choose("Yes")),
    Known(
        Dialog::BypassWarning,
        "WARNING: Claude Code running in Bypass Permissions mode",
        "",
        Answer::Choose("Yes, I accept"),
    ),
    Known(
        Dialog::ProjectMcpServer,
        "New MCP server found in this project",
        "",
        Answer::Choose("Continue without using this MCP server"),
    ),
    Known(Dialog::ProjectMcpServers, "", " new MCP servers found in this project", Answer::Escape),
    Known(
        Dialog::ExternalImports,
        "Allow external CLAUDE.md file imports?",
        "",
        Answer::Choose("No, disable external imports"),
    ),
    Known(Dialog::ResumeLong, "This session is ", " old and ", Answer::Choose("Resume full session as-is")),
    Known(Dialog::ResumeCostly, "Resume this conversation?", "", Answer::Choose("Resume")),
    Known(Dialog::Spent, "You've spent $", " this session", Answer::Choose("Got it, thanks!")),
    Known(Dialog::Rewind, "Rewind", "", Answer::Escape),
    Known(Dialog::Onboarding, "Login", "", Answer::Person),
    Known(Dialog::ForPerson, "Configuration error", "", Answer::Person),
    Known(Dialog::ForPerson, "Managed settings require approval", "", Answer::Person),
    Known(Dialog::ForPerson, "Updates to Consumer Terms and Policies", "", Answer::Person),
    Known(Dialog::ForPerson, "Claude Code can't start this session yet", "", Answer::Person),
];

/// What the steps of the onboarding say, below claude's welcome; they have no rule.
const WELCOME: &str = "Welcome to Claude Code";
const ONBOARDING: [&str; 5] = [
    "Let's get started.",
    "Select login method:",
    "Paste code here if prompted",
    "Browser didn't open?",
    "Security notes:",
];

/// What questions of tools say above their options, and the titles of those that say neither.
const TOOL_QUESTIONS: [&str; 2] = ["Do you want to ", "Would you like to "];
const TOOL_TITLES: [&str; 2] = ["Exit plan mode?", "Enter plan mode?"];

impl Dialog {
    /// What answers it.
    pub(super) fn answer(self) -> Answer {
        match self {
            Self::Permission => Answer::Hook,
            _ => KNOWN.iter().find(|known| known.0 == self).map_or(Answer::Person, |known| known.3),
        }
    }
}

impl Keys {
    /// What to write to the terminal.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Move(arrows) => arrows,
            Self::Enter => ENTER,
            Self::Escape => ESCAPE,
        }
    }
}

/// The dialog on the screen, once all of it that matters is painted.
pub(super) fn seen(lines: &[String]) -> Option<Dialog> {
    let panel = Panel::of(lines)?;
    let options = panel.options();
    if let Some(Known(dialog, _, _, answer)) = KNOWN.iter().find(|known| known.is_title(panel.title)) {
        return match (answer, options) {
            (Answer::Choose(option), Some(options)) if options.position(option).is_some() => Some(*dialog),
            // Another release calls its options otherwise.
            (Answer::Choose(_), Some(_)) if panel.has_foot() => Some(Dialog::Unknown),
            (Answer::Choose(_), _) => None,
            (_, options) => (panel.has_foot() || options.is_some()).then_some(*dialog),
        };
    }
    if asks_for_tool(&panel) {
        return Some(Dialog::Permission);
    }
    if !panel.ruled {
        let welcome = lines.iter().any(|line| line.starts_with(WELCOME));
        let step = lines.iter().any(|line| ONBOARDING.iter().any(|step| line.trim_start().starts_with(step)));
        return (welcome && step).then_some(Dialog::Onboarding);
    }
    options.is_some_and(|options| options.numbered || panel.has_foot()).then_some(Dialog::Unknown)
}

/// Whether the prompt box is on the screen.
pub(super) fn takes_input(lines: &[String]) -> bool {
    panel::takes_input(lines)
}

/// The next step towards an option of the dialog on the screen, by how the option is called without its number; none where
/// it is not there. It never relies on what is marked by default.
pub(super) fn keys_to_choose(lines: &[String], option: &str) -> Option<Keys> {
    let options = Panel::of(lines)?.options()?;
    let wanted = options.position(option)?;
    Some(match options.marked.cmp(&wanted) {
        std::cmp::Ordering::Equal => Keys::Enter,
        std::cmp::Ordering::Less => Keys::Move(DOWN.repeat(wanted - options.marked)),
        std::cmp::Ordering::Greater => Keys::Move(UP.repeat(options.marked - wanted)),
    })
}

impl Known {
    fn is_title(&self, title: &str) -> bool {
        title.starts_with(self.1) && title.contains(self.2)
    }
}

/// Whether a tool asks: for permission, or something of its own.
fn asks_for_tool(panel: &Panel<'_>) -> bool {
    let Some(options) = panel.options() else { return false };
    let question = panel.above(&options);
    TOOL_QUESTIONS.iter().any(|words| question.contains(words))
        || TOOL_TITLES.contains(&panel.title)
        || panel.foot().starts_with("Enter to select")
}
