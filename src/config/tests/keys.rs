//! API keys: where they come from, what is refused, and that they are never shown.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::World;
use crate::config::{ConfigError, Overrides};
use crate::protocol::{BackendId, TenantId, TenantLimits, WorkspaceRoot};

const ALICE: &str = "alice-0123456789";
const BOB: &str = "bob-0123456789";

/// A world whose key file has this text.
fn with_key_file(text: &str) -> World {
    let world = World::with_file("[server]\nkey_file = \"keys.toml\"");
    world.write("work/keys.toml", text);
    world
}

fn tenants(world: &World) -> Vec<(String, String)> {
    let keys = world.load().keys;
    keys.iter().map(|key| (key.tenant.as_str().to_owned(), key.secret.expose().to_owned())).collect()
}

fn pair(tenant: &str, key: &str) -> (String, String) {
    (tenant.to_owned(), key.to_owned())
}

#[test]
fn keys_come_from_variables_and_from_the_file() {
    let world = with_key_file(&format!("[keys.alice]\nkey = \"{ALICE}\"\n[keys.bob]\nkey = \"{BOB}\"\n"));
    assert_eq!(tenants(&world), [pair("alice", ALICE), pair("bob", BOB)]);
    let world = world.set("TURNMUX_API_KEY", "local-0123456789").set("AGENT_GATEWAY_KEY", "gateway-0123456789");
    assert_eq!(
        tenants(&world),
        [
            pair("local", "local-0123456789"),
            pair("local", "gateway-0123456789"),
            pair("alice", ALICE),
            pair("bob", BOB)
        ]
    );
    let world = world.set("AGENT_GATEWAY_KEY", "local-0123456789");
    assert_eq!(tenants(&world).len(), 3, "both variables may say the same");
}

#[test]
fn the_key_file_is_for_its_owner_only() {
    let world = with_key_file(&format!("[keys.alice]\nkey = \"{ALICE}\""));
    let path = world.path("work/keys.toml");
    for mode in [0o640, 0o604, 0o610, 0o602] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let refusal = world.refusal();
        assert!(refusal.contains(&format!("run: chmod 600 {}", path.display())), "{refusal}");
        assert!(refusal.contains(&format!("(mode {mode:04o})")), "{refusal}");
    }
    for mode in [0o600, 0o400] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(world.load().keys.len(), 1);
    }
    fs::remove_file(&path).unwrap();
    assert!(world.refusal().contains("which server.key_file names"));
    fs::create_dir(&path).unwrap();
    assert!(world.refusal().contains("it is no regular file"));
}

#[test]
fn keys_that_are_none_are_refused() {
    for (key, problem) in
        [("1234567", "shorter than 8 characters"), ("with a space", "spaces"), ("schlüssel-0123", "outside of ASCII")]
    {
        let refusal = World::new().set("TURNMUX_API_KEY", key).refusal();
        assert!(refusal.starts_with("the API key TURNMUX_API_KEY: "), "{refusal}");
        assert!(refusal.contains(problem) && !refusal.contains(key), "{refusal}");
        let refusal = with_key_file(&format!("[keys.alice]\nkey = \"{key}\"")).refusal();
        assert!(refusal.starts_with("the API key `keys.alice` in /"), "{refusal}");
        assert!(refusal.contains(problem) && !refusal.contains(key), "{refusal}");
    }
    assert!(World::new().set("TURNMUX_API_KEY", "12345678").load().keys.len() == 1, "8 characters are enough");
    assert!(World::new().set("TURNMUX_API_KEY", &"x".repeat(1025)).refusal().contains("longer than 1024"));
    assert!(World::new().set("TURNMUX_API_KEY", "").load().keys.is_empty(), "an empty variable counts as unset");
}

#[test]
fn one_key_has_one_name() {
    let file = format!("[keys.alice]\nkey = \"{ALICE}\"\n[keys.bob]\nkey = \"{ALICE}\"\n");
    let refusal = with_key_file(&file).refusal();
    assert!(refusal.contains("keys.alice") && refusal.contains("keys.bob") && !refusal.contains(ALICE), "{refusal}");
    let world = with_key_file(&format!("[keys.alice]\nkey = \"{ALICE}\"")).set("TURNMUX_API_KEY", ALICE);
    assert!(matches!(world.try_load(), Err(ConfigError::DuplicateKey { first, .. }) if first == "TURNMUX_API_KEY"));
}

#[test]
fn what_the_key_file_cannot_say_is_refused_without_its_text() {
    for (file, refusal_has) in [
        (format!("[keys.alice]\nkye = \"{ALICE}\""), "unknown key `keys.alice.kye`"),
        (format!("[keys.alice]\nkye = \"{ALICE}\""), "did you mean `key`?"),
        (format!("[keys.alice]\nkey = \"{ALICE}\"\nlimit = 1"), "unknown key `keys.alice.limit`"),
        (format!("[key.alice]\nkey = \"{ALICE}\""), "did you mean `keys`?"),
        (format!("[keys]\nalice = \"{ALICE}\""), "`keys.alice` in /"),
        (format!("keys = \"{ALICE}\""), "write each key as [keys.<name>]"),
        (format!("[keys.alice]\nkey = [\"{ALICE}\"]"), "expected a string"),
        ("[keys.alice]".to_owned(), "it has no key"),
        (format!("[keys.\"\"]\nkey = \"{ALICE}\""), "as a name, it is empty"),
        (format!("[keys.alice]\nkey = \"{ALICE}"), "is no TOML"),
        (format!("[keys.alice]\nkey = {ALICE}"), "line 2 of /"),
    ] {
        let refusal = with_key_file(&file).refusal();
        assert!(refusal.contains(refusal_has), "{file}: {refusal}");
        assert!(!refusal.contains(ALICE), "{refusal}");
    }
}

