//! Which layer wins, where the file is found, and how variables are read.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use super::World;
use crate::config::Overrides;
use crate::protocol::WorkspaceRoot;
use crate::protocol::{Limits, LostThread, Permission};

#[test]
fn nothing_said_is_the_defaults() {
    let world = World::new();
    let config = world.load();
    assert_eq!(config.file, None);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:7433");
    assert_eq!(config.server.heartbeat, Duration::from_secs(15));
    assert_eq!(config.server.shutdown_grace, Duration::from_secs(10));
    assert!(config.server.allowed_hosts.is_empty());
    assert_eq!(config.server.workspace_roots, [WorkspaceRoot { path: world.path("home"), hidden: false }]);
    assert_eq!(config.sessions.idle_timeout, Duration::from_mins(10));
    assert_eq!(config.sessions.unnamed_idle_timeout, Duration::from_secs(30));
    assert_eq!(config.sessions.queue_max, 16);
    assert_eq!(config.sessions.max_live, 16);
    assert_eq!(config.sessions.disconnect_grace, Duration::ZERO);
    assert_eq!(config.sessions.lost_thread, LostThread::Continue);
    assert_eq!(config.sessions.records_max, 100_000);
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.default_backend.as_str(), "claude-code");
    assert!(config.agents.is_empty() && config.aliases.is_empty() && config.keys.is_empty());
}

#[test]
fn what_becomes_of_a_lost_thread_is_one_of_two_words() {
    let config = World::with_file("sessions.lost_thread = \"fail\"").load();
    assert_eq!(config.sessions.lost_thread, LostThread::Fail);
    let error = World::with_file("sessions.lost_thread = \"ignore\"").refusal();
    assert!(error.contains("sessions.lost_thread") && error.contains("continue"), "{error}");
}

#[test]
fn each_layer_beats_the_one_before() {
    let file = "[sessions]\nqueue_max = 2\nmax_live = 2\nrecords_max = 2";
    let world = World::with_file(file)
        .set("TURNMUX_SESSIONS__MAX_LIVE", "3")
        .set("TURNMUX_SESSIONS__RECORDS_MAX", "3")
        .with_flags(Overrides { max_live: Some(4), ..Overrides::default() });
    let config = world.load();
    assert_eq!(config.sessions.idle_timeout, Duration::from_mins(10), "the default");
    assert_eq!(config.sessions.queue_max, 2, "the file");
    assert_eq!(config.sessions.records_max, 3, "the variable");
    assert_eq!(config.sessions.max_live, 4, "the flag");
}

#[test]
fn flags_reach_listen_port_permission_and_backend() {
    let file =
        "default_backend = \"claude-code\"\n[server]\nlisten = \"127.0.0.1:1\"\n[backends.mine]\npermission = \"deny\"";
    let flags = Overrides {
        port: Some(0),
        permission: Some(Permission::Bypass),
        backend: Some("mine".to_owned()),
        ..Overrides::default()
    };
    let world = World::with_file(file).with_flags(flags.clone());
    let config = world.load();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:0");
    assert_eq!(config.default_backend.as_str(), "mine");
    assert!(config.backends.values().all(|backend| backend.permission == Permission::Bypass));

    let world = world.with_flags(Overrides { listen: Some("[::1]:5".to_owned()), ..flags });
    assert_eq!(world.load().server.listen.to_string(), "[::1]:0");
}

#[test]
fn the_first_file_found_counts_alone() {
    let file = |queue_max: u32| format!("[sessions]\nqueue_max = {queue_max}");
    let mut world = World::new();
    let expect = |world: &World, queue_max, path: &str| {
        let config = world.load();
        assert_eq!((config.sessions.queue_max, config.file), (queue_max, Some(world.path(path))));
    };
    world.write("home/.config/turnmux/turnmux.toml", &file(1));
    expect(&world, 1, "home/.config/turnmux/turnmux.toml");
    world.write("xdg/turnmux/turnmux.toml", &file(2));
    let xdg = world.path("xdg");
    world = world.set("XDG_CONFIG_HOME", xdg.to_str().unwrap());
    expect(&world, 2, "xdg/turnmux/turnmux.toml");
    world.write("work/turnmux.toml", &file(3));
    expect(&world, 3, "work/turnmux.toml");
    world.write("work/variable.toml", &file(4));
    world = world.set("TURNMUX_CONFIG", "variable.toml");
    expect(&world, 4, "work/variable.toml");
    world.write("flag.toml", "");
    let flag = world.path("flag.toml");
    world = world.with_flags(Overrides { config: Some(flag), ..Overrides::default() });
    expect(&world, 16, "flag.toml");
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let world = World::with_file("").set("TURNMUX_CONFIG", "gone.toml");
    assert_eq!(world.refusal(), "there is no file gone.toml, which TURNMUX_CONFIG names; create it, or leave that out");
    let flags = Overrides { config: Some(PathBuf::from("gone-too.toml")), ..Overrides::default() };
    assert!(world.with_flags(flags).refusal().starts_with("there is no file gone-too.toml, which --config names"));
}

