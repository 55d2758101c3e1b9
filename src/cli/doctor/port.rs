//! Who is at the address that the daemon is to listen on.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::finding::{Finding, State, quoted};
use crate::cli::client::{Client, ClientError, Target, reached};
use crate::config::Environment;

pub(super) async fn examine(listen: SocketAddr, environment: &Environment) -> Finding {
    let Ok(address) = reached(listen) else {
        return finding(State::Ok, format!("{listen}: a free port at each start"));
    };
    let target = Target { url: Some(format!("http://{address}")), ..Target::default() };
    let client = match target.find(environment) {
        Ok(place) => place.connect_any_version().await,
        Err(error) => Err(error),
    };
    match client {
        Ok(client) => ours(listen, &client),
        Err(ClientError::NoDaemon { .. }) => free(listen).await,
        Err(ClientError::NotTurnmux { said, .. }) => {
            finding(State::Bad, format!("another program listens on {listen} ({})", quoted(&said)))
                .todo("Stop it, or choose another port as server.listen, or with --port")
        }
        Err(error) => finding(State::Warn, format!("{listen} cannot be asked: {error}")),
    }
}

/// A daemon of ours, as it says itself.
fn ours(listen: SocketAddr, client: &Client) -> Finding {
    let (health, version) = (client.health(), quoted(client.version()));
    let found = format!(
        "turnmux {version} listens on {listen}, with {} sessions and {} processes",
        health["sessions"], health["processes"]
    );
    let own = env!("CARGO_PKG_VERSION");
    if version != own {
        return finding(State::Warn, found).todo(format!("This is turnmux {own}: start the daemon anew with it"));
    }
    if let Some(reason) = health["store"]["reason"].as_str() {
        return finding(State::Warn, format!("{found}, and takes no turns: {}", quoted(reason)));
    }
    if health["ok"] != true {
        return finding(State::Warn, format!("{found}, and its default backend cannot run"))
            .todo("`turnmux status` has its reasons");
    }
    finding(State::Ok, found)
}

/// Nobody answers; whether a daemon could listen there.
async fn free(listen: SocketAddr) -> Finding {
    match TcpListener::bind(listen).await {
        Ok(_) => finding(State::Ok, format!("{listen} is free; no daemon runs")),
        Err(error) => finding(State::Bad, format!("{listen} cannot be listened on: {error}"))
            .todo("Choose another as server.listen, or with --listen"),
    }
}

fn finding(state: State, found: String) -> Finding {
    Finding::new("port", state, found)
}
