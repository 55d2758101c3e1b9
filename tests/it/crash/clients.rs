//! Those who talk: each does one thing after the other, until the daemon is gone, and goes on with the next one.

use std::sync::Arc;

use hyper::Method;
use serde_json::{Value, json};

use super::chance::Chance;
use super::history::{Answer, Asked, Ending};
use super::requests::{Answering, Piece};
use super::watchers;
use super::world::{SESSIONS, Up, World};

/// A client that has a name for itself.
pub(super) struct ClientOf {
    world: Arc<World>,
    chance: Chance,
    number: u64,
    asked: u64,
    /// Named requests whose end it has not seen: it may ask again.
    open: Vec<Named>,
    /// The last turn that it knows of.
    turn: Option<String>,
}

/// A request that runs once.
#[derive(Debug, Clone)]
struct Named {
    session: &'static str,
    name: String,
    body: Value,
    text: String,
}

/// Whether the daemon can still be talked to.
type Goes = bool;

impl ClientOf {
    pub(super) fn new(world: Arc<World>, chance: Chance, number: u64) -> Self {
        Self { world, chance, number, asked: 0, open: Vec::new(), turn: None }
    }

    /// Talks to one daemon until that is gone.
    pub(super) async fn talk(&mut self, up: &Up) {
        while self.act(up).await {
            self.world.step();
        }
    }

    async fn act(&mut self, up: &Up) -> Goes {
        if !self.open.is_empty() && self.chance.percent(40) {
            let at = usize::try_from(self.chance.below(self.open.len() as u64)).unwrap_or(0);
            let named = self.open.swap_remove(at);
            return self.ask(up, named).await;
        }
        let session = *self.chance.pick(&SESSIONS);
        match self.chance.below(100) {
            0..40 => self.chat(up, session).await,
            40..65 => {
                let named = self.named(session);
                self.ask(up, named).await
            }
            65..90 => self.submit(up, session).await,
            90..95 => self.interrupt(up, session).await,
            _ => self.abort(up).await,
        }
    }

    /// A chat that nobody repeats.
    async fn chat(&mut self, up: &Up, session: &'static str) -> Goes {
        let (text, body) = self.body();
        let leaves = self.chance.percent(15).then(|| self.chance.below(6));
        let asked = self.begin(up, session, &text, None);
        self.request(up, asked, &body, leaves).await.1
    }

    fn named(&mut self, session: &'static str) -> Named {
        let (text, body) = self.body();
        Named { session, name: format!("name of {text}"), body, text }
    }

    /// A chat that runs once, for the first time or again.
    async fn ask(&mut self, up: &Up, named: Named) -> Goes {
        let asked = self.begin(up, named.session, &named.text, Some(named.name.clone()));
        let leaves = self.chance.percent(10).then(|| self.chance.below(6));
        let (is_over, goes) = self.request(up, asked, &named.body, leaves).await;
        // Now and then it asks again for what it knows.
        if !is_over || self.chance.percent(10) {
            self.open.push(named);
        }
        goes
    }

    async fn submit(&mut self, up: &Up, session: &'static str) -> Goes {
        let (text, script) = self.text();
        let mut asked = Asked { detached: true, ..self.begin(up, session, &text, None) };
        let path = format!("/v1/sessions/{session}/submit");
        // The session may be new, and then it needs a model.
        let reply = up.requests.post(&path, &json!({"input": script, "model": "claude-code"})).await;
        let Some((status, reply)) = reply else { return self.end(asked, false) };
        asked.answered = Some(self.world.stamp());
        let turn = reply["turn"].as_str().unwrap_or_default().to_owned();
        if status != 202 {
            let code = reply["error"]["code"].as_str().unwrap_or("none").to_owned();
            let goes = code != "shutting_down";
            asked.answer = Answer::Refused(code);
            return self.end(asked, goes);
        }
        if reply["status"] == "steered" {
            asked.answer = Answer::Steered;
            return self.end(asked, true);
        }
        asked.answer = Answer::Accepted { turn: turn.clone(), said: None, ending: None };
        self.turn = Some(turn.clone());
        let goes = self.end(asked, true);
        if self.chance.percent(50) { watchers::turn(&self.world, up, session, &turn).await } else { goes }
    }

    async fn interrupt(&mut self, up: &Up, session: &str) -> Goes {
        let reply = up.requests.post(&format!("/v1/sessions/{session}/interrupt"), &json!({})).await;
        self.stopped(reply)
    }

    async fn abort(&mut self, up: &Up) -> Goes {
        let Some(turn) = self.turn.clone() else { return true };
        let reply = up.requests.post("/v1/chat/abort", &json!({"turn": turn})).await;
        self.stopped(reply)
    }

