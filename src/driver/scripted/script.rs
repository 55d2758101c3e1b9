//! What can be scripted, and how it is written.

use std::time::Duration;

/// A part of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Any word without a `!`: it is said, with a space before it unless it is the first.
    Say(String),
    /// `!count=N`: says the numbers from 1 to N, each a word.
    Count(u32),
    /// `!where`: says thread, origin (`new` or `resume`), turn of this process, model and number of prefaces.
    Where,
    /// `!images`: says of each image that the turn came with how many bytes it has, and then `shown`.
    Images,
    /// `!pause=TIME`, such as `200ms`: is silent for that long.
    Pause(Duration),
    /// `!never`: says nothing more, but can be interrupted.
    Never,
    /// `!deaf`: from here on this turn takes no notice of interrupts.
    Deaf,
    /// `!ask=TOOL`: asks whether the tool may run, and says `allowed` or `denied`.
    Ask(String),
    /// `!fail`: the turn fails, the process lives.
    Fail,
    /// `!refuse`: the turn is not taken at all, wherever the word stands.
    Refuse,
    /// `!crash`: the process dies.
    Crash,
}

/// A peculiarity of a process, from the `args` of its backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// `start=TIME`: is ready that long after it was opened.
    After(Duration),
    /// `never-ready`: starts for ever.
    NeverReady,
    /// `refuse`: ends before it is ready.
    Refuse,
    /// `forgets`: knows no thread that it is to resume.
    Forgets,
    /// `stop=TIME`: is gone that long after it was told to go.
    Stop(Duration),
    /// `never-gone`: does not go when told to, only when it is let go of.
    NeverGone,
}

/// The steps of a turn's input.
pub(super) fn steps(input: &str) -> Result<Vec<Step>, String> {
    input.split_whitespace().map(step).collect()
}

/// The peculiarities that a backend's arguments ask for.
pub(super) fn starts(args: &[String]) -> Result<Vec<Start>, String> {
    args.iter().map(|word| start(word)).collect()
}

fn step(word: &str) -> Result<Step, String> {
    let Some(directive) = word.strip_prefix('!') else { return Ok(Step::Say(word.to_owned())) };
    match directive.split_once('=').unwrap_or((directive, "")) {
        ("count", number) => number.parse().map(Step::Count).map_err(|error| format!("`{word}`: {error}")),
        ("where", "") => Ok(Step::Where),
        ("images", "") => Ok(Step::Images),
        ("pause", time) => time_of(word, time).map(Step::Pause),
        ("never", "") => Ok(Step::Never),
        ("deaf", "") => Ok(Step::Deaf),
        ("ask", tool) => Ok(Step::Ask(tool.to_owned())),
        ("fail", "") => Ok(Step::Fail),
        ("refuse", "") => Ok(Step::Refuse),
        ("crash", "") => Ok(Step::Crash),
        _ => Err(format!(
            "the scripted agent has no `{word}`; known are !count=N, !where, !images, !pause=TIME, !never, !deaf, !ask=TOOL, \
             !fail, !refuse and !crash"
        )),
    }
}

fn start(word: &str) -> Result<Start, String> {
    match word.split_once('=').unwrap_or((word, "")) {
        ("start", time) => time_of(word, time).map(Start::After),
        ("never-ready", "") => Ok(Start::NeverReady),
        ("refuse", "") => Ok(Start::Refuse),
        ("forgets", "") => Ok(Start::Forgets),
        ("stop", time) => time_of(word, time).map(Start::Stop),
        ("never-gone", "") => Ok(Start::NeverGone),
        _ => Err(format!(
            "the scripted agent has no argument `{word}`; known are start=TIME, never-ready, refuse, forgets, stop=TIME \
             and never-gone"
        )),
    }
}

fn time_of(word: &str, time: &str) -> Result<Duration, String> {
    humantime::parse_duration(time).map_err(|error| format!("`{word}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_said_and_directives_are_done() {
        let expected = [Step::Say("a!".into()), Step::Pause(Duration::from_millis(20)), Step::Crash];
        assert_eq!(steps(" a!  !pause=20ms\n!crash").unwrap(), expected);
        assert_eq!(starts(&["stop=1s".into()]).unwrap(), [Start::Stop(Duration::from_secs(1))]);
    }

    #[test]
    fn what_is_misspelt_is_named() {
        assert!(steps("!crsh").unwrap_err().contains("`!crsh`"));
        assert!(steps("!pause=soon").unwrap_err().contains("`!pause=soon`"));
        assert!(starts(&["!refuse".into()]).unwrap_err().contains("`!refuse`"));
    }
}
