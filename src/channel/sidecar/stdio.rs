//! Standard input that says when it has ended: the agent is gone then, whatever else is still going on.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::oneshot;

/// A reader, and whom to tell of its end.
pub(super) struct Watched<R> {
    reader: R,
    end: Option<oneshot::Sender<()>>,
}

/// Watches a reader; the receiver gets its one message at the end or at the first error.
pub(super) fn watched<R>(reader: R) -> (Watched<R>, oneshot::Receiver<()>) {
    let (end, ended) = oneshot::channel();
    (Watched { reader, end: Some(end) }, ended)
}

impl<R: AsyncRead + Unpin> AsyncRead for Watched<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.reader).poll_read(cx, buf);
        let goes_on = match &polled {
            Poll::Pending => true,
            Poll::Ready(Ok(())) => buf.filled().len() > before,
            Poll::Ready(Err(_)) => false,
        };
        if !goes_on && let Some(end) = self.end.take() {
            // Nobody listens any more when we are on our way out already.
            let _ = end.send(());
        }
        polled
    }
}
