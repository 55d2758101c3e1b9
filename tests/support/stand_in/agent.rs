//! The program: start, one turn after the other, end.

use std::{
    env,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    process::ExitCode,
    time::Instant,
};

use serde_json::json;

use super::{
    super::script::{AgentStep, Script, Step},
    args::Args,
    channel, faults,
    inbox::Inbox,
    intake::{Input, Intake},
    message::Messages,
    output::{Output, quoted},
    result::{self, Ending, Kind, Spent},
    runs::Runs,
    settings::{Fault, Settings},
    thread::{OpenError, Thread},
    turn::{Left, Turn},
};

/// The model that is claimed when none is asked for.
const MODEL: &str = "claude-stand-in";
/// What `flood-stderr` writes, in bytes: more than a pipe holds.
const STDERR_FLOOD_BYTES: usize = 1024 * 1024;

/// Runs the stand-in with this process's arguments, environment and stdio, and gives what it exits with.
pub fn run() -> ExitCode {
    let args = Args::parse(env::args().skip(1));
    if args.sleeper {
        return faults::sleeper();
    }
    let ended = match Settings::from_env() {
        Err(error) => complain(&error),
        Ok(settings) if args.version => writeln!(io::stdout(), "{} (Claude Code)", settings.version).map(|()| 0),
        Ok(settings) => start(args, settings),
    };
    match ended {
        Ok(code) => ExitCode::from(code),
        // Whoever read us has gone, or sends what is no protocol: claude ends with 1 too.
        Err(error) => ExitCode::from(complain(&error).unwrap_or(1)),
    }
}

fn complain(error: &dyn std::error::Error) -> io::Result<u8> {
    writeln!(io::stderr(), "stand-in: {error}")?;
    Ok(1)
}

fn start(args: Args, settings: Settings) -> io::Result<u8> {
    if settings.has(Fault::IgnoreTerm) {
        faults::ignore_term()?;
    }
    if settings.has(Fault::DieAtStart) {
        writeln!(
            io::stderr(),
            "{}",
            settings.die_text.as_deref().unwrap_or("stand-in: dies at start, as it was told")
        )?;
        return Ok(1);
    }
    if settings.has(Fault::HangAtStart) {
        if let Some(text) = &settings.die_text {
            writeln!(io::stderr(), "{text}")?;
        }
        faults::hang();
        return Ok(1);
    }
    if settings.has(Fault::FloodStderr) {
        faults::flood_stderr(STDERR_FLOOD_BYTES)?;
    }
    if args.in_terminal {
        return channel::run(&args);
    }
    let mut output = Output::open(args.partial)?;
    let thread = match Thread::open(&args, settings.state.as_deref()) {
        Ok(thread) => thread,
        Err(OpenError::Io(error)) => return Err(error),
        Err(error) => {
            result::write_no_thread(args.resume.as_deref().unwrap_or_default(), &error.to_string(), &mut output)?;
            writeln!(io::stderr(), "{error}")?;
            return Ok(1);
        }
    };
    output.set_session(&thread.id);
    if settings.has(Fault::NoiseAtStart) {
        faults::noise(&mut output)?;
    }
    let log = settings.log.as_ref().map(|log| OpenOptions::new().create(true).append(true).open(log)).transpose()?;
    let runs = settings.runs.as_deref().map(Runs::open).transpose()?;
    let model = args.model.clone().unwrap_or_else(|| MODEL.to_owned());
    let mode = args.permission_mode.clone().unwrap_or_else(|| "default".to_owned());
    let intake = Intake::new(Inbox::open()?, model, mode);
    let cwd = env::current_dir()?.to_string_lossy().into_owned();
    Agent { args, settings, output, intake, thread, log, runs, cwd, spent: Spent::default(), late: None }.run()
}

/// The running program.
#[derive(Debug)]
struct Agent {
    args: Args,
    settings: Settings,
    output: Output,
    intake: Intake,
    thread: Thread,
    log: Option<File>,
    runs: Option<Runs>,
    cwd: String,
    spent: Spent,
    /// A result that is to come again.
    late: Option<Ending>,
}

impl Agent {
    /// Takes turns until stdin ends; gives the exit code.
    fn run(mut self) -> io::Result<u8> {
        let mut code = 0;
        loop {
            if self.intake.queue.is_empty() && self.intake.ended {
                if self.settings.has(Fault::IgnoreEof) {
                    faults::hang();
                }
                return Ok(code);
            }
            if self.intake.queue.is_empty() {
                self.intake.deaf = self.settings.has(Fault::IgnoreInterrupt);
                self.intake.wait(None, &mut self.output, &self.settings)?;
                continue;
            }
            match self.turn()? {
                // After a turn that failed, claude ends with 1.
                Left::Ended(ending, _) => {
                    code = u8::from(matches!(ending.kind, Kind::Failed { .. } | Kind::Interrupted { .. }));
                }
                Left::Exit(code) => {
                    self.output.flush()?;
                    return Ok(code);
                }
            }
        }
    }

