//! `turnmux completions` and `turnmux man`.

use super::machine::Machine;

#[tokio::test]
async fn shells_are_told_the_verbs_and_their_flags() {
    let machine = Machine::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = machine.turnmux(&["completions", shell]).await.done();
        for word in ["doctor", "install-service", "ephemeral"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        assert!(!script.contains("guard"), "{shell}: what only turnmux starts");
    }
    assert!(machine.turnmux(&["completions", "tcsh"]).await.failed(2).contains("bash"));
}

#[tokio::test]
async fn man_has_a_page_for_each_verb() {
    let machine = Machine::new();
    let page = machine.turnmux(&["man"]).await.done();
    assert!(
        page.contains(".TH turnmux 1") && page.contains("turnmux\\-doctor(1)") && !page.contains("guard"),
        "{page}"
    );
    machine.turnmux(&["man", "pages"]).await.done();
    let pages = std::fs::read_dir(machine.path("work/pages")).unwrap();
    let mut names: Vec<String> = pages.map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    for name in ["turnmux.1", "turnmux-serve.1", "turnmux-init.1", "turnmux-install-service.1"] {
        assert!(names.iter().any(|there| there == name), "{name}: {names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("guard") || name.contains("channel")), "{names:?}");
    assert!(machine.read("work/pages/turnmux-serve.1").contains("ephemeral"));
}
