//! The socket that a service manager listens on, handed over as systemd does it.

use std::net::TcpListener;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixListener;

use crate::harness::{Daemon, DaemonBuilder, within};

/// A socket of the manager's, and a handle of it for the daemon.
fn socket(address: &str) -> (TcpListener, TcpListener) {
    let socket = TcpListener::bind(address).unwrap();
    let handle = socket.try_clone().unwrap();
    (socket, handle)
}

/// A daemon whose own address is taken: it starts only if it does not want it.
fn daemon(taken: &TcpListener) -> DaemonBuilder {
    Daemon::stand_in().config(&format!("server.listen = \"{}\"", taken.local_addr().unwrap())).args(&["--port", "0"])
}

#[tokio::test]
async fn the_daemon_answers_on_it_and_listens_nowhere_else() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (socket, handle) = socket("127.0.0.1:0");
    let config = format!("server.listen = \"{}\"", taken.local_addr().unwrap());
    let daemon = Daemon::stand_in().config(&config).handing_over(handle).start().await;
    assert_eq!(daemon.client.address, socket.local_addr().unwrap().to_string());
    assert_eq!(daemon.client.session("a::b").ask("one").await.text(), "You said: one [turn 1]");
    assert!(daemon.stop().await.success());
}

/// The manager keeps the socket, so nobody is refused while there is no daemon.
#[tokio::test]
async fn who_comes_while_there_is_no_daemon_is_answered_by_the_next() {
    let (socket, handle) = socket("127.0.0.1:0");
    let first = Daemon::stand_in().handing_over(handle).start().await;
    let (scratch, client) = (first.share_scratch(), first.client.session("a::b"));
    assert_eq!(client.ask("one").await.text(), "You said: one [turn 1]");
    assert!(first.stop().await.success());
    // Connected now, for the socket listens; answered later.
    let early = std::net::TcpStream::connect(socket.local_addr().unwrap()).unwrap();
    let asked = tokio::spawn(async move { client.ask("two").await });
    let second = Daemon::stand_in().scratch(scratch).handing_over(socket).start().await;
    let answer = within("the answer to who came early", asked).await.unwrap();
    assert_eq!(answer.text(), "You said: two [turn 2]", "in the session's thread");
    drop(early);
    assert!(second.stop().await.success());
}

#[tokio::test]
async fn what_is_meant_for_another_process_is_left_alone() {
    let builder = Daemon::stand_in().env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let daemon = builder.start().await;
    assert!(daemon.client.ask("hello").await.status.is_success(), "it listens by itself");
}

#[tokio::test]
async fn what_is_no_listening_tcp_socket_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let unix = UnixListener::bind(folder.path().join("socket")).unwrap();
    let file = std::fs::File::create(folder.path().join("file")).unwrap();
    let (_listening, accepting) = socket("127.0.0.1:0");
    let connected = std::net::TcpStream::connect(accepting.local_addr().unwrap()).unwrap();
    for (builder, said) in [
        (Daemon::stand_in().handing_over(unix), "no TCP socket that listens"),
        (Daemon::stand_in().handing_over(file), "no TCP socket that listens"),
        (Daemon::stand_in().handing_over(connected), "no TCP socket that listens"),
        (Daemon::stand_in().handing_over(accepting).env("LISTEN_FDS", "2"), "exactly one socket"),
    ] {
        let (text, status) = builder.refuse().await;
        assert!(status.code() == Some(1) && text.contains(said), "{text}");
    }
}

/// Neither the socket nor the word of it: an agent that had them could answer in the daemon's place.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn agents_hear_nothing_of_it() {
    use std::os::unix::fs::MetadataExt as _;

    let (socket, handle) = socket("127.0.0.1:0");
    let inode = std::fs::metadata(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap().ino();
    let daemon = Daemon::stand_in().handing_over(handle).env("NOTIFY_SOCKET", "@SCRATCH@/nobody").start().await;
    daemon.client.session("a::b").ask("one").await;
    let has_it = |pid: u32| {
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().map(|entry| entry.unwrap().path());
        descriptors.filter_map(|path| std::fs::metadata(path).ok()).any(|file| file.ino() == inode)
    };
    let agent = daemon.agent("a::b").await;
    assert!(has_it(daemon.pid()) && !has_it(agent));
    let environment = std::fs::read(format!("/proc/{agent}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    assert!(environment.contains("HOME=") && !environment.contains("LISTEN_") && !environment.contains("NOTIFY_"));
}

/// Whatever the configuration says: it is the socket's address that others reach.
#[tokio::test]
async fn a_socket_that_other_machines_reach_needs_a_key() {
    let (_, handle) = socket("0.0.0.0:0");
    let (said, status) = Daemon::stand_in().handing_over(handle).refuse().await;
    assert!(!status.success() && said.contains("there is no API key"), "{said}");
}

#[tokio::test]
async fn flags_do_not_move_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (socket, handle) = socket("127.0.0.1:0");
    let started = daemon(&taken).handing_over(handle).start().await;
    assert_eq!(started.client.address, socket.local_addr().unwrap().to_string());
}
