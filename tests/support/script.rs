//! The script language that both test doubles obey: directives inside the newest user text, one a line.
//!
//! A line that starts with `::word` is a directive. `::` was chosen because `claude` gives it no meaning (it does to a
//! leading `/`, `!`, `#`, and to `@` anywhere). Lines without it are ordinary text. TEXT runs to the end of the line; written
//! as a JSON string (`"two\nlines"`) it may hold anything. Sizes are bytes, pauses milliseconds.
//!
//! | directive | model | agent | what happens |
//! | --- | --- | --- | --- |
//! | `::say TEXT` | yes | yes | TEXT is added to the answer |
//! | `::echo` | yes | yes | `You said: <text less directives> [turn K]`; the default when nothing else is said |
//! | `::huge BYTES` | yes | yes | that much text, in deltas of 64 KiB |
//! | `::think TEXT` | yes | yes | a thinking block |
//! | `::tool NAME {json}` | yes | yes | a tool call; what stands behind it follows after the tool's result |
//! | `::chunk N` | yes | yes | from here on N characters a delta (default 16) |
//! | `::slow MS` | yes | yes | from here on a pause before each delta |
//! | `::silent [MS]` | yes | yes | nothing for so long, or for ever |
//! | `::hold NAME` | yes | yes | wait for `release(NAME)`; for the agent NAME is the path of a FIFO that somebody opens for writing |
//! | `::stop REASON` | yes | yes | the answer's `stop_reason`, such as `max_tokens` |
//! | `::status CODE [retry-after SECONDS]` | yes | yes | the API fails with CODE; behind some text, in the middle of the stream |
//! | `::status-times N CODE` | yes | no | the first N attempts fail with CODE |
//! | `::cut [N]` | yes | no | the connection is cut after what was said so far; with N only for the first N attempts |
//! | `::ask NAME {json}` | no | yes | a tool call that needs permission (`can_use_tool`); then says what the answer was |
//! | `::subagent TEXT` | no | yes | output of a subagent (`parent_tool_use_id` set), which is not part of the answer |
//! | `::retry CODE` | no | yes | an `api_retry` event |
//! | `::long BYTES` | no | yes | that much text, in deltas as `::chunk` says |
//! | `::final TEXT` | no | yes | the finished message and the result say TEXT, whatever the deltas said |
//! | `::unstreamed TEXT` | no | yes | TEXT is in the finished message and the result, but in no delta |
//! | `::no-partial` | no | yes | no `stream_event` lines from here on in this turn |
//! | `::mode NAME` | no | yes | `system/init` names this permission mode; first line of the text |
//! | `::noise` | no | yes | a line that is no JSON, a blank one, JSON that is no object, an unknown type and subtype |
//! | `::long-line BYTES` | no | yes | one complete line of an unknown type, of that size |
//! | `::endless-line BYTES` | no | yes | so many bytes with no newline, and then nothing more, for ever |
//! | `::stderr BYTES` | no | yes | so much on stderr |
//! | `::no-result` | no | yes | the turn ends without a `result` |
//! | `::two-results` | no | yes | the `result` comes twice |
//! | `::late-result` | no | yes | the `result` comes again, when the next turn was given and before it begins |
//! | `::half-line [CODE]` | no | yes | half a line, then exit with CODE (default 0) |
//! | `::exit CODE` | no | yes | exit in the middle of the turn |
//! | `::kill` | no | yes | SIGKILL to itself in the middle of the turn |
//! | `::stamps` | no | yes | a delta `READ WRITTEN`: when the user line was read and when this was written, `CLOCK_MONOTONIC` in ns |
//! | `::deaf` | no | yes | from here on interrupts are neither answered nor obeyed in this turn |
//! | `::child` | no | yes | a process in a session of its own, which sleeps; says `child PID` |
//!
//! A directive that is misspelt, or that the double at hand does not have, makes the turn fail with a sentence: a test
//! must not pass because its fault never happened.

use std::time::Duration;

use serde_json::Value;

/// Most characters a delta may have, and the size of the deltas of `::huge`.
pub const CHUNK_MAX: usize = 64 * 1024;
/// Most bytes a directive may ask for: enough to pass any limit of turnmux, and small beside a machine's memory.
pub const BYTES_MAX: usize = 256 * 1024 * 1024;
/// Longest pause a directive may ask for; `::silent` alone is the way to wait for ever.
pub const PAUSE_MAX: Duration = Duration::from_mins(10);
/// Most directives in one text.
pub const STEPS_MAX: usize = 1_000;

