//! Who may ask at all.

use serde_json::json;
use turnmux::channel::{ChannelError, Hub, HubConfig};

use super::world::World;

const UPGRADE: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test]
async fn only_loopback_is_listened_on() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        match Hub::bind(address.parse().unwrap(), HubConfig::default()).await {
            Err(error @ ChannelError::NotLoopback(_)) => {
                assert!(error.to_string().contains("use 127.0.0.1"), "{error}");
            }
            Err(error) => panic!("{address}: {error}"),
            Ok(_) => panic!("{address} was taken"),
        }
    }
    let world = World::new().await;
    match Hub::bind(world.hub.address(), HubConfig::default()).await {
        Err(error) => assert!(error.to_string().contains("use another port"), "{error}"),
        Ok(_) => panic!("the same port twice"),
    }
}

/// A page in a browser can reach loopback, but not without `Origin`; and a name that points to loopback shows in `Host`.
#[tokio::test]
async fn browsers_are_refused_everywhere() {
    let world = World::new().await;
    let member = world.hub.enlist("main::test");
    let asker = world.asker(&member);
    let address = world.hub.address();
    for origin in ["http://localhost", "null", "https://evil.example"] {
        for path in ["/hooks", "/bridge", "/elsewhere"] {
            assert_eq!(asker.with("origin", origin).post(path, &json!({})).await.status, 403, "{path} {origin}");
        }
        let upgrade = format!("GET /bridge HTTP/1.1\r\nhost: {address}\r\norigin: {origin}\r\n{UPGRADE}\r\n");
        assert_eq!(world.client().raw(upgrade.as_bytes()).await.status, 403, "{origin}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example:80", "user@127.0.0.1"] {
        let upgrade = format!("GET /bridge HTTP/1.1\r\nhost: {host}\r\n{UPGRADE}\r\n");
        assert_eq!(world.client().raw(upgrade.as_bytes()).await.status, 403, "{host}");
    }
    let foreign = format!("GET http://evil.example/bridge HTTP/1.1\r\nhost: {address}\r\n{UPGRADE}\r\n");
    assert_eq!(world.client().raw(foreign.as_bytes()).await.status, 403);
}

#[tokio::test]
async fn what_is_not_there() {
    let world = World::new().await;
    let client = world.client();
    assert_eq!(client.get("/").await.status, 404);
    assert_eq!(client.get("/bridge/").await.status, 404);
    assert_eq!(client.get("/hooks").await.status, 405);
    assert_eq!(client.post("/bridge", &json!({})).await.status, 405);
    let plain = client.get("/bridge").await;
    assert_eq!((plain.status.as_u16(), plain.header("upgrade")), (426, Some("websocket")));
    let old = format!("GET /bridge HTTP/1.1\r\nhost: localhost\r\n{}\r\n", UPGRADE.replace("13", "8"));
    let old = client.raw(old.as_bytes()).await;
    assert_eq!((old.status.as_u16(), old.header("sec-websocket-version")), (426, Some("13")));
}
