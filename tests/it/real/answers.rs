//! What an answer is made of.

use serde_json::json;

use super::{KEY, bash, request_for, requests, tool_results};
use crate::harness::{Claude, Daemon};

on_all!(
    usage_is_of_the_turn,
    an_answer_cut_at_the_limit_says_so,
    tools_run_and_their_results_count,
    a_subagent_is_no_part_of_the_answer,
    huge_answers_come_whole,
);
on_both!(thinking_stands_apart);

async fn thinking_stands_apart(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    let text = "::think Let me see how this goes.\n::say It goes well.";
    let (said, chunks) = session.stream(text).await.rest().await;
    assert_eq!(said, "It goes well.");
    let deltas = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["reasoning_content"].as_str());
    assert_eq!(deltas.collect::<String>(), "Let me see how this goes.");
    assert_eq!(chunks.iter().rev().nth(1).unwrap()["choices"][0]["finish_reason"], "stop");
    let whole = session.ask(text).await.json();
    let message = &whole["choices"][0]["message"];
    assert_eq!(message["reasoning_content"], "Let me see how this goes.");
    assert_eq!(message["content"], "It goes well.");
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");
}

async fn usage_is_of_the_turn(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    let first = session.ask("one").await.json()["usage"].clone();
    assert_eq!((&first["prompt_tokens"], &first["completion_tokens"]), (&json!(161), &json!(20)));
    assert_eq!(first["total_tokens"], 181);
    assert_eq!(first["prompt_tokens_details"]["cached_tokens"], 50);
    let cost = first["cost_usd"].as_f64();
    // In a terminal claude tells nobody.
    assert_eq!(cost.is_some_and(|cost| cost > 0.0), !claude.in_terminal(), "{first}");
    // The second turn's cost is its own, though claude counts them up.
    let mut body = json!({"messages": [{"role": "user", "content": "two"}], "stream": true});
    body["stream_options"] = json!({"include_usage": true});
    let (_, chunks) = session.stream_body(&body).await.rest().await;
    let second = &chunks.iter().rev().nth(1).expect("a piece before [DONE]")["usage"];
    assert_eq!(second["total_tokens"], 181);
    let other = second["cost_usd"].as_f64();
    assert!(
        cost.zip(other).is_none_or(|(cost, other)| (other - cost).abs() < cost / 100.0),
        "{second} is not {cost:?}"
    );
}

async fn an_answer_cut_at_the_limit_says_so(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    // claude asks the model to go on, three times, and gives up.
    let (text, chunks) = session.stream("::say It never en\n::stop max_tokens").await.rest().await;
    // In a terminal nothing tells the same words from another attempt at them.
    assert_eq!(text, "It never en".repeat(if claude.in_terminal() { 1 } else { 4 }));
    assert_eq!(chunks.iter().rev().nth(1).unwrap()["choices"][0]["finish_reason"], "length");
    let whole = session.ask("::say It never en\n::stop max_tokens").await;
    assert_eq!(whole.text(), text);
    assert_eq!(whole.json()["choices"][0]["finish_reason"], "length");
    assert_eq!(whole.json()["usage"]["completion_tokens"], 80);
    assert!(session.ask("and now").await.text().starts_with("You said: and now"));
}

async fn tools_run_and_their_results_count(claude: Claude) {
    let daemon = Daemon::claude(claude).args(&["--permission", "bypass"]).env("IS_SANDBOX", "1").start().await;
    let session = daemon.client.session(KEY);
    let script = format!("::say Let me look.\n{}\n::say Done.", bash("touch made; echo from-$((40+2))-the-tool"));
    let whole = session.ask(&script).await;
    assert_eq!(whole.text(), "Let me look.\n\nDone.");
    assert!(tool_results(&daemon.model).contains("from-42-the-tool"), "{}", tool_results(&daemon.model));
    assert!(daemon.work().join("made").exists());
    // Both of its model calls are in the usage.
    assert_eq!(whole.json()["usage"]["total_tokens"], 362);
    let (text, chunks) = session.stream(&bash("echo answer")).await.rest().await;
    assert!(text.starts_with("The tool said: answer"), "{text}");
    assert_eq!(chunks.last(), Some(&json!("[DONE]")));
}

async fn a_subagent_is_no_part_of_the_answer(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    let arguments = json!({
        "description": "look", "prompt": "::say words of the subagent", "subagent_type": "general-purpose",
        "run_in_background": false,
    });
    let script = format!("::say Before.\n::tool Agent {arguments}\n::say After.");
    let (text, _) = session.stream(&script).await.rest().await;
    assert_eq!(text, "Before.\n\nAfter.");
    request_for(&daemon.model, "::say words of the subagent").await;
    // The newest lets it work in the background when somebody is there to see it.
    let waited = claude != Claude::NewestInTerminal;
    assert!(!waited || tool_results(&daemon.model).contains("words of the subagent"), "its word reached the agent");
    assert_eq!(session.ask(&script).await.text(), "Before.\n\nAfter.");
}

async fn huge_answers_come_whole(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    let (text, chunks) = session.stream("::huge 1000000\n::say the end").await.rest().await;
    assert_eq!((text.len(), &text[text.len() - 9..]), (1_000_007, "xxthe end"));
    assert!(chunks.iter().all(|chunk| chunk["turnmux"].is_null()), "the whole answer agreed with its pieces");
    let whole = session.ask("::huge 1000000\n::say the end").await;
    assert_eq!(whole.text(), text);
    assert_eq!(requests(&daemon.model).len(), 2);
}