/// What a text asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// The directives, in order. Empty for an ordinary text.
    pub steps: Vec<Step>,
    /// The text without its directive lines; the whole text when nothing else is in it.
    pub plain: String,
}

/// One directive.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// `::say`
    Say(String),
    /// `::echo`
    Echo,
    /// `::huge`, in bytes.
    Huge(usize),
    /// `::think`
    Think(String),
    /// `::tool`
    Tool(Call),
    /// `::chunk`, in characters, at least 1.
    Chunk(usize),
    /// `::slow`
    Slow(Duration),
    /// `::silent`; `None` is for ever.
    Silent(Option<Duration>),
    /// `::hold`
    Hold(String),
    /// `::stop`
    Stop(String),
    /// `::status`
    Status {
        /// HTTP status, 400 to 599.
        code: u16,
        /// Value of the `retry-after` header.
        retry_after_s: Option<u32>,
    },
    /// `::status-times`
    StatusTimes {
        /// How many attempts fail.
        times: u32,
        /// HTTP status, 400 to 599.
        code: u16,
    },
    /// `::cut`; the number is how many attempts are cut, `None` for all.
    Cut(Option<u32>),
    /// What only the stand-in agent can do.
    Agent(AgentStep),
}

/// A directive that only the stand-in agent has.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentStep {
    /// `::ask`
    Ask(Call),
    /// `::subagent`
    Subagent(String),
    /// `::retry`
    Retry(u16),
    /// `::long`, in bytes.
    Long(usize),
    /// `::final`
    Final(String),
    /// `::unstreamed`
    Unstreamed(String),
    /// `::no-partial`
    NoPartial,
    /// `::mode`
    Mode(String),
    /// `::noise`
    Noise,
    /// `::long-line`, in bytes.
    LongLine(usize),
    /// `::endless-line`, in bytes.
    EndlessLine(usize),
    /// `::stderr`, in bytes.
    Stderr(usize),
    /// `::no-result`
    NoResult,
    /// `::two-results`
    TwoResults,
    /// `::late-result`
    LateResult,
    /// `::half-line`, with the exit code.
    HalfLine(u8),
    /// `::exit`, with the exit code.
    Exit(u8),
    /// `::kill`
    Kill,
    /// `::stamps`
    Stamps,
    /// `::deaf`
    Deaf,
    /// `::child`
    Child,
}

/// A tool call: its name, and its input, a JSON object.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Name of the tool.
    pub name: String,
    /// Its input.
    pub input: Value,
}

/// Why a text is no script.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ScriptError {
    /// No directive has this name.
    #[error("there is no directive ::{0}; the table in tests/support/script.rs lists them")]
    Unknown(String),
    /// The directive's argument cannot be read.
    #[error("::{word} needs {needs}, not {got:?}")]
    Argument {
        /// The directive.
        word: String,
        /// What it takes.
        needs: &'static str,
        /// What stood there.
        got: String,
    },
    /// The double at hand does not have this directive.
    #[error("the {double} has no directive for {step}; the table in tests/support/script.rs says who has it")]
    NotHere {
        /// Which double was asked.
        double: &'static str,
        /// The step, as debug text.
        step: String,
    },
    /// More than [`STEPS_MAX`] directives.
    #[error("a text may hold {STEPS_MAX} directives at most")]
    TooLong,
}

impl Script {
    /// Reads the directives out of a text.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut steps = Vec::new();
        let mut plain = Vec::new();
        for line in text.lines() {
            let Some((word, argument)) = split(line) else {
                plain.push(line);
                continue;
            };
            if steps.len() == STEPS_MAX {
                return Err(ScriptError::TooLong);
            }
            steps.push(step(word, argument)?);
        }
        let plain = plain.join("\n");
        let plain = if plain.trim().is_empty() { text } else { &plain };
        Ok(Self { steps, plain: plain.trim().to_owned() })
    }
}

