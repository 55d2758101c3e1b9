//! A way between claude's hooks and the hub that can be cut.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::harness::within;

/// Passes one connection on.
pub(super) struct Proxy {
    pub(super) port: u16,
    cut: oneshot::Sender<()>,
    gone: JoinHandle<()>,
}

impl Proxy {
    pub(super) async fn to(hub: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (cut, mut to_cut) = oneshot::channel();
        let gone = tokio::spawn(async move {
            let (mut asker, _) = listener.accept().await.expect("a connection");
            let mut inward = TcpStream::connect(hub).await.expect("the hub listens");
            tokio::select! {
                _ = copy_bidirectional(&mut asker, &mut inward) => panic!("it was answered"),
                _ = &mut to_cut => {}
            }
            drop(asker);
            let _ = inward.shutdown().await;
            // The hub closes its side when it has seen that the asker is gone.
            let _ = inward.read_to_end(&mut Vec::new()).await;
        });
        Self { port, cut, gone }
    }

    /// Cuts it, and waits until the hub knows.
    pub(super) async fn cut(self) {
        self.cut.send(()).expect("it runs");
        within("the hub to see that the asker is gone", self.gone).await.expect("it does not panic");
    }
}
