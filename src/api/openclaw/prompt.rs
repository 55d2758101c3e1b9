//! OpenClaw's system prompt.

/// How it begins, with and without the comment that marks its stable part.
const BEGINNINGS: [&str; 2] = ["<!-- openclaw:attempt:", "You are a personal assistant running inside OpenClaw."];

/// Sections about tools: their headings and how their texts begin. They speak of OpenClaw's own tools, of which a claude
/// here has none, or say that the model has no tools at all, where claude has its own. A workspace file that is quoted in
/// the prompt may have such a heading too; it does not go on like this.
const TOOL_SECTIONS: [(&str, &str); 3] = [
    ("## Tooling", "Tools policy-filtered."),
    ("## Tooling", "Available tools are policy-filtered."),
    ("## Tool availability", "This model cannot use tools in this run."),
];

/// Whether a system prompt is OpenClaw's for a turn of a conversation.
pub(super) fn is_openclaws(prompt: &str) -> bool {
    let prompt = prompt.trim_start();
    BEGINNINGS.iter().any(|beginning| prompt.starts_with(beginning))
}

/// Where OpenClaw's agent works. The first such line counts, for the workspace's files are quoted behind it.
pub(super) fn working_directory(prompt: &str) -> Option<&str> {
    let path = prompt.lines().find_map(|line| line.strip_prefix("Working directory: "))?.trim();
    path.starts_with('/').then_some(path)
}

/// The prompt without the comments that mark its parts, and without the sections about tools.
pub(super) fn clean(prompt: &str) -> String {
    let mut kept = String::with_capacity(prompt.len());
    let mut lines = prompt.lines().peekable();
    let mut after_heading = None;
    while let Some(line) = lines.next() {
        if is_mark(line) {
            continue;
        }
        if line.starts_with("## ") {
            after_heading = Some(kept.len());
        } else if let Some(heading) = after_heading.filter(|_| !line.trim().is_empty()) {
            after_heading = None;
            let section = kept[heading..].trim_end().to_owned();
            if TOOL_SECTIONS.iter().any(|(title, text)| section == *title && line.starts_with(text)) {
                kept.truncate(heading);
                // The one about availability is a single line; the other goes on until the next heading.
                if section == "## Tooling" {
                    while lines.next_if(|line| !line.starts_with("## ") && !is_mark(line)).is_some() {}
                }
                continue;
            }
        }
        kept.push_str(line);
        kept.push('\n');
    }
    kept.truncate(kept.trim_end().len());
    kept
}

/// Whether the line is a comment such as `<!-- /openclaw:attempt:DYNAMIC -->`.
fn is_mark(line: &str) -> bool {
    let inside = line.trim().strip_prefix("<!--").and_then(|line| line.strip_suffix("-->"));
    inside.is_some_and(|inside| {
        let inside = inside.trim().trim_start_matches('/');
        inside.get(.."openclaw".len()).is_some_and(|word| word.eq_ignore_ascii_case("openclaw"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::recordings::{TURNS, system_text};
    use super::*;

    /// As OpenClaw builds it for a model without tools, shortened.
    const WHOLE: &str = "<!-- openclaw:attempt:STABLE -->\nYou are a personal assistant running inside OpenClaw.\n\
        ## Tooling\nTools policy-filtered. Names case-sensitive; call exact.\nThe active runtime provides the tools.\n\
        Long wait: no rapid poll.\n## Safety\nNo independent goals.\n## Workspace\nWorking directory: /srv/ws\n\
        ## /srv/ws/AGENTS.md\n## Tooling\nWe use make.\nWorking directory: /elsewhere\n<!-- /openclaw:attempt:STABLE -->\n\
        <!-- OPENCLAW_CACHE_BOUNDARY -->\n## Tool availability\n\nThis model cannot use tools in this run. Do not claim \
        that you ran commands.\n## Runtime\nReasoning=off\n<!-- /openclaw:attempt:DYNAMIC -->";

    #[test]
    fn sections_about_tools_and_marks_go_and_the_rest_stays() {
        assert_eq!(
            clean(WHOLE),
            "You are a personal assistant running inside OpenClaw.\n## Safety\nNo independent goals.\n## Workspace\n\
             Working directory: /srv/ws\n## /srv/ws/AGENTS.md\n## Tooling\nWe use make.\nWorking directory: /elsewhere\n\
             ## Runtime\nReasoning=off"
        );
    }

    #[test]
    fn the_first_working_directory_counts() {
        assert_eq!(working_directory(WHOLE), Some("/srv/ws"));
        assert_eq!(working_directory("Working directory: relative"), None);
        assert_eq!(working_directory("none"), None);
    }

    #[test]
    fn recorded_prompts_are_recognised() {
        for recording in TURNS {
            let prompt = system_text(recording);
            assert!(is_openclaws(&prompt), "{recording}");
            let cleaned = clean(&prompt);
            assert!(cleaned.starts_with("You are a personal assistant") && cleaned.contains("## Runtime"), "{cleaned}");
            assert!(!cleaned.contains("<!--") && !cleaned.contains("policy-filtered"), "{cleaned}");
        }
        assert!(!is_openclaws(&system_text("title")));
        assert!(!is_openclaws("You know OpenClaw: You are a personal assistant running inside OpenClaw."));
    }
}