    /// Takes all that waits as one turn, as claude does.
    fn turn(&mut self) -> io::Result<Left> {
        let began = Instant::now();
        let inputs: Vec<Input> = self.intake.queue.drain(..).collect();
        let (Some(first), Some(last)) = (inputs.first(), inputs.last()) else {
            return Ok(Left::Exit(1));
        };
        let is_command = match last.text().trim() {
            "/clear" => last.typed && !self.settings.has(Fault::IgnoreClear),
            "/cost" => last.typed,
            _ => false,
        };
        if is_command {
            return self.command(last.text().trim(), began);
        }
        if let Some(late) = self.late.take() {
            result::write(&late, &self.intake.model, began, 1, &mut self.spent, &mut self.output)?;
        }
        for input in &inputs {
            self.record(input)?;
        }
        let script = Script::parse(last.text());
        let mode = script.iter().flat_map(|script| &script.steps).find_map(|step| match step {
            Step::Agent(AgentStep::Mode(mode)) => Some(mode.clone()),
            _ => None,
        });
        self.init(mode.as_deref())?;
        if self.args.replay {
            for input in &inputs {
                // With the uuid that the message came with.
                self.output.bare(format_args!(
                    "{{\"type\":\"user\",\"message\":{{\"role\":\"user\",\"content\":{}}},\"session_id\":{},\
                     \"parent_tool_use_id\":null,\"uuid\":{},\"isReplay\":true}}",
                    input.content,
                    quoted(&self.thread.id),
                    quoted(&input.uuid)
                ))?;
            }
        }
        self.intake.deaf = self.settings.has(Fault::IgnoreInterrupt);
        self.output.partial = self.args.partial;
        let comes_late = script.as_ref().is_ok_and(|script| script.steps.contains(&Step::Agent(AgentStep::LateResult)));
        let messages = Messages::new(&self.intake.model, self.thread.texts);
        let turn =
            Turn::new(&mut self.intake, &mut self.output, &self.settings, messages, self.args.asks, first.read_ns);
        let (left, messages) = turn.play(script, self.thread.texts)?;
        for uuid in &messages.uuids {
            self.thread.add_answer(uuid)?;
        }
        if let Some(runs) = &mut self.runs {
            inputs.iter().try_for_each(|input| runs.end(input.text()))?;
        }
        if let Left::Ended(ending, times) = &left {
            result::write(ending, &self.intake.model, began, *times, &mut self.spent, &mut self.output)?;
            self.output.flush()?;
            self.late = comes_late.then(|| ending.clone());
        }
        Ok(left)
    }

    /// What claude does by itself when a text is a command.
    fn command(&mut self, command: &str, began: Instant) -> io::Result<Left> {
        let mut text = String::new();
        if command == "/clear" {
            self.thread.clear()?;
            self.output.set_session(&self.thread.id);
        } else {
            "Total cost:            $0.0010".clone_into(&mut text);
        }
        self.init(None)?;
        result::write_synthetic(if text.is_empty() { "(no content)" } else { &text }, None, &mut self.output)?;
        let (kind, denials, stamps) = (Kind::Command, Vec::new(), String::new());
        let ending = Ending { kind, text, stop_reason: None, calls: 0, denials, stamps };
        result::write(&ending, &self.intake.model, began, 1, &mut self.spent, &mut self.output)?;
        Ok(Left::Ended(ending, 1))
    }

    fn record(&mut self, input: &Input) -> io::Result<()> {
        for text in &input.texts {
            self.thread.add_text(text)?;
        }
        if let Some(runs) = &mut self.runs {
            runs.begin(input.text())?;
        }
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        let mut line = json!({"pid": std::process::id(), "session": self.thread.id, "text": input.text()});
        if !input.images.is_empty() {
            line["images"] = json!(input.images);
        }
        log.write_all(format!("{line}\n").as_bytes())
    }

    fn init(&mut self, mode: Option<&str>) -> io::Result<()> {
        let mode = mode.or(self.settings.mode.as_deref()).unwrap_or(&self.intake.mode);
        self.output.line(format_args!(
            "\"type\":\"system\",\"subtype\":\"init\",\"cwd\":{},\"tools\":[\"Task\",\"Bash\"],\"mcp_servers\":[],\"model\":{},\
             \"permissionMode\":{},\"slash_commands\":[\"clear\",\"cost\"],\"apiKeySource\":\"ANTHROPIC_API_KEY\",\
             \"claude_code_version\":{},\"output_style\":\"default\",\"agents\":[\"claude\"],\"skills\":[],\"plugins\":[]",
            quoted(&self.cwd),
            quoted(&self.intake.model),
            quoted(mode),
            quoted(&self.settings.version)
        ))?;
        self.output.line(format_args!("\"type\":\"system\",\"subtype\":\"status\",\"status\":\"requesting\""))?;
        Ok(())
    }
}
