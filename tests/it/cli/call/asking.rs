//! What is asked, of whom and where; what stands on stdout and on stderr.

use data_encoding::BASE64;
use serde_json::Value;

use super::stand_in;
use crate::harness::{Daemon, PNG};

#[tokio::test]
async fn the_answer_is_all_that_stands_on_stdout() {
    let daemon = stand_in().start().await;
    let answer = daemon.turnmux(&["call", "-r", "::say two\\nlines\n::think hm"]).run().await.ok();
    assert_eq!(answer, "two\\nlines\n");
    let ended = daemon.turnmux(&["call", "-r", "::say \"ends its line\\n\""]).run().await.ok();
    assert_eq!(ended, "ends its line\n", "no other line end is added");
    let wild = daemon.turnmux(&["call", "-r", "::say \"\\u001b[2J\""]).run().await.ok();
    assert_eq!(wild, "\u{1b}[2J\n", "programs get what was said");
}

#[tokio::test]
async fn what_the_agent_does_stands_on_stderr_unless_it_is_to_be_quiet() {
    let daemon = stand_in().start().await;
    let prompt = "::tool Bash {\"command\": \"ls -l\"}\n::say done";
    let ran = daemon.turnmux(&["call", "-r", prompt]).run().await;
    assert_eq!((ran.code, &*ran.stdout, &*ran.stderr), (Some(0), "done\n", "· Bash: ls -l\n"));
    assert_eq!(daemon.turnmux(&["call", "-rq", prompt]).run().await.ok(), "done\n");
}

#[tokio::test]
async fn a_prompt_may_come_from_stdin() {
    let daemon = stand_in().start().await;
    for args in [&["call", "-r"][..], &["call", "-r", "-"]] {
        let answer = daemon.turnmux(args).stdin("::say one\n::say two\n").run().await.ok();
        assert_eq!(answer, "onetwo\n", "{args:?}");
        daemon.turnmux(args).stdin(" \n").run().await.failed(2, &["nothing to ask"]);
    }
    let large = "x".repeat((16 << 20) + 1);
    daemon.turnmux(&["call"]).stdin(&large).run().await.failed(2, &["longer than 16 MiB"]);
    assert_eq!(daemon.stand_in_turns().len(), 2, "the others were asked of nobody");
}

#[tokio::test]
async fn files_stand_before_the_prompt() {
    let daemon = stand_in().start().await;
    let call = daemon.turnmux(&["call", "-r", "Compare.", "-f", "a.txt", "-f", "b/b.txt"]);
    call.clone().file("a.txt", "one\n").file("b/b.txt", "two").run().await.ok();
    let whole = "<file path=\"a.txt\">\none\n</file>\n\n<file path=\"b/b.txt\">\ntwo\n</file>\n\nCompare.";
    assert_eq!(daemon.stand_in_turns(), [whole]);
    let piped = daemon.turnmux(&["call", "-r", "Sum up.", "-f", "/dev/stdin"]).stdin("three\n");
    piped.run().await.ok();
    assert_eq!(daemon.stand_in_turns()[1], "<file path=\"/dev/stdin\">\nthree\n</file>\n\nSum up.");
    call.args(&["-f", "none.txt"]).run().await.failed(2, &["none.txt: No such file"]);
    assert_eq!(daemon.stand_in_turns().len(), 2);
}

#[tokio::test]
async fn a_file_that_is_an_image_is_shown() {
    let daemon = stand_in().start().await;
    let call = daemon.turnmux(&["call", "-r", "::say no", "-f", "a.png", "-f", "b.txt"]);
    let call = call.file("a.png", &BASE64.decode(PNG.as_bytes()).unwrap()).file("b.txt", "text\n");
    assert_eq!(call.clone().run().await.ok(), "no\n");
    let whole = "<image path=\"a.png\"/>\n\n<file path=\"b.txt\">\ntext\n</file>\n\n::say no";
    assert_eq!(
        (daemon.stand_in_turns(), daemon.stand_in_images()),
        (vec![whole.to_owned()], vec![vec![PNG.to_owned()]])
    );

    // An empty context has not seen it; a session has.
    call.clone().args(&["-j", "true"]).run().await;
    let images = daemon.stand_in_images();
    assert_eq!(images[1..], vec![vec![PNG.to_owned()]; images.len() - 1]);
    assert!(images.len() > 2, "it was asked again: {images:?}");
    let asked = images.len();
    call.args(&["-j", "true", "--session", "s"]).run().await;
    let images = &daemon.stand_in_images()[asked..];
    assert_eq!((&images[0][..], &images[1][..]), (&[PNG.to_owned()][..], &[][..]));
}

