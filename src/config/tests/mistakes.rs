//! What the refusals say: the key, the place, the nearest right key.

use super::World;
use crate::config::Overrides;

#[test]
fn an_unknown_key_of_the_file_is_refused_with_the_nearest() {
    for (file, refusal) in [
        (
            "[server]\nhearbeat = \"5s\"",
            "unknown key `server.hearbeat` in ./turnmux.toml; did you mean `server.heartbeat`?",
        ),
        ("[sesions]\nqueue_max = 1", "unknown key `sesions` in ./turnmux.toml; did you mean `sessions`?"),
        ("heartbeat = \"5s\"", "unknown key `heartbeat` in ./turnmux.toml; did you mean `server.heartbeat`?"),
        (
            "[backends.\"gpt-4.1\"]\ncomand = \"x\"",
            "unknown key `backends.gpt-4.1.comand` in ./turnmux.toml; did you mean `backends.gpt-4.1.command`?",
        ),
        (
            "[limits]\nfirstevent = \"1s\"",
            "unknown key `limits.firstevent` in ./turnmux.toml; did you mean `limits.first_event`?",
        ),
        ("[agents.a]\nxyz = 1", "unknown key `agents.a.xyz` in ./turnmux.toml; the keys here are workspace, backend"),
    ] {
        assert_eq!(World::with_file(file).refusal(), refusal);
    }
}

#[test]
fn an_unknown_variable_is_refused_with_the_nearest() {
    for (variable, refusal) in [
        (
            "TURNMUX_SERVER__HEARBEAT",
            "unknown key `server.hearbeat` in environment variable TURNMUX_SERVER__HEARBEAT; \
             did you mean TURNMUX_SERVER__HEARTBEAT?",
        ),
        (
            "TURNMUX_SERVER_HEARTBEAT",
            "unknown key `server_heartbeat` in environment variable TURNMUX_SERVER_HEARTBEAT; \
             did you mean TURNMUX_SERVER__HEARTBEAT?",
        ),
        (
            "TURNMUX_BACKENDS__CLAUDE_CODE__COMAND",
            "unknown key `backends.claude-code.comand` in environment variable TURNMUX_BACKENDS__CLAUDE_CODE__COMAND; \
             did you mean TURNMUX_BACKENDS__CLAUDE_CODE__COMMAND?",
        ),
    ] {
        assert_eq!(World::new().set(variable, "5s").refusal(), refusal);
    }
    let refusal = World::new().set("TURNMUX_SERVER", "{hearbeat = \"5s\"}").refusal();
    assert!(refusal.starts_with("unknown key `server.hearbeat` in environment variable TURNMUX_SERVER;"), "{refusal}");
    let refusal = World::new().set("TURNMUX_SERVER__", "1").refusal();
    assert!(refusal.starts_with("unknown key `server.` in environment variable TURNMUX_SERVER__;"), "{refusal}");
}

#[test]
fn a_layer_that_is_overruled_is_checked_all_the_same() {
    let world = World::with_file("[server]\nheartbeat = 5").set("TURNMUX_SERVER__HEARTBEAT", "5s");
    assert_eq!(world.refusal(), "`server.heartbeat` in ./turnmux.toml: 5 has no unit; write \"5s\" or \"5m\"");
}

#[test]
fn a_wrong_type_is_said_in_words_of_toml() {
    for (file, refusal) in [
        (
            "[sessions]\nqueue_max = \"16\"",
            "`sessions.queue_max` in ./turnmux.toml: expected a whole number that is not negative, found a string",
        ),
        (
            "[sessions]\nqueue_max = -1",
            "`sessions.queue_max` in ./turnmux.toml: expected a whole number that is not negative, found -1",
        ),
        ("server = 1", "`server` in ./turnmux.toml: expected a table, found an integer"),
        (
            "[server]\nallowed_hosts = \"a\"",
            "`server.allowed_hosts` in ./turnmux.toml: expected an array, found a string",
        ),
        (
            "[backends.x]\npermission = \"bypas\"",
            "`backends.x.permission` in ./turnmux.toml: `bypas` is none of ask, accept_edits, deny, bypass; \
             did you mean `bypass`?",
        ),
        (
            "[sessions]\nqueue_max = 2020-01-01",
            "`sessions.queue_max` in ./turnmux.toml: expected a whole number that is not negative, found a table",
        ),
        (
            "[server]\nheartbeat = true",
            "`server.heartbeat` in ./turnmux.toml: expected a duration such as \"15s\", found a boolean",
        ),
    ] {
        assert_eq!(World::with_file(file).refusal(), refusal);
    }
    let refusal = World::new().set("TURNMUX_SESSIONS__QUEUE_MAX", "many").refusal();
    assert_eq!(
        refusal,
        "`sessions.queue_max` in environment variable TURNMUX_SESSIONS__QUEUE_MAX: \
         expected a whole number that is not negative, found a string"
    );
}

#[test]
fn a_broken_file_is_named_with_the_line_and_without_its_text() {
    let refusal = World::with_file("[server]\n\n[backends.x.env]\nTOKEN = \"very-secret").refusal();
    assert!(refusal.starts_with("line 4 of ./turnmux.toml is no TOML: "), "{refusal}");
    assert!(!refusal.contains("very-secret"), "{refusal}");
}

#[test]
fn a_wrong_flag_is_named() {
    let flags = Overrides { listen: Some("here".to_owned()), ..Overrides::default() };
    let refusal = World::new().with_flags(flags).refusal();
    assert!(refusal.starts_with("`server.listen` in flag --listen: it is no address with a port"), "{refusal}");
    let flags = Overrides { max_live: Some(0), ..Overrides::default() };
    let refusal = World::new().with_flags(flags).refusal();
    assert_eq!(refusal, "`sessions.max_live` in flag --max-live: it is 0, and must be between 1 and 1000");
}
