//! What the command line prints. Nothing else in turnmux writes to stdout or stderr but the log.

use std::io::{Write as _, stderr, stdout};
use std::net::SocketAddr;

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
