//! `scripts/setup-openclaw.sh --service`: OpenClaw starts turnmux when it needs it, and ends it when it ends itself.

use tokio::net::{TcpListener, TcpStream};

use super::world::{OpenClaw, said};
use crate::harness::all_gone;
use crate::support::model::Model;

#[tokio::test]
async fn openclaw_starts_turnmux_when_it_needs_it_and_ends_it_with_itself() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    // The folder's own name.
    let scratch = folder.path().canonicalize().unwrap();
    let model = Model::start().await;
    // Where `all_gone` looks.
    let openclaw = OpenClaw::at(&scratch.join("home"));
    // The port is free for nobody else asks for it: the system gives out another one each time.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let set_up = openclaw.set_up(&["--port", &port.to_string(), "--service"]).await;
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "nothing runs yet: {set_up:?}");

    let ask = async |text: &str| {
        let mut command = openclaw.command_with_claude("openclaw", &model);
        said(command.args(["agent", "--local", "--agent", "main", "--message", text])).await
    };
    let first = ask("hello").await;
    assert!(first.success && first.stdout.contains("You said: hello [turn 1]"), "{first:?}");
    all_gone(&scratch).await;
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "turnmux has ended with OpenClaw");

    let second = ask("and again").await;
    assert!(second.stdout.contains("You said: and again [turn 2]"), "the conversation goes on: {second:?}");
    all_gone(&scratch).await;
}
