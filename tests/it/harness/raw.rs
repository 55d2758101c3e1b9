//! Requests that no HTTP library would send.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Client, Reply, within};

impl Client {
    /// Sends these bytes, all of them before anything is read; then reads until the daemon closes. The request has to ask
    /// for that (`connection: close`), or be so wrong that it happens anyway.
    pub(crate) async fn raw(&self, request: &[u8]) -> Reply {
        read(self.send_raw(request).await).await
    }

    /// The same, and says that no more follows.
    pub(crate) async fn raw_cut(&self, request: &[u8]) -> Reply {
        let mut stream = self.send_raw(request).await;
        stream.shutdown().await.expect("no more follows");
        read(stream).await
    }

    async fn send_raw(&self, request: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).await.expect("the daemon listens");
        within("the request to be taken", stream.write_all(request)).await.expect("the request is taken");
        stream
    }
}

async fn read(mut stream: TcpStream) -> Reply {
    let mut answer = Vec::new();
    within("the daemon to close", stream.read_to_end(&mut answer)).await.expect("an answer");
    parse(&answer)
}

/// A response whose body ends with the connection.
fn parse(answer: &[u8]) -> Reply {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no response: {:?}", String::from_utf8_lossy(answer)));
    let head = std::str::from_utf8(&answer[..end]).expect("headers of text");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let headers: HeaderMap = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap()))
        .collect();
    Reply { status: status.expect("a status"), headers, body: answer[end + 4..].to_vec().into() }
}
