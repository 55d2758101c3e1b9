//! What the drivers of Claude Code share, however they speak with it.

pub(super) mod answer;
pub(super) mod failure;
pub(super) mod launch;
pub(super) mod tools;
