//! The live terminal: pictures from the daemon's WebSocket, keys and sizes to it.

use std::io;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::keys::{self, Keys, Meant};
use super::screen::{ENTER, LEAVE, Screen, inner};
use crate::cli::Failure;
use crate::cli::client::{Client, Socket, session_path};
use crate::cli::output;
use crate::cli::terminal::plain;
use crate::process::{RawTerminal, TerminalSize, terminal_size};
use crate::protocol::ScreenSize;
use crate::wire::terminal::{FromViewer, ToViewer};

/// How large a terminal is that does not know.
const SIZE: TerminalSize = TerminalSize { rows: 24, cols: 80 };

/// Close codes that are no error: the agent's process has ended.
const NORMAL: u16 = 1000;

/// How it ended.
enum Over {
    /// The user has left.
    Detached,
    /// The daemon says why.
    Closed(Option<CloseFrame>),
}

/// Shows the terminal until the user leaves or it is over.
pub(super) async fn attach(client: &Client, session: &str, watch: bool) -> Result<(), Failure> {
    let size = own_size();
    let agent = inner(size);
    let path = format!("terminal?rows={}&cols={}&keyboard={}", agent.rows(), agent.cols(), !watch);
    let socket = client.socket(&session_path(session, &path)).await?;
    let how = if watch { "q detaches" } else { "Ctrl-\\ twice detaches" };
    output::note(&format!("turnmux: attached to {}{}; {how}", plain(session), if watch { ", to watch" } else { "" }));
    let status = format!("{session} · {how}");
    let over = {
        let _raw = Raw::enter().map_err(Failure::output)?;
        let mut live = Live { socket, screen: Screen::new(size, status, !watch), keys: Keys::new(watch) };
        live.run().await?
    };
    match over {
        Over::Detached => output::note("turnmux: detached; the session goes on"),
        Over::Closed(Some(frame)) if u16::from(frame.code) == NORMAL => {
            output::note(&format!("turnmux: {}; the session's next turn starts another", plain(&frame.reason)));
        }
        Over::Closed(Some(frame)) => return Err(Failure::Failed(format!("the daemon let go: {}", frame.reason))),
        Over::Closed(None) => return Err(Failure::Failed("the daemon went away".to_owned())),
    }
    Ok(())
}

struct Live {
    socket: Socket,
    screen: Screen,
    keys: Keys,
}

impl Live {
    async fn run(&mut self) -> Result<Over, Failure> {
        let mut typed = keys::stdin().map_err(Failure::output)?;
        let mut resized = signal(SignalKind::window_change()).map_err(Failure::output)?;
        let mut ends = Ends::new().map_err(Failure::output)?;
        loop {
            tokio::select! {
                message = self.socket.next() => match message {
                    Some(Ok(Message::Binary(bytes))) => {
                        self.screen.take(&bytes);
                        self.draw()?;
                    }
                    Some(Ok(Message::Text(text))) => {
                        // What a later daemon says beside this is not needed.
                        if let Ok(ToViewer::Size { rows, cols }) = serde_json::from_str(&text) {
                            self.screen.agent_resized(ScreenSize::new(rows, cols));
                        }
                    }
                    Some(Ok(Message::Close(frame))) => return Ok(Over::Closed(frame)),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Ok(Over::Closed(None)),
                },
                read = typed.recv() => match read.map(|read| self.keys.take(&read)) {
                    Some(Meant::Agent(keys)) if keys.is_empty() => {}
                    Some(Meant::Agent(keys)) => if self.send(Message::Binary(keys)).await.is_err() {
                        return Ok(Over::Closed(None));
                    },
                    Some(Meant::Detach) | None => return Ok(self.leave().await),
                },
                _ = resized.recv() => {
                    let size = self.screen.resized(own_size());
                    let resize = FromViewer::Resize { rows: size.rows(), cols: size.cols() };
                    // Our own type into memory: this cannot fail.
                    let resize = serde_json::to_string(&resize).unwrap_or_default();
                    if self.send(Message::text(resize)).await.is_err() {
                        return Ok(Over::Closed(None));
                    }
                    self.draw()?;
                }
                () = ends.next() => return Ok(self.leave().await),
            }
        }
    }

    fn draw(&mut self) -> Result<(), Failure> {
        output::text(&self.screen.draw()).map_err(Failure::output)
    }

    async fn send(&mut self, message: Message) -> Result<(), ()> {
        self.socket.send(message).await.map_err(drop)
    }

    async fn leave(&mut self) -> Over {
        // The daemon sees it either way.
        let _ = self.socket.close(None).await;
        Over::Detached
    }
}

/// This terminal while the agent's is drawn on it.
struct Raw {
    _keys: RawTerminal,
}

impl Raw {
    fn enter() -> io::Result<Self> {
        let keys = RawTerminal::enter()?;
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // Before it is said, or it would be said on the screen that is about to go.
            leave();
            RawTerminal::restore();
            before(panic);
        }));
        let raw = Self { _keys: keys };
        output::text(ENTER)?;
        Ok(raw)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        leave();
    }
}

fn leave() {
    // A terminal that is gone needs nothing.
    let _ = output::text(LEAVE);
}

/// The signals that end a program: this one puts its terminal in order first.
struct Ends([Signal; 3]);

impl Ends {
    fn new() -> io::Result<Self> {
        Ok(Self([signal(SignalKind::terminate())?, signal(SignalKind::hangup())?, signal(SignalKind::interrupt())?]))
    }

    async fn next(&mut self) {
        let [terminate, hangup, interrupt] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

fn own_size() -> ScreenSize {
    let size = terminal_size().unwrap_or(SIZE);
    ScreenSize::new(size.rows, size.cols)
}
