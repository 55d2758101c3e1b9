//! A loopback stand-in for the Anthropic Messages API, as a program. See [`model`].

pub mod model;
pub mod script;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser;
use tokio::{
    io::AsyncReadExt as _,
    signal::unix::{SignalKind, signal},
};

/// Answers the Anthropic Messages API on 127.0.0.1; what it answers is written in the user's text.
#[derive(Debug, Parser)]
struct Arguments {
    /// Port to listen on; 0 takes a free one, which the only line of output names.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// End when stdin reaches its end, so that a script that dies leaves nothing behind.
    #[arg(long)]
    until_stdin_closes: bool,
}

fn main() -> ExitCode {
    match start(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "loopback-model: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(run(arguments));
    // A read of stdin cannot be called off, and dropping the runtime would wait for it.
    runtime.shutdown_background();
    ended
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let model = model::Model::start_on(arguments.port).await?;
    writeln!(io::stdout(), "listening on {}", model.url())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = stdin_closes(), if arguments.until_stdin_closes => {}
    }
    Ok(())
}

async fn stdin_closes() {
    let (mut stdin, mut ignored) = (tokio::io::stdin(), [0; 4096]);
    while stdin.read(&mut ignored).await.is_ok_and(|bytes| bytes > 0) {}
}
