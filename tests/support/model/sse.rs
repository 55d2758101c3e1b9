//! The streamed form of an answer: the API's events, as server-sent events.

use std::{io::Write, time::Duration};

use serde_json::{Value, json};

use super::{
    answer::{Identity, USAGE},
    error,
    plan::{Act, Pace, Plan},
};

/// A piece of a streamed body.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    /// Send this.
    Bytes(Vec<u8>),
    /// Send nothing for so long, or for ever.
    Silent(Option<Duration>),
    /// Send nothing until released.
    Hold(String),
    /// Cut the connection.
    Cut,
}

/// The pieces of an answer. What goes out without a pause between is one piece, so that it is one write.
pub(super) fn pieces(plan: &Plan, identity: &Identity) -> Vec<Piece> {
    let mut stream = Stream { pieces: Vec::new(), bytes: Vec::new(), open: None, index: 0 };
    stream.event("message_start", &json!({
        "type": "message_start",
        "message": {"id": identity.message, "type": "message", "role": "assistant", "model": identity.model, "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": USAGE.at_start()},
    }));
    for act in &plan.acts {
        match act {
            Act::Say(text, pace) => stream.text(Block::Text, text, *pace),
            Act::Think(text, pace) => stream.text(Block::Thinking, text, *pace),
            Act::Tool(call) => stream.tool(&identity.tool, &call.name, &call.input),
            Act::Silent(pause) => stream.wait(Piece::Silent(*pause)),
            Act::Hold(name) => stream.wait(Piece::Hold(name.clone())),
            Act::Cut(_) => {
                stream.wait(Piece::Cut);
                return stream.pieces;
            }
            Act::Fail { code, .. } => {
                stream.event("error", &error::body(*code, error::message(*code)));
                stream.flush();
                return stream.pieces;
            }
        }
    }
    stream.close();
    stream.event(
        "message_delta",
        &json!({
            "type": "message_delta", "delta": {"stop_reason": plan.stop_reason, "stop_sequence": null},
            "usage": {"output_tokens": USAGE.output},
        }),
    );
    stream.event("message_stop", &json!({"type": "message_stop"}));
    stream.flush();
    stream.pieces
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Block {
    Text,
    Thinking,
}

struct Stream {
    pieces: Vec<Piece>,
    bytes: Vec<u8>,
    open: Option<Block>,
    index: usize,
}

impl Stream {
    fn text(&mut self, block: Block, text: &str, pace: Pace) {
        if self.open != Some(block) {
            self.close();
            let start = match block {
                Block::Text => json!({"type": "text", "text": ""}),
                Block::Thinking => json!({"type": "thinking", "thinking": "", "signature": ""}),
            };
            self.start(&start);
            self.open = Some(block);
        }
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.char_indices().nth(pace.chunk).map_or(rest.len(), |(at, _)| at);
            let (chunk, behind) = rest.split_at(end);
            rest = behind;
            if !pace.pause.is_zero() {
                self.wait(Piece::Silent(Some(pace.pause)));
            }
            self.delta(&match block {
                Block::Text => json!({"type": "text_delta", "text": chunk}),
                Block::Thinking => json!({"type": "thinking_delta", "thinking": chunk}),
            });
        }
    }

    fn tool(&mut self, id: &str, name: &str, input: &Value) {
        self.close();
        self.start(&json!({"type": "tool_use", "id": id, "name": name, "input": {}}));
        self.delta(&json!({"type": "input_json_delta", "partial_json": input.to_string()}));
        self.stop();
    }

    /// Ends the open block, if there is one.
    fn close(&mut self) {
        match self.open.take() {
            Some(Block::Thinking) => {
                self.delta(&json!({"type": "signature_delta", "signature": "bG9vcGJhY2s="}));
                self.stop();
            }
            Some(Block::Text) => self.stop(),
            None => {}
        }
    }

    fn start(&mut self, block: &Value) {
        let index = self.index;
        self.event(
            "content_block_start",
            &json!({"type": "content_block_start", "index": index, "content_block": block}),
        );
    }

    fn delta(&mut self, delta: &Value) {
        let index = self.index;
        self.event("content_block_delta", &json!({"type": "content_block_delta", "index": index, "delta": delta}));
    }

    fn stop(&mut self) {
        let index = self.index;
        self.event("content_block_stop", &json!({"type": "content_block_stop", "index": index}));
        self.index += 1;
    }

    fn event(&mut self, name: &str, data: &Value) {
        // Writing to a Vec does not fail.
        let _ = write!(self.bytes, "event: {name}\ndata: {data}\n\n");
    }

    fn wait(&mut self, piece: Piece) {
        self.flush();
        self.pieces.push(piece);
    }

    fn flush(&mut self) {
        if !self.bytes.is_empty() {
            self.pieces.push(Piece::Bytes(std::mem::take(&mut self.bytes)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::prompt::Prompt;
    use super::*;

    fn of(text: &str) -> Vec<Piece> {
        let prompt = Prompt { text: text.into(), turn: 1, ..Prompt::default() };
        pieces(&Plan::new(&prompt).unwrap(), &Identity::new("m"))
    }

    fn text_of(piece: &Piece) -> &str {
        let Piece::Bytes(bytes) = piece else { panic!("{piece:?} is no text") };
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_plain_answer_is_one_write() {
        let pieces = of("hello");
        assert_eq!(pieces.len(), 1);
        let kinds: Vec<_> = text_of(&pieces[0]).lines().filter_map(|line| line.strip_prefix("event: ")).collect();
        let expected = [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn a_cut_ends_the_stream_where_it_stands() {
        let pieces = of("::say one\n::cut\n::say two");
        assert_eq!(pieces.len(), 2);
        assert!(text_of(&pieces[0]).contains("one") && !text_of(&pieces[0]).contains("message_stop"));
        assert_eq!(pieces[1], Piece::Cut);
    }

    #[test]
    fn a_pace_cuts_at_characters() {
        let pieces = of("::chunk 2\n::slow 5\n::say äöü");
        let pause = Piece::Silent(Some(Duration::from_millis(5)));
        assert_eq!(pieces.iter().filter(|piece| **piece == pause).count(), 2);
    }
}
