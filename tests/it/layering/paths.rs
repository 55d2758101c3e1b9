//! The paths of a source text, `use` groups taken apart. No parser: comments and strings are left out, and what is left is
//! read as identifiers, `::` and braces.

/// The tokens that paths are made of. Everything else is [`Token::Other`].
#[derive(Debug, PartialEq, Eq)]
enum Token<'a> {
    Name(&'a str),
    Colons,
    Open,
    Close,
    Comma,
    Other,
}

/// A source text as tokens.
pub(super) struct Tokens<'a>(Vec<Token<'a>>);

impl<'a> Tokens<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let taken = match first {
                '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
                '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
                '"' => string(rest),
                'r' if rest.starts_with("r#\"") => rest.find("\"#").map_or(rest.len(), |end| end + 2),
                // A character such as '"' would else begin a string; a lifetime has no second quote so near.
                '\'' if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") => rest[1..].find('\'').unwrap_or(0) + 2,
                ':' if rest.starts_with("::") => {
                    tokens.push(Token::Colons);
                    2
                }
                c if c.is_alphabetic() || c == '_' => {
                    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                    tokens.push(Token::Name(&rest[..end]));
                    end
                }
                c => {
                    tokens.extend(match c {
                        '{' => Some(Token::Open),
                        '}' => Some(Token::Close),
                        ',' => Some(Token::Comma),
                        c if c.is_whitespace() => None,
                        _ => Some(Token::Other),
                    });
                    c.len_utf8()
                }
            };
            rest = &rest[taken..];
        }
        Self(tokens)
    }

    /// Whether a name stands anywhere.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains(&Token::Name(name))
    }
}

/// All paths with `::` in them, each from its first name on.
pub(super) fn expand(tokens: &Tokens<'_>) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.0.len() {
        let begins = matches!(tokens.0[at], Token::Name(_)) && tokens.0.get(at + 1) == Some(&Token::Colons);
        if begins {
            at = path(&tokens.0, at, &[], &mut paths);
        } else {
            at += 1;
        }
    }
    paths
}

/// Reads a path, or a group of paths behind `before`; gives the place behind it.
fn path(tokens: &[Token<'_>], mut at: usize, before: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    let mut names = before.to_vec();
    loop {
        match tokens.get(at) {
            Some(Token::Name(name)) => names.push((*name).to_owned()),
            Some(Token::Open) => {
                at += 1;
                while !matches!(tokens.get(at), Some(Token::Close) | None) {
                    at = match tokens.get(at) {
                        Some(Token::Name(_)) => path(tokens, at, &names, paths),
                        _ => at + 1,
                    };
                }
                return at + 1;
            }
            // `::*` and `::<T>`
            _ => break,
        }
        at += 1;
        if tokens.get(at) != Some(&Token::Colons) {
            break;
        }
        at += 1;
    }
    paths.push(names);
    at
}

/// Length of the string literal at the start of a text.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
