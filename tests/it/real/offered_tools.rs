//! Servers of tools that a request offers to its agent.

use serde_json::{Value, json};

use super::{KEY, error_code, requests, tool_results};
use crate::harness::{Claude, Daemon, Reply, Stream, Tools, ask, gone, types, within};

on_both!(
    a_tool_of_the_callers_is_called_and_its_key_may_change_with_every_turn,
    what_the_caller_has_not_allowed_is_asked_for,
    a_turn_without_servers_finds_none_and_a_new_process_gets_them_again,
    a_server_that_cannot_be_reached_fails_its_turn_and_no_other,
    a_turn_that_waits_for_a_silent_server_can_be_stopped,
    a_first_turn_that_waits_for_a_silent_server_can_be_stopped,
    a_server_that_fails_when_its_turn_was_stopped_is_nobodys_failure,
);
in_terminal!(a_claude_in_a_terminal_takes_none_and_one_that_may_be_either_takes_them_over_stdio);

const CALL: &str = "::tool mcp__openclaw__echo {\"text\": \"hi\"}";

/// A chat request that offers these servers.
fn offering(text: &str, servers: &Value) -> Value {
    let mut body = ask(text);
    body["turnmux"] = json!({"mcp_servers": servers});
    body
}

fn one(tools: &Tools) -> Value {
    json!({"openclaw": tools.offered(true)})
}

async fn turn(daemon: &Daemon, text: &str, servers: &Value) -> Reply {
    daemon.client.session(KEY).post("/v1/chat/completions", &offering(text, servers)).await
}

/// The names of the tools that the model was offered last.
fn offered(daemon: &Daemon) -> String {
    requests(&daemon.model).pop().expect("a request").body["tools"].to_string()
}

async fn a_tool_of_the_callers_is_called_and_its_key_may_change_with_every_turn(claude: Claude) {
    // Nothing that is on this machine goes through a proxy.
    let daemon = Daemon::claude(claude).env("HTTP_PROXY", "http://127.0.0.1:9").start().await;
    let tools = Tools::with_key("first-key-of-the-tools").await;
    let first = turn(&daemon, CALL, &one(&tools)).await;
    assert!(first.text().starts_with("The tool said: echo: \"hi\""), "{}", first.text());
    assert_eq!(tools.asked("tools/call", "first-key-of-the-tools"), 1);
    let pid = daemon.agent(KEY).await;

    tools.take("second-key-of-the-tools");
    let second = turn(&daemon, CALL, &one(&tools)).await;
    assert!(second.text().starts_with("The tool said: echo: \"hi\""), "{}", second.text());
    assert_eq!(tools.asked("tools/call", "second-key-of-the-tools"), 1);
    assert_eq!(daemon.agent(KEY).await, pid, "it is the same process");

    let connected = tools.asked("initialize", "second-key-of-the-tools");
    turn(&daemon, CALL, &one(&tools)).await.text();
    assert_eq!(
        tools.asked("initialize", "second-key-of-the-tools"),
        connected,
        "the same servers are left as they are"
    );

    let pid = daemon.agent(KEY).await;
    let args = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    let export = daemon.client.get(&format!("/v1/sessions/{KEY}/export")).await.body;
    for place in [daemon.log(), args, String::from_utf8_lossy(&export).into_owned()] {
        assert!(!place.contains("-key-of-the-tools"), "the key is nowhere to be read: {place}");
    }
    let (scratch, key) = (daemon.share_scratch(), b"-key-of-the-tools");
    assert!(daemon.stop().await.success());
    // Neither turnmux nor claude has written it to a file.
    let mut folders = vec![scratch.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => {
                    let found = memchr::memmem::find(&std::fs::read(entry.path()).unwrap(), key);
                    assert_eq!(found, None, "{}", entry.path().display());
                }
                _ => {}
            }
        }
    }
}

async fn what_the_caller_has_not_allowed_is_asked_for(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let tools = Tools::with_key("k").await;
    let servers = json!({"openclaw": tools.offered(false)});
    turn(&daemon, CALL, &servers).await.text();
    assert!(tool_results(&daemon.model).contains("asks before"), "nobody listens: {}", tool_results(&daemon.model));
    assert_eq!(tools.asked("tools/call", "k"), 0);
    let allowed = json!({"openclaw": tools.offered(true)});
    let script = format!("{CALL}\n::tool Bash {{\"command\": \"sh -c 'echo x > made'\", \"description\": \"d\"}}");
    turn(&daemon, &script, &allowed).await.text();
    assert_eq!(tools.asked("tools/call", "k"), 1);
    assert!(!daemon.work().join("made").exists(), "its own tools are still asked for");
}

async fn a_turn_without_servers_finds_none_and_a_new_process_gets_them_again(claude: Claude) {
    let daemon = Daemon::claude(claude).config("sessions.idle_timeout = \"1s\"").start().await;
    let tools = Tools::with_key("k").await;
    turn(&daemon, "hello", &one(&tools)).await.text();
    assert!(offered(&daemon).contains("mcp__openclaw__echo"));
    let without = daemon.client.session(KEY).ask(CALL).await.text();
    assert!(without.contains("No such tool"), "they are another caller's: {without}");
    daemon.logged("ended an agent", 1).await;
    let after = turn(&daemon, CALL, &one(&tools)).await;
    assert!(after.text().starts_with("The tool said: echo"), "{}", after.text());
    assert_eq!(daemon.started(), 2);
}

