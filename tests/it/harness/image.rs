//! Images to show.

use data_encoding::BASE64;
use serde_json::{Value, json};

/// A red square of 32 by 32 pixels, as base64.
pub(crate) const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAKElEQVR4nO3NsQ0AAAzCMP5/un0CNkuZ41wybXsHAAAAAAAAAAAAxR4yw/wuPL6QkAAAAABJRU5ErkJggg==";

/// What begins like a PNG and is so many bytes long, as base64. No program that looks at pictures would take it for one.
pub(crate) fn png(bytes: usize) -> String {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    png.resize(bytes, b'x');
    BASE64.encode(&png)
}

/// The body of a request that shows PNGs with a text.
pub(crate) fn shows(text: &str, pngs: &[&str]) -> Value {
    let mut content = vec![json!({"type": "text", "text": text})];
    content.extend(pngs.iter().map(|png| {
        json!({"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{png}"), "detail": "auto"}})
    }));
    json!({"model": "claude-code", "messages": [{"role": "user", "content": content}]})
}
