//! Backends: built in, inheriting, configured; the names that lead to them.

use super::World;
use crate::protocol::{CommandPolicy, EnvPolicy, Permission};

#[test]
fn four_are_built_in() {
    let config = World::new().load();
    let names: Vec<_> = config.backend_names().map(ToString::to_string).collect();
    assert_eq!(names, ["claude-channel", "claude-code", "claude-code-opus", "claude-code-sonnet"]);
    let models: Vec<_> = config.backends.values().map(|backend| backend.model.as_deref()).collect();
    assert_eq!(models, [None, None, Some("opus"), Some("sonnet")]);
    for (id, backend) in &config.backends {
        assert_eq!(&backend.id, id);
        let driver = if id.as_str() == "claude-channel" { "claude-channel" } else { "claude-stream" };
        assert_eq!((backend.driver.as_str(), backend.command.as_str()), (driver, "claude"));
        assert_eq!((backend.permission, backend.commands), (Permission::Ask, CommandPolicy::Literal));
        assert_eq!(backend.env_policy, EnvPolicy::Inherit);
        assert!(backend.args.is_empty() && backend.env.is_empty() && backend.workspace.is_none());
    }
}

#[test]
fn variants_inherit_what_they_do_not_say() {
    let world = World::with_file(
        "[backends.claude-code]\ncommand = \"claude-2\"\nmodel = \"haiku\"\npermission = \"deny\"\nargs = [\"--x\"]\n\
         workspace = \"w\"\neffort = \"high\"\nsystem_prompt = \"be brief\"\ncommands = \"allow\"\nenv_policy = \"strict\"\n\
         env = {A = \"1\", B = \"1\"}\n\
         [backends.claude-code-opus]\npermission = \"accept_edits\"\nsystem_prompt = \"\"\nenv = {B = \"2\"}\n\
         [backends.other]\n",
    );
    let config = world.load();
    let base = config.resolve_model("claude-code").unwrap();
    assert_eq!(base.model.as_deref(), Some("haiku"));
    assert_eq!(base.workspace, Some(world.path("work/w")));

    let sonnet = config.resolve_model("claude-code-sonnet").unwrap();
    assert_eq!(sonnet.model.as_deref(), Some("sonnet"), "the model is its own");
    let mut expected = base.clone();
    expected.id = sonnet.id.clone();
    expected.model = Some("sonnet".to_owned());
    assert_eq!(*sonnet, expected);

    let opus = config.resolve_model("claude-code-opus").unwrap();
    assert_eq!((opus.command.as_str(), opus.permission), ("claude-2", Permission::AcceptEdits));
    assert_eq!(opus.system_prompt, None, "an empty text is none");
    assert_eq!((opus.env["A"].as_str(), opus.env["B"].as_str()), ("1", "2"));

    let other = config.resolve_model("other").unwrap();
    assert_eq!((other.command.as_str(), other.permission), ("claude", Permission::Ask), "others inherit nothing");
}

#[test]
fn the_policy_of_the_environment_has_a_short_form() {
    let policy = |file: &str| World::with_file(file).load().resolve_model("x").unwrap().env_policy;
    assert_eq!(policy("[backends.x]\nenv = \"strict\""), EnvPolicy::Strict);
    assert_eq!(policy("[backends.x]\nenv = \"inherit\""), EnvPolicy::Inherit);
    assert_eq!(policy("[backends.x]\nenv_policy = \"strict\"\nenv = {A = \"1\"}"), EnvPolicy::Strict);
    // A variable from another layer does not undo the policy.
    let world = World::with_file("[backends.x]\nenv = \"strict\"").set("TURNMUX_BACKENDS__X__ENV__A", "1");
    let config = world.load();
    let backend = config.resolve_model("x").unwrap();
    assert_eq!((backend.env_policy, backend.env["A"].as_str()), (EnvPolicy::Strict, "1"));
    let world = World::new().set("TURNMUX_BACKENDS__CLAUDE_CODE__ENV", "strict");
    assert_eq!(world.load().resolve_model("claude-code-opus").unwrap().env_policy, EnvPolicy::Strict);

    let refusal = World::with_file("[backends.x]\nenv = \"strict\"\nenv_policy = \"inherit\"").refusal();
    assert!(refusal.starts_with("`backends.x.env` in ./turnmux.toml: expected a table of variables"), "{refusal}");
}

#[test]
fn paths_begin_where_they_are_written() {
    let world = World::new();
    world.write(
        "etc/turnmux.toml",
        "[server]\nworkspace_roots = [\"~\", \"roots\"]\n\
         [backends.x]\nworkspace = \"./here\"\ncommand = \"bin/agent\"\n[backends.y]\nworkspace = \"~/there\"\n\
         command = \"~/bin/agent\"\n[agents.a]\nworkspace = \"/abs\"\n[agents.b]",
    );
    let world = world.set("TURNMUX_CONFIG", "../etc/turnmux.toml").set("TURNMUX_AGENTS__B__WORKSPACE", "mine");
    let config = world.load();
    let etc = world.path("work/../etc");
    let x = config.resolve_model("x").unwrap();
    assert_eq!(x.workspace, Some(etc.join("here")));
    assert_eq!(x.command, etc.join("bin/agent").to_str().unwrap());
    let y = config.resolve_model("y").unwrap();
    assert_eq!(y.workspace, Some(world.path("home/there")));
    assert_eq!(y.command, world.path("home/bin/agent").to_str().unwrap());
    assert_eq!(config.agents["a"].workspace, Some("/abs".into()));
    assert_eq!(config.agents["b"].workspace, Some(world.path("work/mine")), "a variable's path");
    let roots: Vec<_> = config.server.workspace_roots.into_iter().map(|root| root.path).collect();
    assert_eq!(roots, [world.path("home"), etc.join("roots")]);
}

#[test]
fn an_alias_comes_before_a_backends_own_name() {
    let config = World::with_file(
        "[aliases]\n\"gpt-4o\" = \"claude-code-opus\"\nclaude-code-sonnet = \"claude-code\"\n[backends.mine]",
    )
    .load();
    let id = |model| config.resolve_model(model).map(|backend| backend.id.as_str());
    assert_eq!(id("gpt-4o"), Some("claude-code-opus"));
    assert_eq!(id("claude-code-sonnet"), Some("claude-code"));
    assert_eq!(id("mine"), Some("mine"));
    assert_eq!(id("gpt-5"), None);
}