async fn a_server_that_cannot_be_reached_fails_its_turn_and_no_other(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let tools = Tools::with_key("right").await;
    let right = one(&tools);
    tools.take("another-key-entirely");
    let refused = turn(&daemon, "lost", &right).await;
    let refusal = refused.refused(502, "tools_unreachable");
    assert!(refusal.message.contains("openclaw: ") && refusal.message.contains("401"), "{refusal:?}");
    let pid = daemon.agent(KEY).await;
    tools.take("right");
    let again = turn(&daemon, CALL, &right).await;
    assert!(again.text().starts_with("The tool said: echo"), "the same servers are tried again: {}", again.text());
    let gone = json!({"openclaw": {"type": "http", "url": "http://127.0.0.1:9/"}});
    let mut body = offering("lost", &gone);
    body["stream"] = json!(true);
    let chunks = daemon.client.session(KEY).stream_body(&body).await.rest().await.1;
    assert_eq!(error_code(&chunks), "tools_unreachable");
    assert_eq!(daemon.client.session(KEY).ask("::say still there").await.text(), "still there");
    assert_eq!(daemon.agent(KEY).await, pid);
    let seen = requests(&daemon.model).iter().any(|request| request.user_text.contains("lost"));
    assert!(!seen, "the model was not asked");
}

async fn a_turn_that_waits_for_a_silent_server_can_be_stopped(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    session.ask("before").await.text();
    let pid = daemon.agent(KEY).await;
    // It takes connections and never says a word.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let held = stopped_at(&daemon, &silent).await;
    // claude would wait for its words, for 30 s, and hear nothing meanwhile: the next turn is another process's.
    assert_eq!(session.ask("next").await.text(), "You said: next [turn 2]");
    assert_ne!(daemon.agent(KEY).await, pid);
    gone(pid).await;
    drop((held, silent));
}

async fn a_first_turn_that_waits_for_a_silent_server_can_be_stopped(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let held = stopped_at(&daemon, &silent).await;
    let next = daemon.client.session(KEY).ask("next").await;
    assert_eq!(next.text(), "You said: next [turn 1]");
    assert_eq!(next.header("x-turnmux-context-lost"), None, "there was none");
    assert_eq!(daemon.started(), 2);
    drop((held, silent));
}

async fn a_server_that_fails_when_its_turn_was_stopped_is_nobodys_failure(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    session.ask("before").await.text();
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_stream, held) = met_at(&daemon, &server).await;
    let fails = async {
        daemon.logged("interrupting", 1).await;
        drop((held, server));
    };
    tokio::join!(stopped(&daemon), fails);
    assert_eq!(session.ask("next").await.text(), "You said: next [turn 2]");
}

/// Begins a turn that offers this server, and stops it as soon as claude has come there; gives claude's connection.
async fn stopped_at(daemon: &Daemon, silent: &tokio::net::TcpListener) -> tokio::net::TcpStream {
    let (_stream, held) = met_at(daemon, silent).await;
    stopped(daemon).await;
    held
}

/// Begins a turn that offers this server, and waits until claude has come there; gives the turn and claude's connection.
async fn met_at(daemon: &Daemon, server: &tokio::net::TcpListener) -> (Stream, tokio::net::TcpStream) {
    let url = format!("http://{}/", server.local_addr().unwrap());
    let mut body = offering("held", &json!({"openclaw": {"type": "http", "url": url}}));
    body["stream"] = json!(true);
    let stream = daemon.client.session(KEY).stream_body(&body).await;
    (stream, within("a connection of the agent's", server.accept()).await.unwrap().0)
}

async fn stopped(daemon: &Daemon) {
    let mut watch = daemon.client.watch(&format!("/v1/sessions/{KEY}/events")).await;
    let stopped = daemon.client.post(&format!("/v1/sessions/{KEY}/interrupt"), &json!({})).await;
    assert_eq!(stopped.json()["status"], "confirmed", "{stopped:?}");
    assert!(types(&watch.until("turn_interrupted").await).contains(&"turn_interrupted"));
}

async fn a_claude_in_a_terminal_takes_none_and_one_that_may_be_either_takes_them_over_stdio(claude: Claude) {
    let daemon = Daemon::claude(claude).config("[backends.auto]\ndriver = \"claude\"").start().await;
    let tools = Tools::with_key("k").await;
    let refused = turn(&daemon, "hello", &one(&tools)).await;
    let refusal = refused.refused(400, "mcp_unsupported");
    assert!(refusal.message.contains("claude-stream"), "{refusal:?}");

    let auto = daemon.client.session("auto::1");
    let ask = |text: &str| json!({"model": "auto", "messages": [{"role": "user", "content": text}]});
    auto.post("/v1/chat/completions", &ask("remember")).await.text();
    let in_terminal = daemon.agent("auto::1").await;
    let mut offering = ask(CALL);
    offering["turnmux"] = json!({"mcp_servers": one(&tools)});
    let answer = auto.post("/v1/chat/completions", &offering).await.text();
    assert!(answer.starts_with("The tool said: echo: \"hi\"") && answer.ends_with("[turn 2]"), "{answer}");
    assert_ne!(daemon.agent("auto::1").await, in_terminal, "in another process, with the same conversation");
}
