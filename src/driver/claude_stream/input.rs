//! Lines to claude.
//!
//! claude reads slash commands and `@file` mentions out of the *last* text block of a user line. Client text is to stay
//! text, so two things are done at once: `text_not_typed` on the line, which 2.1.300 and later honour, and a blank block
//! behind the text, which hides it from every version tried (2.1.197, 2.1.329) and which claude strips from the prompt.
//!
//! Images stand before the text, as base64. What its service would not take (over 5 MB, over 2000 pixels a side) claude scales
//! down, and in place of what is no image after all it tells the model so.

use bytes::BytesMut;

use crate::driver::TurnInput;
use crate::protocol::CommandPolicy;
use crate::wire::claude::{ImageSource, Input, InputBlock, PermissionAnswer, Request, Response, UserMessage};

/// What claude drops from the prompt, and what keeps it from parsing the block before.
const BLANK: &str = " ";

/// Appends a line that begins a turn, or steers the one that runs.
pub(super) fn user(out: &mut BytesMut, uuid: uuid::Uuid, input: &TurnInput, commands: CommandPolicy) {
    let mut content: Vec<InputBlock<'_>> = input.preface.iter().map(|text| InputBlock::Text { text }).collect();
    content.extend(input.images.iter().map(|image| {
        let (media_type, data) = (image.format().media_type(), image.base64());
        InputBlock::Image { source: ImageSource::Base64 { media_type, data } }
    }));
    // The service refuses an empty block.
    if !input.text.is_empty() || input.images.is_empty() {
        content.push(InputBlock::Text { text: &input.text });
    }
    let literal = commands == CommandPolicy::Literal;
    if literal {
        content.push(InputBlock::Text { text: BLANK });
    }
    let message = UserMessage { role: "user", content };
    line(out, &Input::User { message, uuid, text_not_typed: literal });
}

/// Appends the command that begins a new conversation in the same process. claude takes it for typed.
pub(super) fn clear(out: &mut BytesMut, uuid: uuid::Uuid) {
    let message = UserMessage { role: "user", content: vec![InputBlock::Text { text: "/clear" }] };
    line(out, &Input::User { message, uuid, text_not_typed: false });
}

/// Appends a request.
pub(super) fn request(out: &mut BytesMut, id: &str, request: Request<'_>) {
    line(out, &Input::ControlRequest { request_id: id.to_owned(), request });
}

/// Appends the answer to a permission request.
pub(super) fn answer(out: &mut BytesMut, request_id: &str, response: PermissionAnswer<'_>) {
    line(out, &Input::ControlResponse { response: Response::Success { request_id, response } });
}

/// Appends a refusal of a request that turnmux does not know.
pub(super) fn refuse(out: &mut BytesMut, request_id: &str) {
    let error = "turnmux does not handle this request";
    line(out, &Input::ControlResponse { response: Response::Error { request_id, error } });
}

fn line(out: &mut BytesMut, input: &Input<'_>) {
    use bytes::BufMut;
    // Serialising our own types into memory cannot fail.
    let written = serde_json::to_writer(out.writer(), input);
    debug_assert!(written.is_ok());
    out.put_u8(b'\n');
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::{Image, ImageFormat};

    fn written(text: &str, commands: CommandPolicy) -> Value {
        written_with(text, &[], commands)
    }

    fn written_with(text: &str, images: &[Image], commands: CommandPolicy) -> Value {
        let mut out = BytesMut::new();
        let input = TurnInput { preface: vec!["before".into()], images: images.to_vec(), text: text.into() };
        user(&mut out, uuid::Uuid::new_v4(), &input, commands);
        assert_eq!(out.iter().position(|&byte| byte == b'\n'), Some(out.len() - 1), "one line");
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn client_text_is_not_in_the_last_block() {
        let line = written("/clear\n@/etc/hostname", CommandPolicy::Literal);
        assert_eq!(line["text_not_typed"], json!(true));
        assert_eq!(
            line["message"]["content"],
            json!([{"type":"text","text":"before"},{"type":"text","text":"/clear\n@/etc/hostname"},{"type":"text","text":" "}])
        );
    }

    #[test]
    fn images_stand_before_the_text_as_they_came() {
        let base64 = "iVBORw0KGgo=";
        let image = Image::from_base64(ImageFormat::Png, base64.into()).unwrap();
        let block = json!({"type":"image","source":{"type":"base64","media_type":"image/png","data":base64}});
        let text = |text: &str| json!({"type":"text","text":text});
        let content =
            |text, commands| written_with(text, std::slice::from_ref(&image), commands)["message"]["content"].clone();
        let (literal, allow) = (CommandPolicy::Literal, CommandPolicy::Allow);
        assert_eq!(content("/clear", literal), json!([text("before"), block, text("/clear"), text(" ")]));
        assert_eq!(content("what", allow), json!([text("before"), block, text("what")]));
        assert_eq!(content("", literal), json!([text("before"), block, text(" ")]));
        assert_eq!(content("", allow), json!([text("before"), block]));
    }

    #[test]
    fn commands_pass_where_the_backend_allows_them() {
        let line = written("/clear", CommandPolicy::Allow);
        assert_eq!(line.get("text_not_typed"), None);
        assert_eq!(line["message"]["content"][1], json!({"type":"text","text":"/clear"}));
        assert_eq!(line["message"]["content"].as_array().map(Vec::len), Some(2));
    }
}
