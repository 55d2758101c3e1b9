//! The messages of a turn as claude streams them: blocks that open, grow and close, each followed by its whole.

use std::io;

use super::{
    super::script::Call,
    output::{Output, quoted},
    result,
};

/// The model's messages of one turn.
#[derive(Debug)]
pub(super) struct Messages {
    model: String,
    id: String,
    /// How many were begun.
    pub(super) count: u32,
    begun: bool,
    block: Option<Block>,
    index: usize,
    /// Text of the last finished text block of the last message.
    pub(super) text: String,
    /// The uuids of the finished assistant lines.
    pub(super) uuids: Vec<String>,
}

/// An open block.
#[derive(Debug)]
struct Block {
    kind: Kind,
    /// What its finished form says.
    text: String,
}

/// What a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Thinking,
}

impl Messages {
    pub(super) fn new(model: &str, turn: usize) -> Self {
        Self {
            model: quoted(model),
            id: format!("msg_stand_in_{}_{turn}", std::process::id()),
            count: 0,
            begun: false,
            block: None,
            index: 0,
            text: String::new(),
            uuids: Vec::new(),
        }
    }

    /// A delta; `more` stands behind it in its line.
    pub(super) fn delta(&mut self, kind: Kind, chunk: &str, more: &str, output: &mut Output) -> io::Result<()> {
        let index = self.index_of_open(kind, output)?;
        let (name, key) = match kind {
            Kind::Text => ("text_delta", "text"),
            Kind::Thinking => ("thinking_delta", "thinking"),
        };
        output.event(
            format_args!(
                "{{\"type\":\"content_block_delta\",\"index\":{index},\"delta\":{{\"type\":\"{name}\",\"{key}\":{}}}}}",
                quoted(chunk)
            ),
            more,
        )?;
        if let Some(block) = &mut self.block {
            block.text.push_str(chunk);
        }
        Ok(())
    }

    /// Text that the finished block has and no delta brought.
    pub(super) fn add_unstreamed(&mut self, text: &str, output: &mut Output) -> io::Result<()> {
        self.index_of_open(Kind::Text, output)?;
        if let Some(block) = &mut self.block {
            block.text.push_str(text);
        }
        Ok(())
    }

    /// Makes the finished block say something else than its deltas.
    pub(super) fn replace(&mut self, text: &str, output: &mut Output) -> io::Result<()> {
        self.index_of_open(Kind::Text, output)?;
        if let Some(block) = &mut self.block {
            text.clone_into(&mut block.text);
        }
        Ok(())
    }

    /// A whole tool call; gives its id.
    pub(super) fn tool(&mut self, call: &Call, output: &mut Output) -> io::Result<String> {
        self.close(false, output)?;
        self.begin(output)?;
        let (index, name) = (self.index, quoted(&call.name));
        let id = format!("toolu{}_{}_{index}", &self.id["msg".len()..], self.count);
        output.event(
            format_args!(
                "{{\"type\":\"content_block_start\",\"index\":{index},\"content_block\":\
                 {{\"type\":\"tool_use\",\"id\":\"{id}\",\"name\":{name},\"input\":{{}}}}}}"
            ),
            "",
        )?;
        output.event(
            format_args!(
                "{{\"type\":\"content_block_delta\",\"index\":{index},\"delta\":\
                 {{\"type\":\"input_json_delta\",\"partial_json\":{}}}}}",
                quoted(&call.input.to_string())
            ),
            "",
        )?;
        let content = format!("{{\"type\":\"tool_use\",\"id\":\"{id}\",\"name\":{name},\"input\":{}}}", call.input);
        self.whole(&content, "", output)?;
        self.stop(output)?;
        Ok(id)
    }

    /// Ends the message, if one was begun. Without a stop reason it was interrupted.
    pub(super) fn end(&mut self, stop_reason: Option<&str>, output: &mut Output) -> io::Result<()> {
        self.close(stop_reason.is_none(), output)?;
        if !std::mem::take(&mut self.begun) {
            return Ok(());
        }
        let reason = stop_reason.map_or_else(|| "null".to_owned(), quoted);
        output.event(
            format_args!(
                "{{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":{reason},\"stop_sequence\":null}},\
                 \"usage\":{{\"output_tokens\":20}}}}"
            ),
            "",
        )?;
        output.event(format_args!("{{\"type\":\"message_stop\"}}"), "")
    }

    /// Begins the message, if none is.
    pub(super) fn begin(&mut self, output: &mut Output) -> io::Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        self.count += 1;
        self.index = 0;
        self.text.clear();
        output.event(
            format_args!(
                "{{\"type\":\"message_start\",\"message\":{{\"id\":\"{}_{}\",\"type\":\"message\",\"role\":\"assistant\",\
                 \"model\":{},\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{}}}}}",
                self.id,
                self.count,
                self.model,
                result::usage(1)
            ),
            "",
        )
    }

    fn index_of_open(&mut self, kind: Kind, output: &mut Output) -> io::Result<usize> {
        if self.block.as_ref().is_some_and(|block| block.kind == kind) {
            return Ok(self.index);
        }
        self.close(false, output)?;
        self.begin(output)?;
        let empty = match kind {
            Kind::Text => "{\"type\":\"text\",\"text\":\"\"}",
            Kind::Thinking => "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}",
        };
        let index = self.index;
        output.event(
            format_args!("{{\"type\":\"content_block_start\",\"index\":{index},\"content_block\":{empty}}}"),
            "",
        )?;
        self.block = Some(Block { kind, text: String::new() });
        Ok(index)
    }

    /// Ends the open block, if there is one: its whole goes out before its stop, as with claude.
    fn close(&mut self, aborted: bool, output: &mut Output) -> io::Result<()> {
        let Some(block) = self.block.take() else {
            return Ok(());
        };
        let text = quoted(&block.text);
        let content = match block.kind {
            Kind::Text => format!("{{\"type\":\"text\",\"text\":{text}}}"),
            Kind::Thinking => format!("{{\"type\":\"thinking\",\"thinking\":{text},\"signature\":\"c3RhbmQtaW4=\"}}"),
        };
        self.whole(&content, if aborted { ",\"aborted\":true" } else { "" }, output)?;
        if block.kind == Kind::Text {
            self.text = block.text;
        }
        self.stop(output)
    }

    fn whole(&mut self, content: &str, more: &str, output: &mut Output) -> io::Result<()> {
        let uuid = output.line(format_args!(
            "\"type\":\"assistant\",\"message\":{{\"id\":\"{}_{}\",\"type\":\"message\",\"role\":\"assistant\",\"model\":{},\
             \"content\":[{content}],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{},\"context_management\":null}},\
             \"parent_tool_use_id\":null{more}",
            self.id,
            self.count,
            self.model,
            result::usage(1)
        ))?;
        self.uuids.push(uuid);
        Ok(())
    }

    fn stop(&mut self, output: &mut Output) -> io::Result<()> {
        let index = self.index;
        self.index += 1;
        output.event(format_args!("{{\"type\":\"content_block_stop\",\"index\":{index}}}"), "")
    }
}
