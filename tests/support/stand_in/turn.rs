//! Plays one turn: what its script says, until it ends, is interrupted, or takes the process with it.

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    super::script::{AgentStep, CHUNK_MAX, Call, Script, ScriptError, Step},
    clock, faults,
    intake::{Event, Intake},
    message::{Kind as Block, Messages},
    output::{Output, quoted},
    result::{self, Ending, Kind},
    settings::Settings,
};

/// Characters a delta when the script names no number.
const CHUNK: usize = 16;

/// How a turn left off.
#[derive(Debug)]
pub(super) enum Left {
    /// It has a result, to be written so many times.
    Ended(Ending, u32),
    /// The process ends with this code, at once.
    Exit(u8),
}

/// What stops a turn before its script is through.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("interrupted")]
    Interrupted { in_tool: bool },
    #[error("the API failed with {code}")]
    Failed { code: u16, text: String },
    #[error("exit {0}")]
    Exit(u8),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A turn in progress.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) intake: &'a mut Intake,
    pub(super) output: &'a mut Output,
    pub(super) settings: &'a Settings,
    pub(super) messages: Messages,
    /// Whether `--permission-prompt-tool stdio` was given.
    pub(super) asks: bool,
    /// When the user line was read, `CLOCK_MONOTONIC`.
    pub(super) read_ns: u64,
    written_ns: Option<u64>,
    chunk: usize,
    pause: Duration,
    stop_reason: String,
    denials: Vec<Value>,
    results: u32,
}

impl<'a> Turn<'a> {
    pub(super) fn new(
        intake: &'a mut Intake,
        output: &'a mut Output,
        settings: &'a Settings,
        messages: Messages,
        asks: bool,
        read_ns: u64,
    ) -> Self {
        Self {
            intake,
            output,
            settings,
            messages,
            asks,
            read_ns,
            written_ns: None,
            chunk: CHUNK,
            pause: Duration::ZERO,
            stop_reason: "end_turn".to_owned(),
            denials: Vec::new(),
            results: 1,
        }
    }

    /// Plays the script. `turn` counts the thread's user texts.
    pub(super) fn play(mut self, script: Result<Script, ScriptError>, turn: usize) -> io::Result<(Left, Messages)> {
        let played = script
            .map_err(|error| Stop::Failed { code: 400, text: format!("API Error: 400 {error}") })
            .and_then(|script| self.script(&script, turn));
        let mut ending = Ending {
            kind: Kind::Completed,
            text: String::new(),
            stop_reason: Some(self.stop_reason.clone()),
            calls: 0,
            denials: std::mem::take(&mut self.denials),
            stamps: String::new(),
        };
        match played {
            Ok(()) => {
                self.messages.end(Some(&self.stop_reason), self.output)?;
                ending.text.clone_from(&self.messages.text);
            }
            Err(Stop::Interrupted { in_tool }) => {
                self.interrupted(in_tool)?;
                ending.kind = Kind::Interrupted { in_tool };
                ending.stop_reason = in_tool.then(|| "tool_use".to_owned());
            }
            Err(Stop::Failed { code, text }) => {
                result::write_synthetic(&text, Some(code), self.output)?;
                ending.kind = Kind::Failed { code };
                ending.text = text;
                ending.stop_reason = Some("stop_sequence".to_owned());
            }
            Err(Stop::Exit(code)) => return Ok((Left::Exit(code), self.messages)),
            Err(Stop::Io(error)) => return Err(error),
        }
        ending.calls = self.messages.count;
        if self.settings.stamps {
            let (read_ns, written_ns) = (self.read_ns, self.written_ns.unwrap_or_default());
            ending.stamps = format!(",\"stamps\":{{\"read_ns\":{read_ns},\"written_ns\":{written_ns}}}");
        }
        Ok((Left::Ended(ending, self.results), self.messages))
    }

    fn script(&mut self, script: &Script, turn: usize) -> Result<(), Stop> {
        let echo = format!("You said: {} [turn {turn}]", script.plain);
        // `::final` and `::unstreamed` change what was said, and behind a tool call there is always an answer to it.
        let mut answered = false;
        let finals = |step: &Step| matches!(step, Step::Agent(AgentStep::Final(_) | AgentStep::Unstreamed(_)));
        let echo_before = !script.steps.iter().any(Step::answers) && script.steps.iter().any(finals);
        let mut after_tool = false;
        for step in &script.steps {
            if echo_before && !answered && finals(step) {
                self.say(&echo, self.chunk)?;
                answered = true;
            }
            answered = match step {
                Step::Tool(_) => {
                    after_tool = true;
                    false
                }
                step => answered || step.answers(),
            };
            self.step(step, &echo)?;
        }
        if answered {
            return Ok(());
        }
        let said = if after_tool { format!("The tool said: ok [turn {turn}]") } else { echo };
        self.say(&said, self.chunk)
    }

