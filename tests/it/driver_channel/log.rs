//! What the library logs in this process, for what shows nowhere else.

use std::io::{self, Write};
use std::sync::LazyLock;

use tokio::sync::watch;

use crate::harness::within;

/// One for all tests: a process has one log. Labels tell the tests apart.
static LOG: LazyLock<watch::Sender<String>> = LazyLock::new(|| {
    let subscriber = tracing_subscriber::fmt().with_env_filter("turnmux=debug").with_ansi(false).with_writer(|| Writer);
    // Only a second subscriber could fail it, and there is none in this program.
    tracing::subscriber::set_global_default(subscriber.finish()).expect("the first subscriber");
    watch::channel(String::new()).0
});

/// Begins to keep it, if nobody has.
pub(super) fn keep() {
    LazyLock::force(&LOG);
}

/// Waits until a line holds both.
pub(super) async fn line(label: &str, what: &str) {
    let mut log = LOG.subscribe();
    let there = log.wait_for(|log| log.lines().any(|line| line.contains(label) && line.contains(what)));
    let _log = within(&format!("a line {what:?} in the log of {label}"), there).await.expect("the log has no end");
}

/// What it says of one test.
pub(super) fn of(label: &str) -> String {
    LOG.borrow().lines().filter(|line| line.contains(label)).collect::<Vec<_>>().join("\n")
}

struct Writer;

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.send_modify(|log| log.push_str(&String::from_utf8_lossy(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