#[test]
fn a_key_s_table_says_what_its_tenant_may_use() {
    let world = with_key_file(&format!(
        "[keys.alice]\nkey = \"{ALICE}\"\nmax_requests = 4\nmax_live = 2\n\
         backends = [\"claude-code-opus\", \"claude-code\"]\nworkspace_roots = [\"~/alice\", \"/srv/alice\"]\n\
         [keys.bob]\nkey = \"{BOB}\"\nworkspace_roots = []\n"
    ));
    let tenants = world.load().tenants;
    let of = |name: &str| tenants.of(&TenantId::new(name).unwrap()).clone();
    let root = |path: std::path::PathBuf| WorkspaceRoot { path, hidden: true };
    let backends = ["claude-code-opus", "claude-code"].map(BackendId::new);
    let alice = TenantLimits {
        max_requests: Some(4),
        max_live: Some(2),
        backends: Some(backends.into()),
        workspace_roots: Some(vec![root(world.path("home/alice")), root("/srv/alice".into())]),
    };
    assert_eq!(of("alice"), alice);
    assert_eq!(of("bob"), TenantLimits { workspace_roots: Some(Vec::new()), ..TenantLimits::default() });
    assert_eq!(of("local"), TenantLimits::default());
}

#[test]
fn bounds_that_are_none_are_refused_by_name_and_without_their_text() {
    for (line, refusal_has) in [
        ("max_live = 0", "`keys.alice.max_live` in /"),
        ("max_live = 1001", "a whole number between 1 and 1000; without it there is no limit"),
        ("max_live = -1", "between 1 and 1000"),
        ("max_requests = 4097", "`keys.alice.max_requests` in /"),
        ("max_requests = \"very-secret\"", "between 1 and 4096"),
        ("max_request = 1", "did you mean `max_requests`?"),
        ("roots = []", "the keys here are `key`, `max_requests`, `max_live`, `backends`, `workspace_roots`"),
        ("backends = []", "`keys.alice.backends` in /"),
        ("backends = []", "name a backend, or leave it out"),
        ("backends = \"very-secret\"", "expected an array of strings"),
        ("backends = [\"claude-code\", 1]", "expected an array of strings"),
        ("backends = [\"claude-code\", \"very-secret\"]", "item 2: there is no such backend, there are claude-c"),
        ("backends = [\"claude-cod\"]", "did you mean `claude-code`?"),
        ("workspace_roots = [\"very-secret\"]", "item 1: it is not absolute; begin it with / or ~/"),
        ("workspace_roots = [\"\"]", "item 1: it is an empty path"),
        ("workspace_roots = {a = \"very-secret\"}", "`keys.alice.workspace_roots` in /"),
    ] {
        let refusal = with_key_file(&format!("[keys.alice]\nkey = \"{ALICE}\"\n{line}")).refusal();
        assert!(refusal.contains(refusal_has) && refusal.contains("keys.toml"), "{line}: {refusal}");
        assert!(!refusal.contains("very-secret") && !refusal.contains(ALICE), "{refusal}");
    }
    let homeless = with_key_file(&format!("[keys.alice]\nkey = \"{ALICE}\"\nworkspace_roots = [\"~/x\"]"));
    let homeless = World { environment: crate::config::Environment { home: None, ..homeless.environment }, ..homeless };
    assert!(homeless.refusal().contains("HOME is not set"));
}

#[test]
fn nothing_shows_a_secret() {
    let world = World::with_file("[backends.x]\nenv = {TOKEN = \"very-secret\"}").set("TURNMUX_API_KEY", ALICE);
    let config = world.load();
    let shown = format!("{config:?} {:?}", world.environment);
    assert!(shown.contains("***"), "{shown}");
    assert!(!shown.contains(ALICE) && !shown.contains("very-secret"), "{shown}");

    for file in ["[backends.x]\nenv = \"TOKEN=very-secret\"", "[backends.x]\nenv = [\"very-secret\"]"] {
        let error = World::with_file(file).try_load().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("very-secret"), "{error:?}");
    }
    for value in ["TOKEN=very-secret", "[\"very-secret\"]", "{TOKEN = [\"very-secret\"]}"] {
        let error = World::new().set("TURNMUX_BACKENDS__X__ENV", value).try_load().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("very-secret"), "{error:?}");
    }
}

#[test]
fn others_need_a_key_to_reach_the_daemon() {
    for listen in ["0.0.0.0:7433", "[::]:7433", "192.0.2.1:7433"] {
        let world = World::with_file(&format!("[server]\nlisten = \"{listen}\""));
        let refusal = world.refusal();
        assert!(refusal.contains(listen) && refusal.contains("set TURNMUX_API_KEY or server.key_file"), "{refusal}");
        assert!(world.set("TURNMUX_API_KEY", ALICE).try_load().is_ok());
    }
    let flags = Overrides { listen: Some("0.0.0.0:1".to_owned()), ..Overrides::default() };
    assert!(matches!(World::new().with_flags(flags).try_load(), Err(ConfigError::OpenWithoutKey(_))));
    for listen in ["127.0.0.2:1", "[::1]:1", "localhost:1"] {
        assert!(World::with_file(&format!("[server]\nlisten = \"{listen}\"")).try_load().is_ok());
    }
    let empty_file = with_key_file("").set("TURNMUX_SERVER__LISTEN", "0.0.0.0:1");
    assert!(matches!(empty_file.try_load(), Err(ConfigError::OpenWithoutKey(_))), "a key file without keys is no key");
}
