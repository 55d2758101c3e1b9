//! The configuration, through the real program.

use crate::harness::Daemon;

#[tokio::test]
async fn flags_beat_variables_beat_the_file() {
    let file = || Daemon::stand_in().config("sessions.max_live = 3");
    let variable = || file().env("TURNMUX_SESSIONS__MAX_LIVE", "4");
    file().start().await.logged("max_live=3\n", 1).await;
    variable().start().await.logged("max_live=4\n", 1).await;
    variable().args(&["--max-live", "5"]).start().await.logged("max_live=5\n", 1).await;
}

#[tokio::test]
async fn a_variable_reaches_where_the_file_does() {
    let daemon = Daemon::stand_in()
        .env("TURNMUX_SERVER__HEARTBEAT", "100ms")
        .env("TURNMUX_BACKENDS__CLAUDE_CODE__COMMAND", "no-such-program")
        .start()
        .await;
    let refusal = daemon.client.ask("hello").await.refused(503, "agent_not_installed");
    assert!(refusal.message.contains("no-such-program"), "{refusal:?}");
}

#[tokio::test]
async fn an_unknown_key_is_refused_with_the_nearest_right_one() {
    let file = Daemon::stand_in().config("[server]\nhartbeat = \"1s\"").refuse();
    let variable = Daemon::stand_in().env("TURNMUX_SERVER__HARTBEAT", "1s").refuse();
    let table = Daemon::stand_in().config("[sesions]\nqueue_max = 1").refuse();
    for ((said, status), right) in
        [(file.await, "server.heartbeat"), (variable.await, "TURNMUX_SERVER__HEARTBEAT"), (table.await, "sessions")]
    {
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("did you mean") && said.contains(right), "{said}");
    }
}

#[tokio::test]
async fn a_value_that_cannot_be_is_refused_with_its_place() {
    for (config, said) in [
        ("server.heartbeat = \"1ms\"", "server.heartbeat"),
        ("sessions.queue_max = 0", "sessions.queue_max"),
        ("server.listen = \"nowhere\"", "server.listen"),
        ("default_backend = \"claude-cod\"", "claude-code"),
        ("[backends.x]\ndriver = \"clod-stream\"", "claude-stream"),
        ("[server", "line 1"),
    ] {
        let (text, status) = Daemon::stand_in().config(config).refuse().await;
        assert!(!status.success() && text.contains(said), "{config}: {text}");
    }
}

#[tokio::test]
async fn flags_that_make_no_sense_are_refused() {
    for args in [&["--max-live", "many"][..], &["--permission", "all"], &["--frobnicate"], &["--listen", "x"]] {
        let (said, status) = Daemon::stand_in().args(args).refuse().await;
        assert!(!status.success() && !said.is_empty(), "{args:?}: {said}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_said() {
    let daemon = Daemon::stand_in().start().await;
    let port = daemon.client.address.rsplit_once(':').unwrap().1;
    let (said, status) = Daemon::stand_in().args(&["--port", port]).refuse().await;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("cannot listen on") && said.contains("--port"), "{said}");
    assert!(daemon.client.ask("hello").await.status.is_success(), "the first is not disturbed");
}
