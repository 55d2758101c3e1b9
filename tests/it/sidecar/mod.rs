//! `turnmux channel` between a scripted agent, which speaks JSON lines, and a scripted daemon, which is a WebSocket server.

mod agent;
mod connection;
mod ends;
mod frames;
mod hub;
mod mcp;

use agent::Agent;
use hub::{Hub, Wire};
use serde_json::Value;

/// An agent that has shaken hands, its connection, and the `hello` that opened it.
async fn connected() -> (Hub, Agent, Wire, Value) {
    let hub = Hub::new().await;
    let mut agent = Agent::start(&hub);
    agent.shake_hands().await;
    let (wire, hello) = hub.greet(0).await;
    (hub, agent, wire, hello)
}