impl Step {
    /// Whether it puts something into the answer, or ends it: then no echo is wanted.
    pub fn answers(&self) -> bool {
        match self {
            Self::Say(_)
            | Self::Echo
            | Self::Huge(_)
            | Self::Tool(_)
            | Self::Status { .. }
            | Self::Cut(_)
            | Self::Silent(None) => true,
            Self::Think(_)
            | Self::Chunk(_)
            | Self::Slow(_)
            | Self::Silent(Some(_))
            | Self::Hold(_)
            | Self::Stop(_)
            | Self::StatusTimes { .. } => false,
            Self::Agent(step) => matches!(
                step,
                AgentStep::Ask(_)
                    | AgentStep::Unstreamed(_)
                    | AgentStep::Stamps
                    | AgentStep::Child
                    | AgentStep::Exit(_)
                    | AgentStep::Kill
            ),
        }
    }
}

/// `word` and the rest of a directive line; `None` for ordinary text, such as `::std::fmt`.
fn split(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("::")?;
    let (word, argument) = rest.split_once(' ').unwrap_or((rest, ""));
    let named = !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    named.then(|| (word, argument.trim()))
}

fn step(word: &str, argument: &str) -> Result<Step, ScriptError> {
    let read = Argument { word, text: argument };
    Ok(match word {
        "say" => Step::Say(read.text()),
        "echo" => Step::Echo,
        "huge" => Step::Huge(read.bytes()?),
        "think" => Step::Think(read.text()),
        "tool" => Step::Tool(read.call()?),
        "chunk" => Step::Chunk(read.number("a number of characters from 1 to 65536", 1, CHUNK_MAX as u64)? as usize),
        "slow" => Step::Slow(read.pause()?),
        "silent" if argument.is_empty() => Step::Silent(None),
        "silent" => Step::Silent(Some(read.pause()?)),
        "hold" => Step::Hold(read.name()?),
        "stop" => Step::Stop(read.name()?),
        "status" => read.status()?,
        "status-times" => read.status_times()?,
        "cut" if argument.is_empty() => Step::Cut(None),
        "cut" => Step::Cut(Some(read.number("how many attempts", 1, 100)? as u32)),
        _ => Step::Agent(agent_step(word, &read)?),
    })
}

fn agent_step(word: &str, read: &Argument<'_>) -> Result<AgentStep, ScriptError> {
    Ok(match word {
        "ask" => AgentStep::Ask(read.call()?),
        "subagent" => AgentStep::Subagent(read.text()),
        "retry" => AgentStep::Retry(read.code()?),
        "long" => AgentStep::Long(read.bytes()?),
        "final" => AgentStep::Final(read.text()),
        "unstreamed" => AgentStep::Unstreamed(read.text()),
        "no-partial" => AgentStep::NoPartial,
        "mode" => AgentStep::Mode(read.name()?),
        "noise" => AgentStep::Noise,
        "long-line" => AgentStep::LongLine(read.bytes()?),
        "endless-line" => AgentStep::EndlessLine(read.bytes()?),
        "stderr" => AgentStep::Stderr(read.bytes()?),
        "no-result" => AgentStep::NoResult,
        "two-results" => AgentStep::TwoResults,
        "late-result" => AgentStep::LateResult,
        "half-line" if read.text.is_empty() => AgentStep::HalfLine(0),
        "half-line" => AgentStep::HalfLine(read.exit_code()?),
        "exit" => AgentStep::Exit(read.exit_code()?),
        "kill" => AgentStep::Kill,
        "stamps" => AgentStep::Stamps,
        "deaf" => AgentStep::Deaf,
        "child" => AgentStep::Child,
        _ => return Err(ScriptError::Unknown(word.to_owned())),
    })
}

/// A directive's argument, with the ways to read it.
struct Argument<'a> {
    word: &'a str,
    text: &'a str,
}

