//! Values out of their bounds, names that point nowhere.

use std::time::Duration;

use super::World;

#[test]
fn values_have_bounds() {
    for (file, key, problem) in [
        ("[server]\nheartbeat = \"99ms\"", "server.heartbeat", "it is 99ms, and must be at least 100ms"),
        ("[server]\nheartbeat = \"2years\"", "server.heartbeat", "it is longer than 365 days"),
        ("[server]\nlisten = \"7433\"", "server.listen", "it is no address with a port"),
        ("[server]\nallowed_hosts = [\"https://a\"]", "server.allowed_hosts", "`https://a` is no host"),
        ("[server]\nworkspace_roots = [\"\"]", "server.workspace_roots", "it is an empty path"),
        ("[sessions]\nqueue_max = 0", "sessions.queue_max", "it is 0, and must be between 1 and 10000"),
        ("[sessions]\nqueue_max = 10001", "sessions.queue_max", "it is 10001, and must be between 1 and 10000"),
        ("[sessions]\nmax_live = 0", "sessions.max_live", "it is 0, and must be between 1 and 1000"),
        ("[sessions]\nrecords_max = 0", "sessions.records_max", "it is 0, and must be between 1 and 10000000"),
        ("[limits]\nready = \"0s\"", "limits.ready", "it is 0s, and must be at least 100ms"),
        ("[limits]\nfirst_event = \"1ms\"", "limits.first_event", "must be at least 100ms"),
        ("[limits]\ninterrupt = \"1ms\"", "limits.interrupt", "must be at least 100ms"),
        ("[limits]\ncommand = \"1ms\"", "limits.command", "must be at least 100ms"),
        ("[limits]\nsilence = \"1ms\"", "limits.silence", "must be at least 100ms"),
        ("[limits]\nturn = \"1ms\"", "limits.turn", "must be at least 100ms"),
        ("[limits]\nreader_stall = \"1ms\"", "limits.reader_stall", "must be at least 100ms"),
        ("[limits]\nready = \"off\"", "limits.ready", "`off` is no duration"),
        ("[limits]\nline_bytes = 1", "limits.line_bytes", "it is 1, and must be between 65536 and 1073741824"),
        ("[limits]\nevents_bytes = \"1KiB\"", "limits.events_bytes", "must be between 1048576 and 68719476736"),
        ("[limits]\nbody_bytes = \"2GiB\"", "limits.body_bytes", "must be between 1024 and 1073741824"),
        (
            "default_backend = \"claude-cod\"",
            "default_backend",
            "`claude-cod` is no backend, there are claude-channel, claude-code, ",
        ),
        ("default_backend = \"claude-cod\"", "default_backend", "did you mean `claude-code`?"),
        ("[aliases]\ngpt-4 = \"codex\"", "aliases.gpt-4", "`codex` is no backend"),
        ("[agents.a]\nbackend = \"x\"", "agents.a.backend", "`x` is no backend"),
        ("[agents.\"a::b\"]", "agents.a::b", "no request can name this agent"),
        ("[backends.\"two words\"]", "backends.two words", "visible ASCII characters without spaces"),
        ("[backends.x]\ncommand = \"\"", "backends.x.command", "name a program"),
        ("[backends.x]\nenv = {\"A=B\" = \"\"}", "backends.x.env", "has no `=` in it"),
        ("[backends.x]\nargs = [\"\\u0000\"]", "backends.x", "NUL"),
    ] {
        let refusal = World::with_file(file).refusal();
        assert!(refusal.starts_with(&format!("`{key}` in ./turnmux.toml: ")), "{file}: {refusal}");
        assert!(refusal.contains(problem), "{file}: {refusal}");
    }
}

#[test]
fn some_limits_can_be_off() {
    for off in ["\"off\"", "\"none\"", "\"0\"", "\"0s\"", "0"] {
        let limits = World::with_file(&format!("[limits]\nsilence = {off}\nturn = {off}")).load().limits;
        assert_eq!((limits.silence, limits.turn), (None, None), "{off}");
    }
    let limits = World::with_file("[limits]\nsilence = \"10m\"\ncapacity = 0\nstop_eof = \"0s\"").load().limits;
    assert_eq!(limits.silence, Some(Duration::from_mins(10)));
    assert_eq!((limits.capacity, limits.stop_eof), (Duration::ZERO, Duration::ZERO));
}

#[test]
fn each_limit_has_its_key() {
    let file = "[limits]\nready = \"1s\"\nfirst_event = \"2s\"\ninterrupt = \"3s\"\ncommand = \"4s\"\nsilence = \"5s\"\n\
                turn = \"6s\"\ncapacity = \"7s\"\nanswer = \"11s\"\nreader_stall = \"8s\"\nstop_eof = \"9s\"\nstop_term = \"10s\"\n\
                line_bytes = \"1MiB\"\nbody_bytes = 2048\nevents_bytes = \"3MiB\"";
    let limits = World::with_file(file).load().limits;
    let seconds = [
        limits.ready,
        limits.first_event,
        limits.interrupt,
        limits.command,
        limits.silence.unwrap(),
        limits.turn.unwrap(),
        limits.capacity,
        limits.reader_stall,
        limits.stop_eof,
        limits.stop_term,
        limits.answer,
    ]
    .map(|limit| limit.as_secs());
    assert_eq!(seconds, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!((limits.line_bytes, limits.body_bytes, limits.events_bytes), (1 << 20, 2048, 3 << 20));
}

#[test]
fn without_a_home_there_is_no_root_and_no_tilde() {
    let mut world = World::new();
    world.environment.home = None;
    assert!(world.refusal().contains("--ephemeral"), "nor a place for the store");
    world.write("work/turnmux.toml", "[store]\nephemeral = true");
    assert!(world.load().server.workspace_roots.is_empty());
    world.write("work/turnmux.toml", "[server]\nworkspace_roots = [\"~/code\"]");
    assert!(world.refusal().contains("HOME is not set"));
}
