//! What a turn leaves in the process beside its conversation.
//!
//! `/clear` begins a new conversation and goes back to the directory of the start, but what was set going in the old one
//! goes on: a background task reports its end to whatever conversation there is by then. So a process is given a fresh
//! context only when all tools that ran are known to leave nothing in it; with any other it is ended.

use crate::wire::claude::MessageLine;

/// Tools that leave nothing behind but what they did to files. Those of MCP servers, whose names begin with [`MCP`], count
/// among them: what such a server remembers is not the conversation's.
const HARMLESS: [&str; 13] = [
    "Bash",
    "Edit",
    "Glob",
    "Grep",
    "LS",
    "MultiEdit",
    "NotebookEdit",
    "NotebookRead",
    "Read",
    "StructuredOutput",
    "WebFetch",
    "WebSearch",
    "Write",
];
const MCP: &str = "mcp__";

/// Arguments that are looked at; a tool has no such large ones by which it would go on in the background.
const BACKGROUND: &str = "\"run_in_background\"";

/// Whether anything is left.
#[derive(Debug, Default)]
pub(super) struct Residue(Option<&'static str>);

impl Residue {
    /// Why the process cannot have a fresh context, if it cannot.
    pub(super) fn why(&self) -> Option<&'static str> {
        self.0
    }

    pub(super) fn task_started(&mut self) {
        self.0 = Some("a task that the agent began may outlive the conversation");
    }

    /// Looks at the tools that a message of the model's calls, a subagent's included.
    ///
    /// # Errors
    /// When the message's content is not what the Messages API describes.
    pub(super) fn said(&mut self, line: &MessageLine<'_>) -> serde_json::Result<()> {
        if self.0.is_some() || !line.message.content.get().contains("\"tool_use\"") {
            return Ok(());
        }
        for block in line.message.blocks()?.iter().filter(|block| block.kind == "tool_use") {
            let name = block.name.as_deref().unwrap_or_default();
            let is_known = name.starts_with(MCP) || HARMLESS.contains(&name);
            let is_background = block.input.is_some_and(|input| input.get().contains(BACKGROUND));
            if !is_known || is_background {
                self.0 = Some("a tool that the agent used may have left something in its process");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::claude::Output;

    fn why_after(tool: &str, input: &str) -> Option<&'static str> {
        let line = format!(
            r#"{{"type":"assistant","message":{{"content":[{{"type":"text","text":"x"}},
               {{"type":"tool_use","id":"1","name":"{tool}","input":{input}}}]}}}}"#
        );
        let Ok(Output::Assistant(line)) = Output::parse(line.as_bytes()) else { panic!("{line}") };
        let mut residue = Residue::default();
        residue.said(&line).unwrap();
        residue.why()
    }

    #[test]
    fn tools_that_work_on_files_leave_nothing() {
        assert_eq!(why_after("Bash", r#"{"command":"cd /tmp && ls"}"#), None);
        assert_eq!(why_after("Edit", r#"{"file_path":"a"}"#), None);
        assert_eq!(why_after("mcp__github__search", "{}"), None);
    }

    #[test]
    fn what_may_go_on_is_left_behind() {
        assert!(why_after("Bash", r#"{"command":"sleep 9","run_in_background":true}"#).is_some());
        for tool in ["Task", "EnterPlanMode", "CronCreate", "SomethingNew", "TodoWrite"] {
            assert!(why_after(tool, "{}").is_some(), "{tool}");
        }
        let mut residue = Residue::default();
        residue.task_started();
        assert!(residue.why().is_some());
    }
}
