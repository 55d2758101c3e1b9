//! Questions that come from inside a turn, and what can be answered to them.

use std::collections::BTreeMap;

/// A question that comes from inside a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The id of the question, to be named in the answer. A driver gives the agent's own; what clients see is the session's,
    /// which no other question of any process ever has.
    pub id: String,
    /// The tool that wants to run.
    pub tool: String,
    /// Its arguments, as JSON text.
    pub input: String,
}

impl Question {
    /// Whether the tool asks the person for a choice: then the answer is words, not leave.
    pub fn is_for_words(&self) -> bool {
        self.tool == "AskUserQuestion"
    }
}

/// What somebody answers to a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The tool may run, this once.
    Allow,
    /// The tool may run, and so may every later use of the same tool until the session is reset or its task ends.
    AllowSession,
    /// The tool may not run.
    Deny {
        /// Why, for the model; empty is a sentence of turnmux's own.
        message: String,
    },
    /// What the person says to the questions that the tool asks, by question.
    Answers(BTreeMap<String, String>),
}

/// How a [`Question`] came to its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnsweredBy {
    /// A client decided.
    Client,
    /// It was allowed for the whole session before.
    Session,
    /// A person decided in the agent's own terminal.
    Terminal,
    /// Nobody decided within `limits.answer`.
    Limit,
    /// Nobody who could decide listens.
    NobodyThere,
    /// The turn was stopped, or ended.
    Interrupted,
}

impl AnsweredBy {
    /// The word for it in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Session => "session",
            Self::Terminal => "terminal",
            Self::Limit => "limit",
            Self::NobodyThere => "nobody_there",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileChangeKind {
    /// It was not there before.
    Created,
    /// It was, and is different now.
    Modified,
}

impl FileChangeKind {
    /// The word for it in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Modified => "modified",
        }
    }
}
