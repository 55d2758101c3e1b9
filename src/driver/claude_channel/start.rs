//! What claude shows and asks on its way to readiness. A dialog is answered when it is seen, never by the clock, and only as
//! the configuration says; what can be answered by a person alone is an error that says so.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::dialog::{self, Dialog, Keys};
use super::launch::SIZE;
use super::screen::Screen;
use crate::driver::OpenRequest;
use crate::driver::claude::failure::{is_thread_taken, laxer, of_words, sign_in};
use crate::process::Redactor;
use crate::protocol::{BackendSpec, ErrorKind, Permission, ScreenSize, TurnError, WorkspaceRoot};

/// How long a dialog that nobody knows must stand before it counts as one.
const STANDS: Duration = Duration::from_secs(2);

/// How long the screen must rest before the marked option is chosen, where the mark had to be moved. 2.1.329 paints a dialog
/// a second time some 200 ms after the first, with its default marked.
const RESTS: Duration = Duration::from_millis(300);

/// After a key that nothing came of, when to press it again.
const AGAIN: Duration = Duration::from_millis(500);

/// Keys for the same dialog.
const STEPS_MAX: u8 = 12;

/// The variable whose key claude asks about.
const API_KEY: &str = "ANTHROPIC_API_KEY";

/// The way of one process to readiness.
pub(super) struct Start {
    screen: Screen,
    spec: Arc<BackendSpec>,
    directory: String,
    trusted: bool,
    redactor: Redactor,
    painted: Instant,
    seen: Option<Seen>,
    /// When to look again though nothing was painted.
    again: Option<Instant>,
}

/// The dialog that is on the screen.
#[derive(Debug, Clone, Copy)]
struct Seen {
    dialog: Dialog,
    since: Instant,
    /// The mark was moved.
    moved: bool,
    /// When a key was pressed last.
    pressed: Option<Instant>,
    steps: u8,
}

/// What a look at the screen shows.
#[derive(Debug)]
pub(super) enum Look {
    Nothing,
    /// Keys that answer.
    Press(Vec<u8>),
    /// Somebody else has to answer.
    Stuck(TurnError),
}

impl Start {
    pub(super) fn new(request: &OpenRequest, roots: &[WorkspaceRoot], redactor: Redactor) -> Self {
        let resolved = request.directory.canonicalize().unwrap_or_else(|_| request.directory.clone());
        Self {
            screen: Screen::new(SIZE.rows, SIZE.cols),
            spec: request.spec.clone(),
            directory: request.directory.display().to_string(),
            trusted: roots.iter().any(|root| root.contains(&resolved)),
            redactor,
            painted: Instant::now(),
            seen: None,
            again: None,
        }
    }

    /// Takes what claude paints.
    pub(super) fn painted(&mut self, bytes: &[u8]) {
        self.screen.feed(bytes);
        self.painted = Instant::now();
    }

    /// The terminal has another size.
    pub(super) fn resized(&mut self, size: ScreenSize) {
        self.screen.resize(size.rows(), size.cols());
    }

    /// What the terminal shows.
    pub(super) fn screen(&self) -> &Screen {
        &self.screen
    }

    /// The screen's text, for people.
    pub(super) fn shown(&self) -> String {
        let text = self.screen.text();
        let text = String::from_utf8_lossy(&self.redactor.redact(text.as_bytes())).into_owned();
        if text.trim().is_empty() { "it shows nothing".to_owned() } else { text }
    }

