//! A thousand connections that want nothing good, beside one that works.

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::plugin::{Plugin, hello, reply};
use super::world::{World, heard, push};
use crate::harness::within;

const MANY: usize = 1000;

/// An upgrade by hand: the socket, and whether it was granted.
async fn upgrade(world: &World) -> (TcpStream, bool) {
    let mut stream = TcpStream::connect(world.hub.address()).await.unwrap();
    let request = "GET /bridge HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut status = [0; 12];
    let answered = async {
        stream.write_all(request.as_bytes()).await?;
        stream.read_exact(&mut status).await
    };
    match within("an answer to an upgrade", answered).await.map(|_| &status) {
        Ok(b"HTTP/1.1 101") => (stream, true),
        // It may be closed without a word, too: there are more strangers than even a refusal is written to.
        Ok(b"HTTP/1.1 503") | Err(_) => (stream, false),
        Ok(other) => panic!("{}", String::from_utf8_lossy(other)),
    }
}

/// Room for this test's sockets, which all are in this process.
fn raise_the_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(16_384).max(soft), hard).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_that_never_say_hello() {
    raise_the_limit();
    let world = World::new().await;
    let (mut member, mut plugin) = world.pair().await;
    let mut waiting: Vec<Plugin> = Vec::new();
    for _ in 0..64 {
        waiting.push(world.stranger().await);
    }
    let silent = join_all((0..MANY / 4).map(|_| TcpStream::connect(world.hub.address())));
    // Not all at once: the kernel's own queue for connections has an end, too.
    let flood = stream::iter(0..MANY).map(|_| upgrade(&world)).buffer_unordered(MANY / 4).collect::<Vec<_>>();
    let work = async {
        for n in 1..=200 {
            push(&member, "m");
            assert_eq!(plugin.hear_of("inbound").await["seq"], n);
            plugin.say(&serde_json::json!({"type": "ack", "seq": n})).await;
            plugin.say(&reply(n, "r")).await;
            assert_eq!(heard(&mut member).await, "reply r");
        }
    };
    let (silent, flood, ()) = futures_util::join!(silent, flood, work);
    assert!(flood.iter().all(|(_, granted)| !granted), "there was no place left, so that each was refused at once");
    assert!(silent.iter().all(Result::is_ok));
    // Those that wait were not disturbed, and whoever is done makes room for one more.
    let late = world.hub.enlist("main::late");
    let mut first = waiting.remove(0);
    first.say(&hello(late.token.expose(), 0)).await;
    assert_eq!(first.hear().await["type"], "hello_ack");
    assert!(upgrade(&world).await.1, "its place is free");
    assert_eq!(world.hub.connected(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_that_work() {
    raise_the_limit();
    let world = World::new().await;
    let mut pairs = Vec::new();
    for _ in 0..MANY {
        pairs.push(world.pair().await);
    }
    assert_eq!(world.hub.connected(), MANY);
    let all = pairs.iter_mut().enumerate().map(|(n, (member, plugin))| async move {
        push(member, &format!("m{n}"));
        assert_eq!(plugin.hear().await["content"], format!("m{n}"));
        plugin.say(&reply(1, &format!("r{n}"))).await;
        assert_eq!(heard(member).await, format!("reply r{n}"), "its own and nobody else's");
    });
    join_all(all).await;
}
