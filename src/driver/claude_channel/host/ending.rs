//! The end of the process.

use bytes::BytesMut;
use tokio::time::timeout;

use super::written::{Transcript, changed};
use super::{End, Host, Over};
use crate::process::{ChildSignal, StopLadder};
use crate::protocol::{DriverEnd, ErrorKind, TurnError};

impl Host<'_> {
    /// What is said of a process that is not ready in time.
    pub(super) fn hung(&self) -> TurnError {
        let message = format!(
            "{}: the agent was not ready after {:?} (`limits.ready`); its screen: {}",
            self.name,
            self.driver.limits.ready,
            self.start.shown()
        );
        TurnError::new(ErrorKind::StartFailed, message)
    }

    /// Ends the process by the ladder: the hang-up comes first, for a terminal that nobody reads keeps claude from hearing a
    /// signal.
    pub(super) async fn end(mut self, over: Over) -> (End, bool) {
        let limits = &self.driver.limits;
        if matches!(over, Over::Detached) && self.exchange.running() {
            // 2.1.197 leaves a running tool behind unless it is interrupted first.
            self.exchange.interrupt_now();
            let _ = timeout(limits.stop_eof, self.settled()).await;
        }
        self.held.clear();
        let ready = self.exchange.ready();
        if matches!(&over, Over::Lost(Some(error)) if error.kind == ErrorKind::Misconfigured) {
            // It allows more than it may, and has a turn: on the way down the ladder its tools would run.
            self.child.signal(ChildSignal::Kill);
        }
        // Its last hooks are refused at once: unanswered ones would keep it for a second and a half.
        drop(self.member);
        drop(self.terminal);
        let pid = self.child.pid();
        let stop = self.child.stop(StopLadder { eof: limits.stop_eof, term: limits.stop_term });
        tokio::pin!(stop);
        let mut open = true;
        let report = loop {
            tokio::select! {
                report = &mut stop => break report,
                // claude stands still, and hears no signal, where nobody reads its log.
                line = self.log.next(), if open => open = matches!(line, Ok(Some(_))),
            }
        };
        tracing::info!(backend = self.name, pid, "ended an agent");
        let skipped = self.transcript.as_ref().map_or(0, Transcript::skipped);
        if skipped > 0 {
            tracing::warn!(backend = self.name, lines = skipped, "the transcript has lines that cannot be read");
        }
        let id_is_taken = matches!(over, Over::Lost(None)) && !ready && self.start.refuses_thread();
        let end = match over {
            Over::Detached => End::Over(DriverEnd::Detached),
            Over::Unavailable(error) => End::Unavailable(error),
            Over::Lost(Some(error)) => End::Over(DriverEnd::Failed(error)),
            Over::Lost(None) => End::Over(DriverEnd::Failed(self.start.lost(&self.name, ready, report.status))),
        };
        (end, id_is_taken)
    }

    /// Returns when the interrupted turn is over.
    async fn settled(&mut self) {
        let mut painted = BytesMut::new();
        while self.exchange.running() {
            if self.act().await.is_err() {
                return;
            }
            self.exchange.events.clear();
            tokio::select! {
                frame = self.member.events.recv() => match frame {
                    Some(frame) => self.frame(frame),
                    None => return,
                },
                line = self.log.next() => match line {
                    Ok(Some(line)) => drop(self.log_line(&line.bytes)),
                    _ => return,
                },
                read = self.terminal.read(&mut painted) => match read {
                    Ok(count) if count > 0 => painted.clear(),
                    _ => return,
                },
                () = changed(self.transcript.as_mut()) => self.read_transcript(),
            }
        }
    }
}
