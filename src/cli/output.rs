//! What the command line prints. Nothing else in turnmux writes to stdout or stderr but the log.

use std::io::{self, Write as _, stderr, stdout};
use std::net::SocketAddr;

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::terminal::{plain, plain_json};

/// Says where the daemon listens: the one line on stdout, for people and for programs that started it.
pub fn listening(address: SocketAddr) {
    // Whoever started the daemon may have closed its stdout.
    let _ = writeln!(stdout(), "turnmux listening on http://{address}");
    let _ = stdout().flush();
}

/// Says why the program ends: to people, or as JSON where that was asked for.
pub fn error(code: &str, message: &str) {
    // Errors quote what agents and daemons said.
    let _ = if wants_json() {
        let error = json!({"error": {"code": code, "message": message}}).to_string();
        writeln!(stderr(), "{}", plain_json(&error))
    } else {
        writeln!(stderr(), "turnmux: {}", plain(message))
    };
}

/// Whether programs read what is printed. Looked up among the arguments themselves, for those may be what is wrong.
pub(super) fn wants_json() -> bool {
    let mut flags = std::env::args_os().take_while(|arg| arg != "--");
    flags.any(|arg| arg == "--json" || arg == "--json-stream")
}

/// Something beside the result, on stderr; text of others in it has to be made [`plain`].
pub fn note(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

/// Text as it stands, on stdout, at once; text of others in it has to be made [`plain`].
///
/// # Errors
/// When stdout is closed, or cannot be written.
pub fn text(text: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// A value as one line of JSON, on stdout, at once.
///
/// # Errors
/// As [`text`].
pub fn json(value: &impl Serialize) -> io::Result<()> {
    let json = serde_json::to_string(value)?;
    text(&format!("{}\n", plain_json(&json)))
}

/// JSON as the daemon said it, on one line.
///
/// # Errors
/// As [`text`].
pub fn raw_json(value: &RawValue) -> io::Result<()> {
    json(&value)
}