    fn step(&mut self, step: &Step, echo: &str) -> Result<(), Stop> {
        match step {
            Step::Say(text) => self.say(text, self.chunk)?,
            Step::Echo => self.say(echo, self.chunk)?,
            Step::Huge(bytes) => self.say(&"x".repeat(*bytes), CHUNK_MAX)?,
            Step::Think(text) => self.stream(Block::Thinking, text, self.chunk)?,
            Step::Tool(call) => {
                let id = self.call(call)?;
                self.tool_result(&id, "ok", false)?;
            }
            Step::Chunk(chunk) => self.chunk = *chunk,
            Step::Slow(pause) => self.pause = *pause,
            Step::Silent(pause) => self.silent(*pause)?,
            Step::Hold(fifo) => self.hold(Path::new(fifo))?,
            Step::Stop(reason) => self.stop_reason.clone_from(reason),
            Step::Status { code, retry_after_s } => {
                result::write_retry(*code, *retry_after_s, self.output)?;
                return Err(Stop::Failed { code: *code, text: result::error_text(*code) });
            }
            Step::Agent(step) => self.agent_step(step)?,
            Step::StatusTimes { .. } | Step::Cut(_) => {
                let error = ScriptError::NotHere { double: "stand-in agent", step: format!("{step:?}") };
                return Err(Stop::Failed { code: 400, text: format!("API Error: 400 {error}") });
            }
        }
        Ok(())
    }

    fn agent_step(&mut self, step: &AgentStep) -> Result<(), Stop> {
        match step {
            AgentStep::Ask(call) => self.ask(call)?,
            AgentStep::Subagent(text) => {
                self.output.line(format_args!(
                    "\"type\":\"assistant\",\"message\":{{\"id\":\"msg_subagent\",\"type\":\"message\",\"role\":\"assistant\",\
                     \"model\":\"subagent\",\"content\":[{{\"type\":\"text\",\"text\":{}}}],\"stop_reason\":null}},\
                     \"parent_tool_use_id\":\"toolu_subagent\"",
                    quoted(text)
                ))?;
            }
            AgentStep::Retry(code) => result::write_retry(*code, None, self.output)?,
            AgentStep::Long(bytes) => self.say(&"x".repeat(*bytes), self.chunk)?,
            AgentStep::Final(text) => self.messages.replace(text, self.output)?,
            AgentStep::Unstreamed(text) => self.messages.add_unstreamed(text, self.output)?,
            AgentStep::NoPartial => self.output.partial = false,
            // The first is told by `system/init`, which has gone out by now; the second is said in the next turn.
            AgentStep::Mode(_) | AgentStep::LateResult => {}
            AgentStep::Noise => faults::noise(self.output)?,
            AgentStep::LongLine(bytes) => faults::long_line(self.output, *bytes)?,
            AgentStep::EndlessLine(bytes) => {
                faults::endless_line(self.output, *bytes)?;
                faults::hang();
                return Err(Stop::Exit(1));
            }
            AgentStep::Stderr(bytes) => faults::flood_stderr(*bytes)?,
            AgentStep::NoResult => self.results = 0,
            AgentStep::TwoResults => self.results = 2,
            AgentStep::HalfLine(code) => {
                self.output.raw(br#"{"type":"stream_event","event":{"type":"content_block_del"#)?;
                return Err(Stop::Exit(*code));
            }
            AgentStep::Exit(code) => return Err(Stop::Exit(*code)),
            AgentStep::Kill => {
                self.output.flush()?;
                faults::kill()?;
            }
            AgentStep::Stamps => self.say(&format!("{} {}", self.read_ns, clock::now_ns()), CHUNK_MAX)?,
            AgentStep::Deaf => self.intake.deaf = true,
            AgentStep::Child => {
                let pid = faults::spawn_sleeper()?;
                self.say(&format!("child {pid}"), CHUNK_MAX)?;
            }
        }
        Ok(())
    }

    fn say(&mut self, text: &str, chunk: usize) -> Result<(), Stop> {
        self.stream(Block::Text, text, chunk)
    }

    fn stream(&mut self, kind: Block, text: &str, chunk: usize) -> Result<(), Stop> {
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.char_indices().nth(chunk).map_or(rest.len(), |(at, _)| at);
            let (delta, behind) = rest.split_at(end);
            rest = behind;
            if !self.pause.is_zero() {
                self.silent(Some(self.pause))?;
            }
            self.delta(kind, delta)?;
            while let Some(event) = self.intake.poll(self.output, self.settings)? {
                if event == Event::Interrupt {
                    return Err(Stop::Interrupted { in_tool: false });
                }
            }
        }
        Ok(())
    }

