//! What a service manager is told.

use tokio::net::UnixDatagram;

use crate::harness::{Daemon, within};

async fn told(manager: &UnixDatagram) -> String {
    let mut said = [0; 256];
    let length = within("the daemon to say how far it is", manager.recv(&mut said)).await.unwrap();
    String::from_utf8(said[..length].to_vec()).unwrap()
}

#[tokio::test]
async fn it_hears_that_the_daemon_serves_and_that_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let daemon = Daemon::stand_in().env("NOTIFY_SOCKET", path.display().to_string()).start().await;
    assert_eq!(told(&manager).await, "READY=1");
    assert!(daemon.client.ask("hello").await.status.is_success());
    assert!(daemon.stop().await.success());
    assert_eq!(told(&manager).await, "STOPPING=1");
}

/// With `@` in front it is a name of the kernel's, in no folder.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_may_listen_under_an_abstract_name() {
    use std::os::linux::net::SocketAddrExt as _;

    let name = format!("turnmux-test-{}", uuid::Uuid::new_v4());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let manager = std::os::unix::net::UnixDatagram::bind_addr(&address).unwrap();
    manager.set_nonblocking(true).unwrap();
    let manager = UnixDatagram::from_std(manager).unwrap();
    let _daemon = Daemon::stand_in().env("NOTIFY_SOCKET", format!("@{name}")).start().await;
    assert_eq!(told(&manager).await, "READY=1");
}

#[tokio::test]
async fn a_manager_that_is_gone_stops_nobody() {
    let daemon = Daemon::stand_in().env("NOTIFY_SOCKET", "@SCRATCH@/nobody").start().await;
    daemon.logged("the service manager cannot be told: READY=1", 1).await;
    assert!(daemon.client.ask("hello").await.status.is_success());
}
