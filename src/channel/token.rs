//! The secret by which an agent process proves whose it is.

use std::sync::Arc;

use subtle::ConstantTimeEq as _;
use uuid::Uuid;

/// A member's secret: 366 random bits behind the member's number, `7.9f3c…`. Letters, digits and a dot, so that it can stand
/// in an environment variable, a header and a URL.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Token {
    /// A new one for this member.
    pub(super) fn fresh(member: u64) -> Self {
        let [a, b, c] = std::array::from_fn(|_| Uuid::new_v4().simple());
        Self(format!("{member}.{a}{b}{c}").into())
    }

    /// The secret itself, for the agent's environment. It belongs into no log and no argument list.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is it; how long that takes does not tell how much of it fits.
    pub(super) fn is(&self, presented: &str) -> bool {
        self.0.as_bytes().ct_eq(presented.as_bytes()).into()
    }

    /// Whose token this says it is. The number is no secret.
    pub(super) fn member(presented: &str) -> Option<u64> {
        presented.split_once('.')?.0.parse().ok()
    }
}

/// Secrets are not for printing.
impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_fits() {
        let token = Token::fresh(7);
        let text = token.expose();
        assert_eq!(Token::member(text), Some(7));
        assert!(token.is(text));
        assert!(!token.is(&text[..text.len() - 1]) && !token.is(&format!("{text}0")) && !token.is(""));
        assert!(!Token::fresh(7).is(text), "each is another");
        assert!(text.len() > 96 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.'));
        assert!(!format!("{token:?}").contains(&text[2..]));
    }
}