    fn stopped(&self, reply: Option<(u16, Value)>) -> Goes {
        let Some((_, reply)) = reply else { return false };
        if let (Some("confirmed"), Some(turn)) = (reply["status"].as_str(), reply["turn"].as_str()) {
            self.world.note(|history| history.stopped.push(turn.to_owned()));
        }
        reply["error"]["code"] != "shutting_down"
    }

    /// Sends a chat and reads its answer; leaves in the middle after that many pieces. Whether the client has seen the end, and
    /// whether it goes on.
    async fn request(&mut self, up: &Up, mut asked: Asked, body: &Value, leaves: Option<u64>) -> (bool, Goes) {
        let name = asked.name.clone();
        let mut headers = vec![("x-turnmux-session", &*asked.session)];
        headers.extend(name.as_deref().map(|name| ("idempotency-key", name)));
        let answering = up.requests.send(Method::POST, "/v1/chat/completions", &headers, body).await;
        let Some(answering) = answering else { return (false, self.end(asked, false)) };
        let status = answering.status;
        let Some(turn) = answering.turn.clone() else {
            let reply = answering.json().await;
            let code = reply.and_then(|reply| reply["error"]["code"].as_str().map(str::to_owned));
            let goes = code.as_deref().is_some_and(|code| code != "shutting_down");
            asked.answer = code.map_or(Answer::Lost, Answer::Refused);
            return (false, self.end(asked, goes));
        };
        asked.answered = Some(self.world.stamp());
        self.world.step();
        self.turn = Some(turn.clone());
        let is_stream = body["stream"] == true;
        let (said, ending) = if is_stream && status == 200 {
            let (said, ending) = self.read(answering, leaves).await;
            (Some(said), ending)
        } else {
            (None, answering.json().await.map(|reply| whole(&reply)))
        };
        let is_down = matches!(&ending, Some(Ending::Error(code)) if code == "shutting_down");
        let is_over = ending.is_some() && !is_down;
        let goes = is_over || leaves.is_some();
        asked.answer = Answer::Accepted { turn, said, ending };
        (is_over, self.end(asked, goes))
    }

    /// Reads a stream.
    async fn read(&self, mut answering: Answering, leaves: Option<u64>) -> (String, Option<Ending>) {
        let (mut said, mut count) = (String::new(), 0);
        while leaves.is_none_or(|leaves| count <= leaves) {
            let Some(Piece::Data(data)) = answering.piece().await else { break };
            self.world.step();
            count += 1;
            if let Some(code) = data["error"]["code"].as_str() {
                return (said, Some(Ending::Error(code.to_owned())));
            }
            if data == "[DONE]" {
                return (said, Some(Ending::Completed(None)));
            }
            said.push_str(data["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
        }
        (said, None)
    }

    fn begin(&self, up: &Up, session: &str, text: &str, name: Option<String>) -> Asked {
        Asked {
            at: self.world.stamp(),
            answered: None,
            life: up.life,
            session: session.to_owned(),
            text: text.to_owned(),
            name,
            detached: false,
            answer: Answer::Lost,
        }
    }

    fn end(&self, asked: Asked, goes: Goes) -> Goes {
        self.world.note(|history| history.asked.push(asked));
        goes
    }

    fn body(&mut self) -> (String, Value) {
        let (text, script) = self.text();
        let body = json!({
            "model": "claude-code",
            "stream": self.chance.percent(70),
            "messages": [{"role": "user", "content": script}],
        });
        (text, body)
    }

    /// What is said: a line that nobody else says, and what the agent is to do.
    fn text(&mut self) -> (String, String) {
        self.asked += 1;
        let text = format!("text {} of client {}", self.asked, self.number);
        let mut script = format!("{text}\n::chunk {}", 2 + self.chance.below(20));
        if self.chance.percent(40) {
            script.push_str(self.chance.pick::<&str>(&["\n::slow 0", "\n::slow 1", "\n::slow 3"]));
        }
        if self.chance.percent(15) {
            script.push_str("\n::think over it");
        }
        script.push_str("\n::echo");
        if self.chance.percent(15) {
            script.push_str("\n::tool Read {\"file\": \"x\"}\n::echo");
        }
        if self.chance.percent(10) {
            script.push_str(self.chance.pick::<&str>(&["\n::silent 5\n::say more", "\n::silent 30\n::say more"]));
        }
        (text, script)
    }
}

/// The ending in an answer that is no stream.
fn whole(reply: &Value) -> Ending {
    match reply["error"]["code"].as_str() {
        Some(code) => Ending::Error(code.to_owned()),
        None => Ending::Completed(reply["choices"][0]["message"]["content"].as_str().map(str::to_owned)),
    }
}