impl Argument<'_> {
    fn text(&self) -> String {
        serde_json::from_str(self.text).unwrap_or_else(|_| self.text.to_owned())
    }

    fn name(&self) -> Result<String, ScriptError> {
        if self.text.is_empty() { Err(self.wrong("a name")) } else { Ok(self.text.to_owned()) }
    }

    fn bytes(&self) -> Result<usize, ScriptError> {
        Ok(self.number("a number of bytes up to 268435456", 0, BYTES_MAX as u64)? as usize)
    }

    fn pause(&self) -> Result<Duration, ScriptError> {
        let limit_ms = PAUSE_MAX.as_millis() as u64;
        self.number("milliseconds up to 600000", 0, limit_ms).map(Duration::from_millis)
    }

    fn exit_code(&self) -> Result<u8, ScriptError> {
        Ok(self.number("an exit code from 0 to 255", 0, 255)? as u8)
    }

    fn code(&self) -> Result<u16, ScriptError> {
        Ok(self.number("an HTTP status from 400 to 599", 400, 599)? as u16)
    }

    fn number(&self, needs: &'static str, from: u64, to: u64) -> Result<u64, ScriptError> {
        self.text.parse().ok().filter(|number| (from..=to).contains(number)).ok_or_else(|| self.wrong(needs))
    }

    fn call(&self) -> Result<Call, ScriptError> {
        let (name, input) = self.text.split_once(' ').unwrap_or((self.text, "{}"));
        match serde_json::from_str(input) {
            Ok(input @ Value::Object(_)) if !name.is_empty() => Ok(Call { name: name.to_owned(), input }),
            _ => Err(self.wrong("a tool's name and a JSON object on one line")),
        }
    }

    fn status(&self) -> Result<Step, ScriptError> {
        let needs = "CODE, or CODE retry-after SECONDS";
        let words: Vec<&str> = self.text.split_whitespace().collect();
        let (code, seconds) = match words[..] {
            [code] => (code, None),
            [code, "retry-after", seconds] => (code, Some(seconds.parse().map_err(|_| self.wrong(needs))?)),
            _ => return Err(self.wrong(needs)),
        };
        let code = Argument { word: self.word, text: code }.code()?;
        Ok(Step::Status { code, retry_after_s: seconds })
    }

    fn status_times(&self) -> Result<Step, ScriptError> {
        let wrong = || self.wrong("how often and which status, such as 2 529");
        let (times, code) = self.text.split_once(' ').ok_or_else(wrong)?;
        let times = times.parse().map_err(|_| wrong())?;
        Ok(Step::StatusTimes { times, code: Argument { word: self.word, text: code }.code()? })
    }

    fn wrong(&self, needs: &'static str) -> ScriptError {
        ScriptError::Argument { word: self.word.to_owned(), needs, got: self.text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn steps(text: &str) -> Vec<Step> {
        Script::parse(text).unwrap().steps
    }

    #[test]
    fn an_ordinary_text_has_no_steps() {
        let script = Script::parse("hello\n::std::fmt and :: alone\n /clear").unwrap();
        assert_eq!(script, Script { steps: vec![], plain: "hello\n::std::fmt and :: alone\n /clear".into() });
    }

    #[test]
    fn directives_are_found_at_the_start_of_any_line() {
        let script = Script::parse("please\n::chunk 3\nanswer ::say no\n::say yes").unwrap();
        assert_eq!(script.steps, [Step::Chunk(3), Step::Say("yes".into())]);
        assert_eq!(script.plain, "please\nanswer ::say no");
    }

    #[test]
    fn a_text_of_directives_alone_is_its_own_plain_text() {
        assert_eq!(Script::parse("::chunk 3").unwrap().plain, "::chunk 3");
    }

    #[test]
    fn arguments_are_read() {
        assert_eq!(steps(r#"::say "a\nb""#), [Step::Say("a\nb".into())]);
        assert_eq!(steps("::silent"), [Step::Silent(None)]);
        assert_eq!(steps("::silent 20"), [Step::Silent(Some(Duration::from_millis(20)))]);
        assert_eq!(steps("::status 429 retry-after 7"), [Step::Status { code: 429, retry_after_s: Some(7) }]);
        assert_eq!(steps("::status-times 2 529"), [Step::StatusTimes { times: 2, code: 529 }]);
        let call = Call { name: "Bash".into(), input: json!({"command": "echo hi"}) };
        assert_eq!(steps(r#"::tool Bash {"command":"echo hi"}"#), [Step::Tool(call)]);
        assert_eq!(steps("::half-line"), [Step::Agent(AgentStep::HalfLine(0))]);
    }

    #[test]
    fn a_wrong_directive_is_said() {
        assert_eq!(Script::parse("::sya hello"), Err(ScriptError::Unknown("sya".into())));
        for wrong in ["::chunk 0", "::huge lots", "::tool Bash [1]", "::status 200", "::status 429 later", "::exit 256"]
        {
            assert!(matches!(Script::parse(wrong), Err(ScriptError::Argument { .. })), "{wrong}");
        }
        assert_eq!(Script::parse(&"::echo\n".repeat(STEPS_MAX + 1)), Err(ScriptError::TooLong));
    }
}
