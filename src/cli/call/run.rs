//! A call from its arguments to its exit code.

use std::io;
use std::time::Duration;

use hyper::HeaderMap;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::alone::Alone;
use super::context::{self, Place as Folder};
use super::output::Output;
use super::progress::Progress;
use super::prompt::{self, Prompt};
use super::schema::Schema;
use super::turn::{Print, Shown, Stops, stdout_error, turn};
use super::{CallArgs, CallError, Serve, background};
use crate::cli::client::{Client, ClientError, Place, Source};
use crate::config::{Config, Environment};
use crate::protocol::Image;

/// How often an answer is asked for that fits the schema.
const ATTEMPTS_MAX: usize = 3;

/// How long the last line of an answer may take that has none: nobody may be reading it.
const LAST_LINE_MAX: Duration = Duration::from_millis(500);

/// How much of an answer that does not fit is sent back, in bytes.
const WRONG_BYTES_MAX: usize = 64 << 10;

/// Makes the call. What can be wrong with its arguments is said before anything is asked or started.
///
/// # Errors
/// When there is no answer; nothing runs on for it.
pub fn run(args: &CallArgs, serve: Serve) -> Result<(), CallError> {
    let schema = args.schema.as_deref().map(Schema::read).transpose()?;
    let environment = Environment::from_process()?;
    let found = if args.alone { None } else { Some(args.target.find(&environment)?) };
    let known = found.as_ref().and_then(Place::config);
    let config = match known {
        Some(config) => config.clone(),
        None => args.target.load(&environment)?,
    };
    // The configuration of a daemon that is found elsewhere is another one.
    let folder = Folder::of(args, known.or(args.alone.then_some(&config)))?;
    let wrapping = (!args.raw_prompt).then_some(config.call.wrapping.as_str());
    let prompt = prompt::read(args.prompt.as_deref(), &args.files, wrapping)?;
    let call = Call { args, folder, prompt, schema };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(call.make(found, config, serve));
    // A thread may hang in a write that nobody reads.
    runtime.shutdown_background();
    outcome
}

/// What is asked, and how.
struct Call<'a> {
    args: &'a CallArgs,
    folder: Folder,
    prompt: Prompt,
    schema: Option<Schema>,
}

impl Call<'_> {
    async fn make(self, found: Option<Place>, config: Config, serve: Serve) -> Result<(), CallError> {
        let mut stops = Stops::new(self.args.timeout)?;
        let mut progress = Progress::new(self.args.quiet);
        let Some(place) = found else {
            let (alone, client) = stops.or(Alone::start(serve, config, self.folder.path())).await?;
            let outcome = self.ask(&client, &mut progress, &mut stops).await;
            drop(client);
            progress.clear();
            alone.end().await;
            return outcome;
        };
        let client = stops.or(connect(&place, &config, &mut progress)).await?;
        self.ask(&client, &mut progress, &mut stops).await
    }

    /// Asks until there is an answer.
    async fn ask(&self, client: &Client, progress: &mut Progress, stops: &mut Stops) -> Result<(), CallError> {
        let mut output = Output::new();
        let print = match (&self.schema, self.args.json_stream) {
            (Some(_), _) => Print::Nothing,
            (None, true) => Print::Events,
            (None, false) => Print::Answer,
        };
        let mut prompt = self.prompt.clone();
        if let Some(schema) = &self.schema {
            prompt.text = format!("{}\n\n{}", prompt.text, schema.demand());
        }
        let mut fault = String::new();
        for _ in 0..ATTEMPTS_MAX {
            let shown = Shown { print, output: &mut output, progress, stops };
            let answer = match self.turn(client, &prompt, shown).await {
                Ok(answer) => answer,
                Err(error) => {
                    // What is said of it begins with a line of its own. Where that cannot be, the error is what counts.
                    if !error.is_known() {
                        let _ = timeout(LAST_LINE_MAX, end(&mut output, progress)).await;
                    }
                    return Err(error);
                }
            };
            let Some(schema) = &self.schema else { return stops.or(end(&mut output, progress)).await };
            match schema.fitting(&answer) {
                Ok(json) => {
                    let json = output.write(json.to_owned());
                    stops.or(written(json)).await?;
                    return stops.or(end(&mut output, progress)).await;
                }
                Err(wrong) => fault = wrong,
            }
            progress.line(&format!("the answer does not fit the schema; asking again: {}", first_line(&fault)));
            prompt = self.again(&answer, &fault, schema);
        }
        Err(CallError::NoFit { attempts: ATTEMPTS_MAX, fault })
    }

    /// One turn; where the session turns out to be in another folder than the shell, in that.
    async fn turn(&self, client: &Client, prompt: &Prompt, shown: Shown<'_>) -> Result<String, CallError> {
        let body = self.body(prompt);
        let headers = context::headers(self.args, &self.folder)?;
        let is_optional = self.args.session.is_some() && matches!(self.folder, Folder::Here(_));
        let Shown { print, output, progress, stops } = shown;
        let first = turn(client, &headers, &body, Shown { print, output, progress, stops }).await;
        match first {
            Err(CallError::Client(ClientError::Api { code, .. })) if is_optional && code == "session_conflict" => {
                let headers: HeaderMap = context::headers(self.args, &Folder::Configured)?;
                turn(client, &headers, &body, Shown { print, output, progress, stops }).await
            }
            outcome => outcome,
        }
    }

    fn body(&self, prompt: &Prompt) -> Value {
        let mut content = json!(prompt.text);
        if !prompt.images.is_empty() {
            let part = |image: &Image| {
                let url = format!("data:{};base64,{}", image.format(), image.base64());
                json!({"type": "image_url", "image_url": {"url": url}})
            };
            let text = json!({"type": "text", "text": prompt.text});
            content = [text].into_iter().chain(prompt.images.iter().map(part)).collect();
        }
        let mut body = json!({"stream": true, "messages": [{"role": "user", "content": content}]});
        if let Some(backend) = &self.args.backend {
            body["model"] = json!(backend);
        }
        body
    }

    /// What the agent is asked when its answer does not fit. A session knows the question; an empty context does not.
    fn again(&self, answer: &str, fault: &str, schema: &Schema) -> Prompt {
        let (asked, images) = match self.args.session {
            Some(_) => (String::new(), Vec::new()),
            None => (format!("{}\n\n", self.prompt.text), self.prompt.images.clone()),
        };
        let end = answer.floor_char_boundary(WRONG_BYTES_MAX);
        let text = format!(
            "{asked}{}\n\nThe last answer was refused: {fault}\n\nThat answer was:\n\n{}",
            schema.demand(),
            &answer[..end]
        );
        Prompt { text, images }
    }
}

/// Finds the daemon, or starts it where the configuration says that it is to be.
async fn connect(place: &Place, config: &Config, progress: &mut Progress) -> Result<Client, CallError> {
    match place.connect().await {
        Err(ClientError::NoDaemon { .. }) if place.source() == Source::Config => {
            background::start(place, config, progress).await
        }
        found => Ok(found?),
    }
}

/// Ends the answer's last line.
async fn end(output: &mut Output, progress: &mut Progress) -> Result<(), CallError> {
    progress.clear();
    match output.end_line() {
        Some(writing) => written(writing).await,
        None => Ok(()),
    }
}

async fn written(writing: JoinHandle<io::Result<()>>) -> Result<(), CallError> {
    writing.await.map_err(io::Error::other).flatten().map_err(stdout_error)
}

fn first_line(text: &str) -> &str {
    let mut lines = text.lines().rev().filter(|line| !line.trim().is_empty());
    lines.next().unwrap_or_default().trim_start_matches("- ")
}
