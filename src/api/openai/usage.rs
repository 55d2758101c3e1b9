//! What a client is told that an answer took.

use crate::protocol::Usage;
use crate::wire::openai::{PromptDetails, TrueUsage, UsageOut};

/// Bytes of text that are taken for a token where nobody counts them.
const TOKEN_BYTES: usize = 4;
/// Tokens that an image is taken for: about what Anthropic counts for the largest that it does not scale down.
const IMAGE_TOKENS: usize = 1_600;

/// Which prompt tokens a client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// All that the agent's model read.
    Whole,
    /// An estimate of what this request brought. OpenClaw takes the prompt's tokens for the size of its own transcript, and
    /// summarises that when they come near the model's limit. But it is the agent whose context they are, which holds the
    /// agent's own prompts, tools and files, and which the agent itself keeps small.
    Input {
        /// The estimate.
        tokens: u64,
    },
}

impl Shown {
    /// For a client that is told of its input alone.
    pub(super) fn input_alone(input: &str, images: usize) -> Self {
        let tokens = input.len().div_ceil(TOKEN_BYTES) + images * IMAGE_TOKENS;
        Self::Input { tokens: u64::try_from(tokens).unwrap_or(u64::MAX) }
    }

    /// What it is told.
    pub(super) fn of(self, usage: &Usage) -> UsageOut {
        let whole = TrueUsage { prompt_tokens: usage.prompt_tokens(), cached_tokens: usage.cache_read_tokens };
        let (prompt_tokens, cached_tokens, turnmux) = match self {
            Self::Whole => (whole.prompt_tokens, whole.cached_tokens, None),
            Self::Input { tokens } => (tokens, 0, Some(whole)),
        };
        UsageOut {
            prompt_tokens,
            completion_tokens: usage.output_tokens,
            total_tokens: prompt_tokens.saturating_add(usage.output_tokens),
            prompt_tokens_details: PromptDetails { cached_tokens },
            cost_usd: usage.cost_usd,
            turnmux,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USAGE: Usage = Usage {
        input_tokens: 11,
        cache_creation_tokens: 100,
        cache_read_tokens: 180_000,
        output_tokens: 20,
        cost_usd: Some(0.25),
    };

    #[test]
    fn clients_are_told_all_of_it() {
        let told = Shown::Whole.of(&USAGE);
        assert_eq!((told.prompt_tokens, told.completion_tokens, told.total_tokens), (180_111, 20, 180_131));
        assert_eq!((told.prompt_tokens_details.cached_tokens, told.turnmux), (180_000, None));
    }

    #[test]
    fn openclaw_is_told_of_its_input_and_finds_the_rest_beside_it() {
        for (input, tokens) in [("", 0), ("hell", 1), ("hello", 2), ("größe", 2)] {
            let told = Shown::input_alone(input, 0).of(&USAGE);
            assert_eq!((told.prompt_tokens, told.completion_tokens), (tokens, 20), "{input:?}");
            assert_eq!((told.total_tokens, told.prompt_tokens_details.cached_tokens), (tokens + 20, 0));
            assert_eq!(told.turnmux, Some(TrueUsage { prompt_tokens: 180_111, cached_tokens: 180_000 }));
        }
        assert_eq!(Shown::input_alone("hello", 2), Shown::Input { tokens: 3_202 });
    }
}