#[test]
fn a_file_that_is_there_must_be_readable() {
    let world = World::new();
    std::fs::create_dir(world.path("work/turnmux.toml")).unwrap();
    assert!(world.refusal().contains("turnmux.toml cannot be read"));
    let world = World::with_file(&"#".repeat((1 << 20) + 1));
    assert!(world.refusal().contains("larger than 1 MiB"));
}

#[test]
fn variables_hold_every_type_of_value() {
    let world = World::new()
        .set("TURNMUX_SERVER__HEARTBEAT", "5s")
        .set("TURNMUX_SERVER__SHUTDOWN_GRACE", "0")
        .set("TURNMUX_SESSIONS__QUEUE_MAX", "7")
        .set("TURNMUX_LIMITS__BODY_BYTES", "4096")
        .set("TURNMUX_LIMITS__LINE_BYTES", "1MiB")
        .set("TURNMUX_LIMITS__SILENCE", "off")
        .set("TURNMUX_SERVER__ALLOWED_HOSTS", "[\"a.example\", \"b.example:80\"]")
        .set("TURNMUX_SERVER__WORKSPACE_ROOTS", "/srv")
        .set("TURNMUX_ALIASES", "{\"gpt-4.1\" = \"claude-code\"}")
        .set("TURNMUX_BACKENDS__CLAUDE_CODE__MODEL", "4")
        .set("TURNMUX_BACKENDS__CLAUDE_CODE__SYSTEM_PROMPT", "[be nice]")
        .set("TURNMUX_BACKENDS__CLAUDE_CODE__ENV__ZERO", "007")
        .set("TURNMUX_BACKENDS__CLAUDE_CODE__ENV__EMPTY", "")
        .set("TURNMUX_SESSIONS__IDLE_TIMEOUT", "");
    let config = world.load();
    assert_eq!(config.server.heartbeat, Duration::from_secs(5));
    assert_eq!(config.server.shutdown_grace, Duration::ZERO);
    assert_eq!(config.sessions.queue_max, 7);
    assert_eq!((config.limits.body_bytes, config.limits.line_bytes, config.limits.silence), (4096, 1 << 20, None));
    assert_eq!(config.server.allowed_hosts, ["a.example", "b.example:80"]);
    assert_eq!(config.server.workspace_roots, [WorkspaceRoot { path: "/srv".into(), hidden: true }]);
    assert_eq!(config.resolve_model("gpt-4.1").unwrap().id.as_str(), "claude-code");
    let claude = config.resolve_model("claude-code").unwrap();
    assert_eq!(claude.model.as_deref(), Some("4"), "a text that looks like a number is one");
    assert_eq!(claude.system_prompt.as_deref(), Some("[be nice]"));
    assert_eq!(claude.env["ZERO"], "007");
    assert_eq!(claude.env["EMPTY"], "");
    assert_eq!(config.sessions.idle_timeout, Duration::from_mins(10), "an empty variable counts as unset");
}

#[test]
fn lists_are_replaced_and_may_be_emptied() {
    let world = World::with_file("[server]\nworkspace_roots = []\nallowed_hosts = [\"a.example\", \"b.example\"]")
        .set("TURNMUX_SERVER__ALLOWED_HOSTS", "c.example");
    let config = world.load();
    assert!(config.server.workspace_roots.is_empty());
    assert_eq!(config.server.allowed_hosts, ["c.example"]);
}

#[test]
fn some_variables_are_no_keys() {
    let world = World::new()
        .set("TURNMUX_URL", "http://127.0.0.1:1")
        .set("TURNMUX_LOG", "debug")
        .set("TURNMUX_API_KEY", "0123456789")
        .set("TURNMUX_HOST", "1")
        .set("TURNMUX_HOST_GENERATION", "1")
        .set("TURNMUX_BIN", "turnmux")
        .set("TURNMUX_CHANNEL_URL", "ws://127.0.0.1:1/bridge")
        .set("TURNMUX_CHANNEL_TOKEN", "secret")
        .set("TURNMUX_CHANNEL_SESSION", "a::b")
        .set("TURNMUXX", "1");
    assert_eq!(world.load().keys.len(), 1);
}

#[test]
fn a_variable_is_text() {
    let mut world = World::new();
    world.environment.variables.insert("TURNMUX_DEFAULT_BACKEND".to_owned(), OsString::from_vec(vec![0xff]));
    assert_eq!(world.refusal(), "the environment variable TURNMUX_DEFAULT_BACKEND is not UTF-8 text; set it anew");
}

#[test]
fn ids_in_variables_are_those_of_the_file() {
    let world = World::with_file("[backends.\"My.Agent\"]\ncommand = \"a\"\n[agents.ops-team]")
        .set("TURNMUX_BACKENDS__MY_AGENT__COMMAND", "b")
        .set("TURNMUX_AGENTS__OPS_TEAM__BACKEND", "My.Agent")
        .set("TURNMUX_BACKENDS__OTHER__COMMAND", "c");
    let config = world.load();
    assert_eq!(config.resolve_model("My.Agent").unwrap().command, "b");
    assert_eq!(config.resolve_model("other").unwrap().command, "c");
    assert_eq!(config.agents["ops-team"].backend.as_ref().unwrap().as_str(), "My.Agent");
}