    /// When to look again though nothing was painted.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.again
    }

    /// Looks at the screen.
    pub(super) fn look(&mut self, now: Instant, ready: bool) -> Look {
        self.again = None;
        if !self.screen.is_whole() {
            return Look::Nothing;
        }
        let Some(dialog) = self.screen.dialog() else {
            self.seen = None;
            return Look::Nothing;
        };
        let fresh = Seen { dialog, since: now, moved: false, pressed: None, steps: 0 };
        let mut seen = self.seen.filter(|seen| seen.dialog == dialog).unwrap_or(fresh);
        let look = match self.answer(dialog) {
            Answered::Error(error) => Look::Stuck(error),
            Answered::Waits if dialog != Dialog::Unknown => Look::Nothing,
            Answered::Waits if now < seen.since + STANDS => {
                self.again = Some(seen.since + STANDS);
                Look::Nothing
            }
            Answered::Waits => Look::Stuck(self.stuck(ready, "asks something that turnmux does not know")),
            Answered::Keys(keys) => self.press(now, ready, &mut seen, &keys),
        };
        self.seen = Some(seen);
        look
    }

    /// One step towards an answer, unless the one before may still show.
    fn press(&mut self, now: Instant, ready: bool, seen: &mut Seen, keys: &Keys) -> Look {
        let rested = if seen.moved && *keys == Keys::Enter { self.painted + RESTS } else { now };
        let shown = seen
            .pressed
            .map_or(now, |pressed| if self.painted > pressed && seen.moved { now } else { pressed + AGAIN });
        let from = rested.max(shown);
        if now < from {
            self.again = Some(from);
            return Look::Nothing;
        }
        if seen.steps >= STEPS_MAX {
            return Look::Stuck(self.stuck(ready, "does not take the answer to its question"));
        }
        tracing::debug!(backend = %self.spec.id, dialog = ?seen.dialog, ?keys, "answers a dialog");
        seen.moved |= matches!(keys, Keys::Move(_));
        seen.pressed = Some(now);
        seen.steps += 1;
        self.again = Some(now + AGAIN);
        Look::Press(keys.bytes().to_vec())
    }

    /// See [`is_thread_taken`].
    pub(super) fn refuses_thread(&self) -> bool {
        is_thread_taken(&self.screen.text())
    }

    /// What is said of a process that ended by itself.
    pub(super) fn lost(&self, name: &str, ready: bool, status: Option<ExitStatus>) -> TurnError {
        let shown = self.shown();
        if let Some(known) = shown.find("No conversation found").and_then(|at| of_words(shown.get(at..)?, &self.spec)) {
            return known;
        }
        let status = status.map_or_else(|| "no exit status".to_owned(), |status| status.to_string());
        if ready {
            return TurnError::new(ErrorKind::AgentLost, format!("{name}: the agent's process ended ({status})"));
        }
        let message = format!("{name}: the agent ended before it was ready ({status}); its screen: {shown}");
        TurnError::new(ErrorKind::StartFailed, message)
    }

    /// What the configuration says to a dialog.
    fn answer(&self, dialog: Dialog) -> Answered {
        let name = &self.spec.id;
        let command = &self.spec.command;
        let misconfigured = |message: String| Answered::Error(TurnError::new(ErrorKind::Misconfigured, message));
        match dialog {
            Dialog::Trust if !self.trusted => {
                return misconfigured(format!(
                    "{name}: claude asks whether it may trust {}, which lies outside `server.workspace_roots`; put it there, or \
                     run `{command}` in that folder once and say yes",
                    self.directory
                ));
            }
            Dialog::ApiKey if !self.spec.env.contains_key(API_KEY) => {
                return misconfigured(format!(
                    "{name}: claude asks whether to use the {API_KEY} that it finds in its environment; put it under \
                     [backends.{name}.env] to say yes, take it away to use the account's own sign-in, or run `{command}` in a \
                     terminal once and answer"
                ));
            }
            Dialog::BypassWarning if self.spec.permission != Permission::Bypass => {
                return Answered::Error(laxer(&self.spec, "bypassPermissions", self.spec.permission));
            }
            Dialog::Onboarding => {
                let said = format!("it shows its first-run questions: {}", self.shown());
                return Answered::Error(TurnError::new(ErrorKind::NotSignedIn, sign_in(&said, &self.spec)));
            }
            // claude would write the answer into the project's settings, or the user's: that is for people to decide.
            Dialog::ProjectMcpServer | Dialog::ProjectMcpServers | Dialog::ExternalImports => {
                return Answered::Error(self.stuck(false, "asks about the project"));
            }
            _ => {}
        }
        match dialog.answer() {
            dialog::Answer::Choose(option) => {
                dialog::keys_to_choose(&self.screen.lines(), option).map_or(Answered::Waits, Answered::Keys)
            }
            dialog::Answer::Escape => Answered::Keys(Keys::Escape),
            dialog::Answer::Hook => Answered::Waits,
            dialog::Answer::Person if dialog == Dialog::Unknown => Answered::Waits,
            dialog::Answer::Person => {
                Answered::Error(self.stuck(false, "asks something that only a person can answer"))
            }
        }
    }

    fn stuck(&self, ready: bool, why: &str) -> TurnError {
        let message = format!(
            "{}: claude {why}; answer it once by running `{}` in a terminal in {}. Its screen: {}",
            self.spec.id,
            self.spec.command,
            self.directory,
            self.shown()
        );
        let kind = if ready { ErrorKind::AgentLost } else { ErrorKind::StartFailed };
        TurnError::new(kind, message)
    }
}

/// What is said to a dialog.
enum Answered {
    /// A step towards the answer.
    Keys(Keys),
    /// Nothing: it is not painted whole, or a hook answers it, or nobody knows it.
    Waits,
    Error(TurnError),
}
