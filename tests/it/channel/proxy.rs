//! A wire that breaks: carries so many bytes either way, and then cuts both ends off.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// What one connection carries before it breaks, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Breaks {
    pub(super) up: u64,
    pub(super) down: u64,
}

/// Listens for connections to `target`. Each breaks as the list says, in its order; those after its end never do.
pub(super) async fn broken_wire(target: SocketAddr, breaks: Vec<Breaks>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut breaks = breaks.into_iter();
        loop {
            let (near, _) = listener.accept().await.unwrap();
            let far = TcpStream::connect(target).await.unwrap();
            let Breaks { up, down } = breaks.next().unwrap_or(Breaks { up: u64::MAX, down: u64::MAX });
            tokio::spawn(carry(near, far, up, down));
        }
    });
    address
}

async fn carry(mut near: TcpStream, mut far: TcpStream, up: u64, down: u64) {
    let (near_reads, near_writes) = near.split();
    let (far_reads, far_writes) = far.split();
    tokio::select! {
        () = one_way(near_reads, far_writes, up) => {}
        () = one_way(far_reads, near_writes, down) => {}
    }
}

async fn one_way(from: ReadHalf<'_>, mut to: WriteHalf<'_>, bytes: u64) {
    // A broken end ends both ways, as the end of the bytes does.
    let _ = copy(&mut from.take(bytes), &mut to).await;
    let _ = to.flush().await;
}
