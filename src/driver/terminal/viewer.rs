//! The viewer's side: pictures come, keys and sizes go.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::Ask;
use crate::protocol::ScreenSize;

/// The least time between two pictures: what is painted meanwhile comes in one.
const REST: Duration = Duration::from_millis(20);

/// Somebody who watches. Dropped, it has left.
#[derive(Debug)]
pub struct Viewer {
    hands: Hands,
    /// Its place is kept while this is there.
    place: Option<Arc<()>>,
    painted: watch::Receiver<u64>,
    /// The last picture.
    shown: Option<vt100::Screen>,
    /// There is a newer one.
    behind: bool,
    rests_until: Instant,
}

/// By which a viewer acts on the terminal. Clones are of the same viewer.
#[derive(Debug, Clone)]
pub struct Hands {
    pub(super) seat: u64,
    pub(super) asks: mpsc::Sender<Ask>,
}

/// What a viewer's terminal is to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The screen's size.
    pub size: ScreenSize,
    /// It is the whole screen, and it is of this size from now on; else what has changed on it.
    pub is_whole: bool,
    /// Letters and control sequences; a whole screen begins with clearing it.
    pub bytes: Bytes,
}

impl Viewer {
    pub(super) fn new(hands: Hands, place: Arc<()>, painted: watch::Receiver<u64>) -> Self {
        Self { hands, place: Some(place), painted, shown: None, behind: true, rests_until: Instant::now() }
    }

    /// By which it acts.
    pub fn hands(&self) -> Hands {
        self.hands.clone()
    }

    /// Waits until the screen shows something else than the last picture; the first picture comes at once. None when the
    /// agent's process has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Picture> {
        loop {
            if !self.behind {
                self.painted.changed().await.ok()?;
                self.behind = true;
            }
            sleep_until(self.rests_until).await;
            self.painted.borrow_and_update();
            let (reply, screen) = oneshot::channel();
            self.hands.asks.send(Ask::Look(reply)).await.ok()?;
            let screen = screen.await.ok()?;
            self.behind = false;
            self.rests_until = Instant::now() + REST;
            let picture = picture(self.shown.as_ref(), &screen);
            self.shown = Some(screen);
            if !picture.bytes.is_empty() {
                return Some(picture);
            }
        }
    }
}

impl Hands {
    /// Types into the agent's terminal; returns when it has the keys. False when its process has ended.
    pub async fn type_keys(&self, keys: Bytes) -> bool {
        let (done, typed) = oneshot::channel();
        let asked = self.asks.send(Ask::Type(keys, done)).await.is_ok();
        // Told by being dropped: when they are typed, or never will be.
        let _ = typed.await;
        asked
    }

    /// Says how large the viewer's screen is by now. False when the agent's process has ended.
    pub async fn resize(&self, size: ScreenSize) -> bool {
        self.asks.send(Ask::Resize(self.seat, size)).await.is_ok()
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.place = None;
        // Where there is no room, whatever is asked next shows it.
        let _ = self.hands.asks.try_send(Ask::Leave);
    }
}

fn picture(shown: Option<&vt100::Screen>, screen: &vt100::Screen) -> Picture {
    let (rows, cols) = screen.size();
    let size = ScreenSize::new(rows.get(), cols.get());
    let before = shown.filter(|shown| shown.size() == screen.size());
    let text = match before {
        Some(shown) => screen.state_diff(shown),
        None => screen.state_formatted(),
    };
    Picture { size, is_whole: before.is_none(), bytes: text.into() }
}
