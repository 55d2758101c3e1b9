//! A connection that breaks: what stands between OpenClaw and the daemon, and can be cut.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Hands on what comes, until it is cut. Connections that come later are handed on again.
pub(super) struct Proxy {
    port: u16,
    /// How often it was cut.
    cuts: watch::Sender<u32>,
}

impl Proxy {
    /// In front of this address.
    pub(super) async fn before(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let (cuts, _) = watch::channel(0);
        let (address, cut) = (address.to_owned(), cuts.clone());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let Ok(mut daemon) = TcpStream::connect(&address).await else { return };
                let mut cut = cut.subscribe();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut daemon) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { port, cuts }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Breaks all connections.
    pub(super) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}
