//! What the command line prints. Nothing else in turnmux writes to stdout or stderr but the log.

use std::io::{self, Write as _, stderr, stdout};
use std::net::SocketAddr;

use serde::Serialize;

/// Says where the daemon listens: the one line on stdout, for people and for programs that started it.
pub fn listening(address: SocketAddr) {
    // Whoever started the daemon may have closed its stdout.
    let _ = writeln!(stdout(), "turnmux listening on http://{address}");
    let _ = stdout().flush();
}

/// Says why the program ends, with all causes.
pub fn error(error: &anyhow::Error) {
    let _ = writeln!(stderr(), "turnmux: {error:#}");
}

/// Text as it stands, on stdout, at once.
///
/// # Errors
/// When stdout is closed, or cannot be written.
pub(super) fn text(text: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// A value as one line of JSON, on stdout, at once.
///
/// # Errors
/// As [`text`].
pub(super) fn json(value: &impl Serialize) -> io::Result<()> {
    text(&format!("{}\n", serde_json::to_string(value)?))
}