#[tokio::test]
async fn the_text_around_the_prompt_is_configured() {
    let daemon = stand_in().start().await;
    let call = daemon.turnmux(&["call", "What?"]);
    call.run().await.ok();
    let config = ".config/turnmux/turnmux.toml";
    call.clone().file(config, "[call]\nwrapping = \"Briefly: {prompt}\"").run().await.ok();
    call.clone().args(&["-r"]).run().await.ok();
    call.clone().file(config, "[call]\nwrapping = \"\"").run().await.ok();
    let turns = daemon.stand_in_turns();
    assert!(turns[0].starts_with("You are asked by a program") && turns[0].ends_with("\n\nWhat?"), "{}", turns[0]);
    assert_eq!(turns[1..], ["Briefly: What?", "What?", "What?"]);
    let without = call.file(config, "[call]\nwrapping = \"Briefly:\"");
    without.run().await.failed(2, &["call.wrapping", "{prompt}"]);
}

#[tokio::test]
async fn a_call_says_which_agent_model_and_directory_it_wants() {
    let daemon = stand_in().config("backends.other.model = \"sonnet\"").start().await;
    let call = daemon.turnmux(&["call", "-r", "hello", "-a", "other", "-m", "opus", "-c", "below"]);
    let call = call.file("below/file", "");
    call.run().await.ok();
    let session = daemon.session("call::1").await.expect("it served the call");
    assert_eq!(session["backend"], "other");
    let below = call.home().canonicalize().unwrap().join("below");
    assert_eq!(session["directory"], below.to_str().unwrap());
    assert!(arguments(&session).contains("\0--model\0opus\0"));

    let here = daemon.turnmux(&["call", "-r", "hello"]);
    here.run().await.ok();
    let session = daemon.session("call::2").await.expect("another kind of call has another process");
    assert_eq!(session["directory"], here.home().canonicalize().unwrap().to_str().unwrap(), "the shell's directory");
}

fn arguments(session: &Value) -> String {
    std::fs::read_to_string(format!("/proc/{}/cmdline", session["pid"])).expect("it has a process")
}

#[tokio::test]
async fn what_is_not_there_is_said_and_nothing_is_asked() {
    let daemon = stand_in().start().await;
    let refused = async |args: &[&str], code, words: &[&str]| {
        daemon.turnmux(&["call", "-r", "hello"]).args(args).file("file", "").run().await.failed(code, words);
    };
    refused(&["-c", "nowhere"], 2, &["nowhere: No such file"]).await;
    refused(&["-c", "file"], 2, &["file: not a directory"]).await;
    refused(&["-c", "/"], 2, &["`server.workspace_roots`"]).await;
    refused(&["-a", "nobody"], 5, &["there is no model `nobody`"]).await;
    refused(&["-t", "soon"], 2, &["90s"]).await;
    refused(&["--session", "a\nb"], 2, &["--session"]).await;
    assert!(daemon.stand_in_turns().is_empty());
    // The folder that nobody named is refused, too: the agent is not to work elsewhere unnoticed.
    let closed = Daemon::stand_in().start().await;
    closed.turnmux(&["call", "-r", "hello"]).run().await.failed(2, &["workspace", "`server.workspace_roots`"]);
}

#[tokio::test]
async fn where_the_configuration_says_where_calls_run_they_run_there() {
    let daemon = stand_in().config("agents.call.workspace = \"@SCRATCH@/bin\"").start().await;
    // Found by the configuration, so that this is the daemon's.
    let listen = daemon.client.address.clone();
    let workspace = daemon.scratch().canonicalize().unwrap().join("bin");
    let config = format!("agents.call.workspace = {workspace:?}\nserver.listen = {listen:?}");
    let call = crate::harness::Turnmux::new(&["call", "-r", "hello"]).file(".config/turnmux/turnmux.toml", &config);
    call.env("TURNMUX_SERVER__LISTEN", listen).run().await.ok();
    assert_eq!(daemon.session("call::1").await.unwrap()["directory"], workspace.to_str().unwrap());
}

#[tokio::test]
async fn a_turn_that_fails_is_a_call_that_fails() {
    let daemon = stand_in().start().await;
    let ran = daemon.turnmux(&["call", "-r", "::say begun\n::exit 3"]).run().await;
    assert_eq!((ran.code, &*ran.stdout), (Some(1), "begun\n"));
    assert!(ran.stderr.starts_with("turnmux: ") && ran.stderr.ends_with("(agent_lost)\n"), "{ran:?}");
}

/// Nobody is there who could answer, although the call is told of everything.
#[tokio::test]
async fn what_needs_permission_is_denied_at_once() {
    let daemon = stand_in().config("limits.answer = \"1h\"").start().await;
    let ran = daemon.turnmux(&["call", "-r", "::ask Bash {\"command\": \"ls\"}"]).run().await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("· Bash was not allowed"), "{ran:?}");
}
