//! The turnmux program: reads its arguments, builds the runtime, and makes an exit code of what comes of it.

use std::process::ExitCode;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use turnmux::app::App;
use turnmux::channel::sidecar::{self, SidecarError};
use turnmux::cli::call::{self, CallError, Served};
use turnmux::cli::{self, Failure, Verb};
use turnmux::config::{Config, Environment, Overrides};
use turnmux::process::{inherited_listener, release_clean_pages, stand_guard};
use turnmux::telemetry;

fn main() -> ExitCode {
    let verb = match cli::parse() {
        Ok(verb) => verb,
        Err(code) => return code,
    };
    match run(verb) {
        Ok(code) => code,
        Err(error) => {
            let (name, code) = codes_of(&error);
            cli::output::error(name, &format!("{error:#}"));
            code
        }
    }
}

/// What programs know an error by, and the exit code.
fn codes_of(error: &anyhow::Error) -> (&str, ExitCode) {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return (failure.code(), failure.exit_code());
    }
    if let Some(error) = error.downcast_ref::<CallError>() {
        return (error.code(), error.exit_code().into());
    }
    match error.downcast_ref() {
        // Like wrong arguments: the environment takes their place.
        Some(SidecarError::Place(_)) => ("usage", ExitCode::from(2)),
        _ => ("failed", ExitCode::FAILURE),
    }
}

fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Serve(overrides) => serve(overrides)?,
        Verb::Channel => sidecar::run(release_clean_pages)?,
        Verb::Guard(ward) => drop(stand_guard(&ward)?),
        Verb::Call(args) => match call::run(&args, serve_inside) {
            Err(error) if error.is_known() => return Ok(error.exit_code().into()),
            outcome => outcome?,
        },
        Verb::Ask(ask) => return Ok(ask.run()?),
        Verb::Init(init) => return said(init.run(&Environment::from_process()?)),
        Verb::Doctor(doctor) => return said(runtime()?.block_on(doctor.run(&Environment::from_process()?))),
        Verb::InstallService(service) => return said(runtime()?.block_on(service.run(&Environment::from_process()?))),
        Verb::Completions(completions) => return said(completions.run(&cli::command())),
        Verb::Man(man) => return said(man.run(&cli::command())),
    }
    Ok(ExitCode::SUCCESS)
}

/// Nothing is wrong when nobody reads any more.
fn said(ended: Result<ExitCode, Failure>) -> anyhow::Result<ExitCode> {
    match ended {
        Err(failure) if failure.is_closed_pipe() => Ok(ExitCode::SUCCESS),
        ended => Ok(ended?),
    }
}

fn serve(overrides: Overrides) -> anyhow::Result<()> {
    // Before anything opens a descriptor, which could take its number.
    let socket = inherited_listener()?;
    telemetry::start()?;
    let overrides = match &socket {
        Some(socket) => overrides.on(socket.local_addr()?),
        None => overrides,
    };
    let config = Config::load(&overrides, &Environment::from_process()?)?;
    server_runtime()?.block_on(async {
        let app = App::start_on(config, socket).await?;
        cli::output::listening(app.address());
        app.run().await;
        Ok(())
    })
}

/// A daemon in the process of a call, which says nothing but where its call asks for it.
fn serve_inside(config: Config) -> BoxFuture<'static, anyhow::Result<Served>> {
    async move {
        if std::env::var_os("TURNMUX_LOG").is_some_and(|directives| !directives.is_empty()) {
            telemetry::start()?;
        }
        let app = App::start(config).await?;
        let (stop, stopped) = oneshot::channel();
        Ok(Served { address: app.address(), stop, run: app.run_until(stopped.map(drop)).boxed() })
    }
    .boxed()
}

/// For verbs that do one thing after the other.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Threads for half of the cores: the agents and their tools need them, too. On few cores fewer threads are faster besides, for
/// what wakes a second thread is then in the way of the turn that it was woken for; and one thread alone need not be ready for
/// others.
fn server_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
    if workers == 1 {
        return runtime();
    }
    tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()
}
