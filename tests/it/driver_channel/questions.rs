//! What a tool may do is asked and answered.

use turnmux::driver::Answer;

use super::proxy::Proxy;
use super::rig::Rig;
use super::talk::Talk;
use crate::harness::Claude;

on_both!(yes_lets_the_tool_run, no_tells_the_model_why, a_question_whose_hook_is_gone_is_answered_through_the_plugin,);

/// A command that needs permission.
const SCRIPT: &str =
    "::tool Bash {\"command\":\"sh -c 'echo x > made'\",\"description\":\"a test\"}\n::say \"after\\n\"";

async fn yes_lets_the_tool_run(claude: Claude) {
    let rig = Rig::new(claude).await;
    let mut talk = rig.fresh().await;
    answer(&mut talk, Answer::Allow).await;
    assert!(rig.work().join("made").exists());
    talk.detach().await;
}

async fn no_tells_the_model_why(claude: Claude) {
    let rig = Rig::new(claude).await;
    let mut talk = rig.fresh().await;
    answer(&mut talk, Answer::Deny { message: "because the test says so".into() }).await;
    assert!(!rig.work().join("made").exists());
    let told =
        |text: &str| rig.model.requests().iter().any(|request| request.body["messages"].to_string().contains(text));
    assert!(told("because the test says so"));
    assert_eq!(talk.turn("::say \"next\\n\"").await, "next");
    talk.detach().await;
}

/// Both ways: yes first, then no.
async fn a_question_whose_hook_is_gone_is_answered_through_the_plugin(claude: Claude) {
    for (allowed, given) in [(true, Answer::Allow), (false, Answer::Deny { message: "no".into() })] {
        let rig = Rig::new(claude).await;
        let proxy = Proxy::to(rig.hub.address()).await;
        let hooks = rig.hooks_file();
        let mut plan: serde_json::Value = serde_json::from_slice(&std::fs::read(&hooks).unwrap()).unwrap();
        plan["hooks"]["PermissionRequest"][0]["hooks"][0]["url"] =
            format!("http://127.0.0.1:{}/hooks", proxy.port).into();
        std::fs::write(&hooks, plan.to_string()).unwrap();
        let mut talk = rig.fresh().await;
        talk.start(SCRIPT).await;
        let question = talk.asked().await;
        rig.logged("the plugin passes on a question").await;
        proxy.cut().await;
        talk.answer(&question, given).await;
        let ending = talk.ending().await;
        assert_eq!(rig.work().join("made").exists(), allowed, "{ending:?}");
        assert_eq!(talk.turn("::say \"next\\n\"").await, "next");
        talk.detach().await;
    }
}

async fn answer(talk: &mut Talk, answer: Answer) {
    talk.start(SCRIPT).await;
    let question = talk.asked().await;
    assert!(question.tool == "Bash" && question.input.contains("echo x > made"), "{question:?}");
    talk.answer(&question, answer).await;
    assert_eq!(talk.answered().await, "after");
}
