//! Puts the parts of the sidecar together, and ends them.

use std::env;
use std::io;
use std::pin::pin;
use std::time::Duration;

use rmcp::serve_server;
use rmcp::service::ServerInitializeError;
use rmcp::transport::io::stdio_pipes;
use tokio::time::{sleep, timeout};
use tracing::Level;

use super::bridge::{Bridge, Over};
use super::inbox::inbox;
use super::outbox::outbox;
use super::place::{Place, PlaceError};
use super::server::Server;
use super::stdio::watched;

/// How long the last words of an agent that is gone may take. They are sent at once, if anybody takes them.
const LAST_WORDS_MAX: Duration = Duration::from_millis(50);

/// Why the sidecar ends otherwise than with its agent.
#[derive(Debug, thiserror::Error)]
pub enum SidecarError {
    /// It was started with the wrong environment.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The runtime does not start.
    #[error("the runtime does not start: {0}")]
    Runtime(#[from] io::Error),
    /// Somebody else than an MCP client is at the other end of stdin.
    #[error("the first message on stdin was not `initialize`: this is an MCP server, to be started by an agent")]
    NoInitialize,
    /// The daemon has been away for too long.
    #[error("turnmux cannot be reached at {0}: it has ended, or hangs; start this conversation again")]
    DaemonAway(String),
}

/// Runs until stdin ends; or until the daemon has been away for a minute. Calls `started` when a part of the start is over: each
/// agent has such a helper, so it is to hold no memory that only its start needs.
///
/// # Errors
/// When it ends for any other reason than its agent's end.
pub fn run(started: fn()) -> Result<(), SidecarError> {
    let place = Place::from_variables(|name| env::var_os(name))?;
    // Not by TURNMUX_LOG: below warnings the SDK logs what is said. An error means that there is a log already.
    let log = tracing_subscriber::fmt().with_max_level(Level::WARN).with_ansi(false).with_writer(io::stderr);
    let _ = log.try_init();
    // One thread, and one each for reading stdin and writing stdout where these are no pipes.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let result = runtime.block_on(carry(place, started));
    // A thread may be reading stdin still, and would be waited for.
    runtime.shutdown_background();
    result
}

async fn carry(place: Place, started: fn()) -> Result<(), SidecarError> {
    let url = place.url.clone();
    let (mouth, said, outbox) = outbox();
    let (inbox, arrivals) = inbox();
    let (server, ready) = Server::new(mouth);
    let mut bridge = pin!(Bridge { place, inbox, outbox, said, started }.run());
    let mut arrivals = pin!(arrivals.hand_over(ready, started));
    let mut served = pin!(serve(server));
    let mut is_handing_over = true;
    loop {
        tokio::select! {
            result = &mut served => {
                // With the server the mouth is gone, by which the bridge knows that it is time.
                let _ = timeout(LAST_WORDS_MAX, bridge).await;
                return result;
            }
            over = &mut bridge => match over {
                Over::DaemonAway => return Err(SidecarError::DaemonAway(url)),
                Over::AgentGone => return Ok(()),
            },
            () = &mut arrivals, if is_handing_over => is_handing_over = false,
        }
    }
}

/// Speaks MCP until stdin ends.
async fn serve(server: Server) -> Result<(), SidecarError> {
    let (stdin, stdout) = stdio_pipes();
    let (stdin, ended) = watched(stdin);
    let serving = async {
        match serve_server(server, (stdin, stdout)).await {
            // It says how it ended, which is of no interest: the agent is gone.
            Ok(service) => service.waiting().await.map(drop).map_err(|error| SidecarError::Runtime(error.into())),
            Err(ServerInitializeError::ExpectedInitializeRequest(_)) => Err(SidecarError::NoInitialize),
            Err(_) => Ok(()),
        }
    };
    tokio::select! {
        result = serving => result,
        // The SDK waits for answers to be written; an agent that is gone reads none.
        () = async { let _ = ended.await; sleep(LAST_WORDS_MAX).await } => Ok(()),
    }
}
