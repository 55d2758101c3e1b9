//! Programs that have a daemon's port and are none, or another one.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Says the same to everybody, and closes.
pub(super) struct Fake {
    pub(super) url: String,
    asked: Arc<Mutex<String>>,
    task: JoinHandle<()>,
}

impl Fake {
    /// Answers with these bytes.
    pub(super) async fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (bytes, asked) = (bytes.into(), Arc::new(Mutex::new(String::new())));
        let heard = asked.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {}
                heard.lock().unwrap().push_str(&String::from_utf8_lossy(&head));
                let _ = stream.write_all(&bytes).await;
            }
        });
        Self { url, asked, task }
    }

    /// Answers with this JSON.
    pub(super) async fn answering(body: &Value) -> Self {
        let body = body.to_string();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        Self::saying(head + &body).await
    }

    /// A daemon of this version.
    pub(super) async fn turnmux(version: &str) -> Self {
        Self::answering(&json!({"name": "turnmux", "ok": true, "version": version, "backends": {}})).await
    }

    /// All that it was asked.
    pub(super) fn asked(&self) -> String {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}
