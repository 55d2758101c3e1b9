//! From a prompt to what its answer does, one act after the other. Pure: nothing waits here.

use std::time::Duration;

use super::{
    super::script::{CHUNK_MAX, Call, Script, ScriptError, Step},
    prompt::Prompt,
};

/// Characters a delta when the script names no number: some deltas even for a short answer.
const CHUNK: usize = 16;

/// An answer: how it begins, and then what.
#[derive(Debug, PartialEq)]
pub(super) struct Plan {
    /// What happens, in order.
    pub(super) acts: Vec<Act>,
    /// The answer's `stop_reason`.
    pub(super) stop_reason: String,
}

/// A thing that an answer does.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Act {
    /// Text, to be sent in deltas of so many characters with a pause before each.
    Say(String, Pace),
    /// Thinking, likewise.
    Think(String, Pace),
    /// A tool call.
    Tool(Call),
    /// Nothing, for so long or for ever.
    Silent(Option<Duration>),
    /// Wait for a release.
    Hold(String),
    /// Fail; `first_attempts` says for how many attempts, `None` for all.
    Fail { code: u16, retry_after_s: Option<u32>, first_attempts: Option<u32> },
    /// Cut the connection, for so many attempts or for all.
    Cut(Option<u32>),
}

/// How text is cut into deltas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pace {
    /// Characters a delta, at least 1.
    pub(super) chunk: usize,
    /// Pause before each delta.
    pub(super) pause: Duration,
}

impl Plan {
    /// Plans the answer to a prompt.
    pub(super) fn new(prompt: &Prompt) -> Result<Self, ScriptError> {
        if prompt.on_the_side {
            return Ok(Self::side_answer());
        }
        let script = Script::parse(&prompt.text)?;
        let echo = format!("You said: {} [turn {}]", script.plain, prompt.turn);
        let mut pace = Pace { chunk: CHUNK, pause: Duration::ZERO };
        let mut plan = Self { acts: Vec::new(), stop_reason: "end_turn".to_owned() };
        let mut tools_to_skip = prompt.tools_done;
        let mut answered = false;
        for step in script.steps {
            let calls_tool = matches!(step, Step::Tool(_));
            let act = match step {
                Step::Chunk(chunk) => {
                    pace.chunk = chunk;
                    continue;
                }
                Step::Slow(pause) => {
                    pace.pause = pause;
                    continue;
                }
                // Of what was done before the last tool call only the pace goes on.
                _ if tools_to_skip > 0 => {
                    tools_to_skip -= usize::from(calls_tool);
                    continue;
                }
                Step::Stop(reason) => {
                    plan.stop_reason = reason;
                    continue;
                }
                step => {
                    answered |= step.answers();
                    act(step, pace, &echo)?
                }
            };
            plan.acts.push(act);
            if calls_tool {
                "tool_use".clone_into(&mut plan.stop_reason);
                return Ok(plan);
            }
        }
        if !answered {
            let tool_said = prompt.tool_said.as_ref().filter(|_| prompt.tools_done > 0);
            let said = tool_said.map_or(echo, |said| format!("The tool said: {said} [turn {}]", prompt.turn));
            plan.acts.push(Act::Say(said, pace));
        }
        Ok(plan)
    }

    /// What claude gets for the requests it makes for itself: right for a title, harmless for everything else.
    fn side_answer() -> Self {
        let pace = Pace { chunk: CHUNK_MAX, pause: Duration::ZERO };
        let acts = vec![Act::Say(r#"{"isNewTopic":false,"title":"Loopback"}"#.to_owned(), pace)];
        Self { acts, stop_reason: "end_turn".to_owned() }
    }
}

fn act(step: Step, pace: Pace, echo: &str) -> Result<Act, ScriptError> {
    Ok(match step {
        Step::Say(text) => Act::Say(text, pace),
        Step::Echo => Act::Say(echo.to_owned(), pace),
        Step::Huge(bytes) => Act::Say("x".repeat(bytes), Pace { chunk: CHUNK_MAX, ..pace }),
        Step::Think(text) => Act::Think(text, pace),
        Step::Tool(call) => Act::Tool(call),
        Step::Silent(pause) => Act::Silent(pause),
        Step::Hold(name) => Act::Hold(name),
        Step::Status { code, retry_after_s } => Act::Fail { code, retry_after_s, first_attempts: None },
        Step::StatusTimes { times, code } => Act::Fail { code, retry_after_s: None, first_attempts: Some(times) },
        Step::Cut(first_attempts) => Act::Cut(first_attempts),
        step @ (Step::Agent(_) | Step::Chunk(_) | Step::Slow(_) | Step::Stop(_)) => {
            return Err(ScriptError::NotHere { double: "loopback model", step: format!("{step:?}") });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str, tools_done: usize) -> Plan {
        let tool_said = (tools_done > 0).then(|| "ok".to_owned());
        Plan::new(&Prompt { text: text.into(), turn: 2, tools_done, tool_said, on_the_side: false }).unwrap()
    }

    fn said(plan: &Plan) -> String {
        let text = |act: &Act| {
            if let Act::Say(text, _) = act { text.clone() } else { String::new() }
        };
        plan.acts.iter().map(text).collect()
    }

    #[test]
    fn what_says_nothing_echoes() {
        assert_eq!(said(&plan("hello", 0)), "You said: hello [turn 2]");
        assert_eq!(said(&plan("::slow 5\nhello\n::think hm", 0)), "You said: hello [turn 2]");
        assert_eq!(said(&plan("::say hi\nhello", 0)), "hi");
    }

    #[test]
    fn a_script_goes_on_behind_its_tool() {
        let text = "::chunk 3\n::say one\n::tool A {}\n::say two\n::tool B {}";
        let first = plan(text, 0);
        assert_eq!((said(&first), first.stop_reason.as_str()), ("one".into(), "tool_use"));
        assert_eq!(said(&plan(text, 1)), "two");
        let last = plan(text, 2);
        assert_eq!((said(&last), last.stop_reason.as_str()), ("The tool said: ok [turn 2]".into(), "end_turn"));
        assert!(matches!(last.acts[..], [Act::Say(_, Pace { chunk: 3, .. })]));
    }

    #[test]
    fn what_only_the_agent_has_is_refused() {
        let prompt = Prompt { text: "::kill".into(), ..Prompt::default() };
        assert!(matches!(Plan::new(&prompt), Err(ScriptError::NotHere { .. })));
    }
}
