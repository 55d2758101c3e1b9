//! claude's flags, as far as they shape a stream-mode session.

/// Flags of claude that take no value, so that what follows them is not swallowed.
const WITHOUT_VALUE: [&str; 9] = [
    "-p",
    "--print",
    "--verbose",
    "--continue",
    "--strict-mcp-config",
    "--dangerously-skip-permissions",
    "--allow-dangerously-skip-permissions",
    "--no-session-persistence",
    "--debug",
];
/// Tells this program to be the sleeping child of `::child`.
pub(super) const SLEEPER: &str = "--stand-in-sleeper";

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Args {
    pub(super) version: bool,
    pub(super) sleeper: bool,
    pub(super) resume: Option<String>,
    pub(super) fork: bool,
    pub(super) resume_at: Option<String>,
    pub(super) session_id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) permission_mode: Option<String>,
    /// `--include-partial-messages`
    pub(super) partial: bool,
    /// `--permission-prompt-tool stdio`
    pub(super) asks: bool,
    /// `--replay-user-messages`
    pub(super) replay: bool,
    /// `--plugin-dir`: a person's claude, in a terminal.
    pub(super) in_terminal: bool,
    /// `--debug-file`
    pub(super) debug_file: Option<String>,
}

impl Args {
    /// Reads the arguments behind the program's name.
    pub(super) fn parse(arguments: impl IntoIterator<Item = String>) -> Self {
        let mut args = Self::default();
        let mut rest = arguments.into_iter().peekable();
        while let Some(argument) = rest.next() {
            let (flag, joined) = match argument.split_once('=') {
                Some((flag, value)) if flag.starts_with("--") => (flag, Some(value.to_owned())),
                _ => (argument.as_str(), None),
            };
            match flag {
                "--version" | "-v" => args.version = true,
                SLEEPER => args.sleeper = true,
                "--fork-session" => args.fork = true,
                "--include-partial-messages" => args.partial = true,
                "--replay-user-messages" => args.replay = true,
                flag if WITHOUT_VALUE.contains(&flag) || !flag.starts_with('-') => {}
                flag => {
                    let value = joined.or_else(|| rest.next_if(|next| !next.starts_with('-')));
                    args.take(flag, value);
                }
            }
        }
        args
    }

    fn take(&mut self, flag: &str, value: Option<String>) {
        match flag {
            "--resume" | "-r" => self.resume = value,
            "--resume-session-at" => self.resume_at = value,
            "--session-id" => self.session_id = value,
            "--model" => self.model = value,
            "--permission-mode" => self.permission_mode = value,
            "--plugin-dir" => self.in_terminal = true,
            "--debug-file" => self.debug_file = value,
            "--permission-prompt-tool" => self.asks = value.as_deref() == Some("stdio"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claudes_flags_are_read_and_others_passed_over() {
        let line = "-p --input-format stream-json --verbose --include-partial-messages --permission-prompt-tool stdio \
            --effort high --append-system-prompt text --model=opus --resume T --fork-session --resume-session-at U --new-flag";
        let expected = Args {
            resume: Some("T".into()),
            fork: true,
            resume_at: Some("U".into()),
            model: Some("opus".into()),
            partial: true,
            asks: true,
            ..Args::default()
        };
        assert_eq!(Args::parse(line.split_whitespace().map(str::to_owned)), expected);
    }
}
