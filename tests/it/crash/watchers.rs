//! Those who watch: one for each session, which comes back after each death of the daemon with the number that it saw last;
//! and now and then one for a turn.

use std::sync::Arc;

use super::history::Event;
use super::requests::Piece;
use super::world::{Up, World};

/// Watches a session through all lives, until the world ends.
pub(super) async fn session(world: Arc<World>, session: &'static str) {
    let mut up = world.up();
    let mut after = 0;
    loop {
        let Ok(now) = up.wait_for(Option::is_some).await.map(|now| now.clone()) else { return };
        let Some(now) = now else { continue };
        let stream = world.stamp();
        match now.requests.events(&format!("/v1/sessions/{session}/events"), Some(after)).await {
            Some(Ok(mut answering)) => {
                let leaving = world.leaving(now.life);
                tokio::pin!(leaving);
                while let Some(Piece::Data(data)) = tokio::select! {
                    piece = answering.piece() => piece,
                    () = &mut leaving => None,
                } {
                    if let Some(event) = Event::read(&data) {
                        after = event.seq;
                        world.saw(stream, session, event);
                    } else if let Some(to) = data["to"].as_u64() {
                        after = to;
                    }
                }
            }
            // Before the session's first turn.
            Some(Err(404)) if after == 0 => {
                world.steps(1).await;
                continue;
            }
            // It is going, or gone.
            Some(Err(503)) | None => {}
            Some(Err(status)) => {
                let what = format!("{session} after {after}, in life {}: {status}", now.life);
                world.note(|history| history.denied.push(what));
            }
        }
        // It does not come back to the same daemon: that is dying.
        let is_next = |up: &Option<Up>| up.as_ref().is_some_and(|up| up.life > now.life);
        if up.wait_for(is_next).await.is_err() {
            return;
        }
    }
}

/// Watches a turn to its end, or that of the daemon. Whether it saw the former.
pub(super) async fn turn(world: &World, up: &Up, session: &str, turn: &str) -> bool {
    let stream = world.stamp();
    let Some(Ok(mut answering)) = up.requests.events(&format!("/v1/turns/{turn}/events"), None).await else {
        return false;
    };
    let leaving = world.leaving(up.life);
    tokio::pin!(leaving);
    while let Some(Piece::Data(data)) = tokio::select! {
        piece = answering.piece() => piece,
        () = &mut leaving => None,
    } {
        match Event::read(&data) {
            Some(event) => world.saw(stream, session, event),
            None if data["type"] == "over" => return true,
            None => {}
        }
    }
    false
}