    fn delta(&mut self, kind: Block, delta: &str) -> io::Result<()> {
        if self.written_ns.is_some() {
            return self.messages.delta(kind, delta, "", self.output);
        }
        // The first delta leaves at once, so that what is measured is what was stamped.
        let (read_ns, now_ns) = (self.read_ns, clock::now_ns());
        self.written_ns = Some(now_ns);
        let stamps = if self.settings.stamps {
            format!(",\"stamps\":{{\"read_ns\":{read_ns},\"written_ns\":{now_ns}}}")
        } else {
            String::new()
        };
        self.messages.delta(kind, delta, &stamps, self.output)?;
        self.output.flush()
    }

    fn silent(&mut self, pause: Option<Duration>) -> Result<(), Stop> {
        let deadline = pause.map(|pause| Instant::now() + pause);
        while let Some(event) = self.intake.wait(deadline, self.output, self.settings)? {
            if event == Event::Interrupt {
                return Err(Stop::Interrupted { in_tool: false });
            }
        }
        Ok(())
    }

    fn hold(&mut self, fifo: &Path) -> Result<(), Stop> {
        let number = self.intake.watch_fifo(fifo).map_err(|error| Stop::Failed {
            code: 400,
            text: format!("API Error: 400 ::hold cannot wait for {}: {error}", fifo.display()),
        })?;
        loop {
            match self.intake.wait(None, self.output, self.settings)? {
                Some(Event::Interrupt) => return Err(Stop::Interrupted { in_tool: false }),
                Some(Event::Opened(opened)) if opened == number => return Ok(()),
                Some(_) => {}
                None => return Err(Stop::Exit(1)),
            }
        }
    }

    /// A tool call of the model's, which ends its message.
    fn call(&mut self, call: &Call) -> io::Result<String> {
        let id = self.messages.tool(call, self.output)?;
        self.messages.end(Some("tool_use"), self.output)?;
        Ok(id)
    }

    fn ask(&mut self, call: &Call) -> Result<(), Stop> {
        let id = self.call(call)?;
        let answer = if self.asks && self.intake.mode != "bypassPermissions" {
            self.question(call, &id)?
        } else if self.intake.mode == "bypassPermissions" {
            json!({"behavior": "allow"})
        } else {
            json!({"behavior": "deny", "message": "nobody can be asked"})
        };
        if answer["behavior"] == "allow" {
            self.tool_result(&id, "ok", false)?;
            let input = answer.get("updatedInput").filter(|input| **input != call.input);
            let changed = input.map_or_else(String::new, |input| format!(" with {input}"));
            return self.say(&format!("{} was allowed{changed}", call.name), self.chunk);
        }
        let why = answer["message"].as_str().unwrap_or("no reason given").to_owned();
        self.tool_result(&id, &why, true)?;
        self.denials.push(json!({"tool_name": call.name, "tool_use_id": id, "tool_input": call.input}));
        self.say(&format!("{} was denied: {why}", call.name), self.chunk)
    }

    fn deny(&mut self, call: &Call, id: &str) {
        self.denials.push(json!({"tool_name": call.name, "tool_use_id": id, "tool_input": call.input}));
    }

    fn question(&mut self, call: &Call, tool_use_id: &str) -> Result<Value, Stop> {
        let id = format!("ask-{tool_use_id}");
        let request = json!({"subtype": "can_use_tool", "tool_name": call.name, "display_name": call.name, "input": call.input,
            "description": call.name, "tool_use_id": tool_use_id,
            "permission_suggestions": [{"type": "setMode", "mode": "acceptEdits", "destination": "session"}]});
        self.output
            .bare(format_args!("{}", json!({"type": "control_request", "request_id": id, "request": request})))?;
        self.intake.question = Some(id);
        loop {
            match self.intake.wait(None, self.output, self.settings)? {
                Some(Event::Answer(answer)) => return Ok(answer),
                Some(Event::Interrupt) => {
                    let why = "The user doesn't want to proceed with this tool use.";
                    self.tool_result(tool_use_id, why, true)?;
                    self.deny(call, tool_use_id);
                    return Err(Stop::Interrupted { in_tool: true });
                }
                Some(_) => {}
                None => return Err(Stop::Exit(1)),
            }
        }
    }

    fn tool_result(&mut self, id: &str, said: &str, is_error: bool) -> io::Result<()> {
        self.user(&json!({"type": "tool_result", "content": said, "is_error": is_error, "tool_use_id": id}))
    }

    fn interrupted(&mut self, in_tool: bool) -> io::Result<()> {
        self.messages.end(None, self.output)?;
        let note = if in_tool { "[Request interrupted by user for tool use]" } else { "[Request interrupted by user]" };
        self.user(&json!({"type": "text", "text": note}))
    }

    fn user(&mut self, block: &Value) -> io::Result<()> {
        self.output.line(format_args!(
            "\"type\":\"user\",\"message\":{{\"role\":\"user\",\"content\":[{block}]}},\"parent_tool_use_id\":null"
        ))?;
        Ok(())
    }
}
