//! Where the daemon is, and what stands there instead.

use serde_json::json;

use super::fake::Fake;
use crate::harness::{Daemon, Turnmux};

const KEY: &str = "key-of-the-daemon";

/// Every verb that asks a daemon.
const VERBS: [&[&str]; 10] = [
    &["sessions"],
    &["show", "a::b"],
    &["tail", "a::b"],
    &["steer", "a::b", "more"],
    &["interrupt", "a::b"],
    &["answer", "a::b", "req_1", "allow"],
    &["reset", "a::b"],
    &["close", "a::b"],
    &["status"],
    &["stop"],
];

#[tokio::test]
async fn without_a_daemon_every_verb_says_how_to_start_one() {
    for verb in VERBS {
        Turnmux::new(verb).run().await.failed(3, &["no daemon at 127.0.0.1:1 ", "`turnmux serve`", "--url"]);
    }
}

#[tokio::test]
async fn the_flag_comes_before_the_variable_before_the_configuration() {
    let daemon = Daemon::stand_in().start().await;
    let url = format!("http://{}", daemon.client.address);
    let status = Turnmux::new(&["status"]);
    status.clone().env("TURNMUX_SERVER__LISTEN", &*daemon.client.address).run().await.ok();
    let by_file = Turnmux::new(&["status", "--config", "here.toml"]).env("TURNMUX_SERVER__LISTEN", "");
    by_file.file("here.toml", &format!("server.listen = \"{}\"", daemon.client.address)).run().await.ok();
    status.clone().env("TURNMUX_URL", &*url).run().await.ok();
    let wrong = status.env("TURNMUX_URL", "http://127.0.0.1:2");
    wrong.run().await.failed(3, &["no daemon at 127.0.0.1:2 "]);
    let said = wrong.clone().args(&["--url", &url]).run().await.ok();
    assert!(
        said.starts_with(&format!("turnmux {} runs: {url}, pid {}", env!("CARGO_PKG_VERSION"), daemon.pid())),
        "{said}"
    );
    // With the scheme of OpenAI's clients, and by a name.
    let port = url.rsplit_once(':').unwrap().1;
    wrong.clone().args(&["--url", &format!("http://localhost:{port}/v1")]).run().await.ok();
}

#[tokio::test]
async fn an_address_that_cannot_be_is_refused_and_not_repeated() {
    let refused = async |url: &str, words: &[&str]| {
        let by_flag = Turnmux::new(&["sessions", "--url", url]).run().await.failed(2, words);
        assert!(by_flag.starts_with("turnmux: --url: "), "{by_flag}");
        Turnmux::new(&["sessions"]).env("TURNMUX_URL", url).run().await.failed(2, &["TURNMUX_URL: "])
    };
    refused("https://mux.example.org", &["https://", "tunnel", "ssh -L"]).await;
    refused("http://192.168.1.2:7433", &["192.168.1.2 is not this machine", "ssh -L"]).await;
    refused("nonsense", &["http://127.0.0.1:7433"]).await;
    let said = refused("http://me:secret-word@127.0.0.1:1", &["TURNMUX_API_KEY"]).await;
    assert!(!said.contains("secret-word"), "{said}");
}

