//! Workspaces that a request names.

use std::path::Path;

use serde_json::json;

use crate::harness::{Client, Daemon, Reply};

async fn ask_in(client: &Client, key: &str, folder: &Path) -> Reply {
    client.session(key).with("x-turnmux-workspace", folder.to_str().unwrap()).ask("hello").await
}

#[tokio::test]
async fn a_request_chooses_its_workspace_inside_the_roots_only() {
    let daemon = Daemon::stand_in().config("server.workspace_roots = [\"@SCRATCH@/projects\"]").start().await;
    let root = daemon.scratch().canonicalize().unwrap();
    for folder in ["projects/one", "projects/.hidden", "elsewhere"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    std::os::unix::fs::symlink(root.join("elsewhere"), root.join("projects/link")).unwrap();
    std::fs::write(root.join("projects/file"), "").unwrap();

    for (key, folder) in [("a::1", "projects/one"), ("a::2", "projects"), ("a::3", "projects/.hidden")] {
        assert!(ask_in(&daemon.client, key, &root.join(folder)).await.status.is_success(), "{folder}");
        let pid = daemon.agent(key).await;
        assert_eq!(std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), root.join(folder));
        assert_eq!(daemon.session(key).await.unwrap()["directory"], json!(root.join(folder)));
    }
    let outside =
        ["elsewhere", "projects/../elsewhere", "projects/link", "projects/file", "projects/none", ".", "/", "/etc"];
    for folder in outside.map(|folder| root.join(folder)) {
        let refusal = ask_in(&daemon.client, "a::4", &folder).await.refused(400, "workspace_not_allowed");
        assert_eq!(refusal.param.as_deref(), Some("x-turnmux-workspace"));
        assert!(refusal.message.contains("server.workspace_roots"), "{folder:?}: {refusal:?}");
    }
    ask_in(&daemon.client, "a::4", Path::new("projects/one")).await.refused(400, "workspace_not_allowed");
    assert!(daemon.session("a::4").await.is_none(), "a refused request leaves no session");
}

#[tokio::test]
async fn by_default_the_root_is_the_home_less_its_hidden_folders() {
    let daemon = Daemon::stand_in().start().await;
    let home = daemon.scratch().join("home").canonicalize().unwrap();
    for folder in ["code/x", ".ssh", "code/.git"] {
        std::fs::create_dir_all(home.join(folder)).unwrap();
    }
    assert!(ask_in(&daemon.client, "a::1", &home.join("code/x")).await.status.is_success());
    for folder in [".ssh", "code/.git"] {
        ask_in(&daemon.client, "a::2", &home.join(folder)).await.refused(400, "workspace_not_allowed");
    }
    ask_in(&daemon.client, "a::2", &daemon.work()).await.refused(400, "workspace_not_allowed");
}

#[tokio::test]
async fn a_conversation_cannot_move() {
    let daemon = Daemon::stand_in().config("server.workspace_roots = [\"@SCRATCH@\"]").start().await;
    let root = daemon.scratch().canonicalize().unwrap();
    for folder in ["one", "two"] {
        std::fs::create_dir(root.join(folder)).unwrap();
    }
    assert!(ask_in(&daemon.client, "a::b", &root.join("one")).await.status.is_success());
    let reply = ask_in(&daemon.client, "a::b", &root.join("two")).await;
    let refusal = reply.refused(409, "session_conflict");
    assert!(refusal.message.contains("reset"), "{refusal:?}");
    assert_eq!(reply.header("x-should-retry"), Some("false"));
    assert_eq!(ask_in(&daemon.client, "a::b", &root.join("one")).await.text(), "You said: hello [turn 2]");
    assert_eq!(
        daemon.client.session("a::b").ask("x").await.text(),
        "You said: x [turn 3]",
        "naming none is naming this"
    );
    daemon.client.post("/v1/chat/session/reset", &json!({"session": "a::b"})).await;
    assert_eq!(ask_in(&daemon.client, "a::b", &root.join("two")).await.text(), "You said: hello [turn 1]");
}

#[tokio::test]
async fn a_workspace_that_is_gone_is_said() {
    let daemon = Daemon::stand_in().config("[agents.ops]\nworkspace = \"@SCRATCH@/gone\"").start().await;
    for stream in [false, true] {
        let mut body = crate::harness::ask("hello");
        body["stream"] = json!(stream);
        let reply = daemon.client.session("ops::1").post("/v1/chat/completions", &body).await;
        let refusal = reply.refused(503, "agent_misconfigured");
        assert!(refusal.message.contains("gone"), "{refusal:?}");
    }
}
