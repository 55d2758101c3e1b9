//! The fenced blocks of a page.

use std::path::{Path, PathBuf};

/// A fenced block.
#[derive(Debug)]
pub(super) struct Block {
    /// What stands behind the fence.
    pub(super) language: String,
    pub(super) text: String,
    /// What it is to print: nothing in particular when that is empty; none where the page does not say.
    pub(super) prints: Option<String>,
    /// The heading above it.
    pub(super) section: String,
    /// Where it begins, as people look for it: `docs/clients.md:12`.
    pub(super) place: String,
}

/// The project's own folder.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The blocks of a page, in order; of one section of it where that is named by its whole heading line.
pub(super) fn blocks(page: &str, section: Option<&str>) -> Vec<Block> {
    let text = std::fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    let mut prints = None;
    let mut heading = "";
    for (at, line) in text.lines().enumerate() {
        let place = format!("{page}:{}", at + 1);
        if let Some(block) = &mut open {
            if line == "```" {
                blocks.extend(open.take());
            } else {
                block.text.push_str(line);
                block.text.push('\n');
            }
            continue;
        }
        if line.starts_with('#') {
            heading = line;
        }
        if section.is_some_and(|section| section != heading) {
            continue;
        }
        assert!(!line.starts_with("    "), "{place}: an indented block has no language, so nothing would run it");
        if let Some(language) = line.strip_prefix("```") {
            let (language, section, prints) = (language.to_owned(), heading.to_owned(), prints.take());
            open = Some(Block { language, text: String::new(), prints, section, place });
        } else {
            prints = expectation(line);
        }
    }
    assert!(open.is_none(), "{page}: its last block does not end");
    assert!(!blocks.is_empty(), "{page} has no blocks where they were looked for");
    blocks
}

/// What a comment says of the block behind it.
fn expectation(line: &str) -> Option<String> {
    if line == "<!-- prints nothing -->" {
        return Some(String::new());
    }
    line.strip_prefix("<!-- prints: ")?.strip_suffix(" -->").map(str::to_owned)
}

#[test]
fn a_block_has_its_language_its_text_and_what_it_prints() {
    let blocks = blocks("docs/clients.md", Some("## LangChain"));
    let [block] = &blocks[..] else { panic!("{blocks:?}") };
    assert_eq!((&*block.language, block.prints.as_deref()), ("python", Some("[turn 2]")));
    assert!(block.text.starts_with("from langchain_openai import ChatOpenAI\n") && block.text.ends_with("print()\n"));
}