#[tokio::test]
async fn another_program_on_the_port_is_told_apart_and_sees_no_key() {
    for fake in [
        Fake::saying("SSH-2.0-OpenSSH_9.9\r\n").await,
        Fake::saying("").await,
        Fake::saying("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await,
        Fake::saying("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await,
        Fake::answering(&json!({"ok": true, "status": "live"})).await,
        Fake::answering(&json!("turnmux")).await,
    ] {
        for verb in VERBS {
            let verb = Turnmux::new(verb).env("TURNMUX_URL", &*fake.url).env("TURNMUX_API_KEY", KEY);
            verb.run().await.failed(3, &["another program has 127.0.0.1:"]);
        }
        let asked = fake.asked();
        assert!(asked.starts_with("GET /health HTTP/1.1\r\n") && !asked.contains(KEY), "{asked}");
        assert!(!asked.to_lowercase().contains("authorization"), "{asked}");
    }
}

#[tokio::test]
async fn a_daemon_of_another_version_is_asked_nothing_but_its_name() {
    let fake = Fake::turnmux("99.1.0").await;
    for verb in &VERBS[..9] {
        let verb = Turnmux::new(verb).env("TURNMUX_URL", &*fake.url).env("TURNMUX_API_KEY", KEY);
        verb.run().await.failed(3, &["is turnmux 99.1.0", env!("CARGO_PKG_VERSION"), "turnmux stop"]);
    }
    assert!(!fake.asked().contains("/v1/") && !fake.asked().contains(KEY), "{}", fake.asked());
    // That one can be stopped, if it says which process it is; this one does not.
    let stop = Turnmux::new(&["stop"]).env("TURNMUX_URL", &*fake.url);
    stop.run().await.failed(1, &["does not say which process it is"]);
}

#[tokio::test]
async fn a_wrong_key_is_said_and_never_shown() {
    let daemon = Daemon::stand_in().env("TURNMUX_API_KEY", KEY).start().await;
    for verb in &VERBS[..8] {
        daemon.turnmux(verb).run().await.failed(4, &["wants an API key", "TURNMUX_API_KEY"]);
        let wrong = daemon.turnmux(verb).env("TURNMUX_API_KEY", "not-the-key-of-it");
        let said = wrong.run().await.failed(4, &["does not know this API key"]);
        assert!(!said.contains("not-the-key-of-it"), "{said}");
    }
    daemon.turnmux(&["sessions"]).env("TURNMUX_API_KEY", KEY).run().await.ok();
    daemon.turnmux(&["sessions"]).env("AGENT_GATEWAY_KEY", KEY).run().await.ok();
    daemon.turnmux(&["status"]).run().await.ok();
    let bad = daemon.turnmux(&["sessions"]).env("TURNMUX_API_KEY", "short");
    bad.run().await.failed(2, &["TURNMUX_API_KEY", "8 characters"]);
}

#[tokio::test]
async fn of_several_keys_one_is_chosen_by_its_name() {
    let keys = "[keys.alice]\nkey = \"key-of-alice-123\"\n[keys.bob]\nkey = \"key-of-bob-456\"";
    let daemon = Daemon::stand_in().keys(keys).start().await;
    daemon.client.key("key-of-alice-123").session("alice::1").ask("hello").await.text();
    let file = daemon.scratch().join("turnmux.toml").display().to_string();
    let sessions =
        Turnmux::new(&["sessions", "--config", &file]).env("TURNMUX_SERVER__LISTEN", &*daemon.client.address);
    sessions.run().await.failed(2, &["alice, bob", "--tenant"]);
    assert!(sessions.clone().args(&["--tenant", "alice"]).run().await.ok().contains("alice::1"));
    assert_eq!(sessions.clone().args(&["--tenant", "bob"]).run().await.ok(), "no sessions\n");
    sessions.clone().args(&["--tenant", "eve"]).run().await.failed(2, &["no API key `eve`", "alice, bob"]);
    // With an address from elsewhere the file's keys are used only where one is named.
    let elsewhere = daemon.turnmux(&["sessions", "--config", &file]);
    elsewhere.run().await.failed(4, &["wants an API key"]);
    assert!(elsewhere.args(&["--tenant", "alice"]).run().await.ok().contains("alice::1"));
}

#[tokio::test]
async fn a_daemon_that_goes_away_in_the_middle_is_said() {
    let daemon = Daemon::stand_in().start().await;
    daemon.client.session("a::b").ask("hello").await.text();
    let mut tail = daemon.turnmux(&["tail", "a::b", "--after", "0", "--reconnect", "0s"]).spawn();
    tail.until("is done").await;
    daemon.signal(nix::sys::signal::Signal::SIGKILL);
    let ended = tail.ended().await;
    ended.failed(1, &["did not come back within 0s", "went away meanwhile"]);
}

#[tokio::test]
async fn help_names_the_exit_codes_and_nonsense_is_usage() {
    let help = Turnmux::new(&["--help"]).run().await.ok();
    for line in ["3  no daemon there", "5  there is no such session", "sessions", "interrupt", "logs"] {
        assert!(help.contains(line), "{line}: {help}");
    }
    for wrong in [
        &["sesions"][..],
        &["show"],
        &["show", "a::b", "-n", "0"],
        &["answer", "a::b", "req_1"],
        &["answer", "a::b", "req_1", "perhaps"],
        &["answer", "a::b", "req_1", "allow", "--say", "Which?=this"],
        &["answer", "a::b", "req_1", "allow", "--message", "why not"],
        &["stop", "--wait", "soon"],
    ] {
        assert_eq!(Turnmux::new(wrong).run().await.code, Some(2), "{wrong:?}");
    }
}
