//! Keeping secrets out of what is shown of a child's output.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// What stands for a secret.
const STAND_IN: &[u8] = b"***";
/// Shorter values are not looked for: they would blot out ordinary text, and guard nothing.
const SECRET_BYTES_MIN: usize = 4;
/// A variable whose name contains one of these holds a secret.
const TELLING_NAMES: [&str; 7] = ["KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "AUTH"];

/// Replaces secret values by `***`.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Longest first, so that of two secrets that begin alike the longer one is taken.
    secrets: Vec<Vec<u8>>,
}

impl Redactor {
    /// From values that are secret. Values of several lines (private keys) count line by line, as they may be printed;
    /// lines under 4 bytes are left alone.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a OsStr>) -> Self {
        let lines = values.into_iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b'\n'));
        let mut secrets: Vec<Vec<u8>> =
            lines.map(<[u8]>::trim_ascii).filter(|line| line.len() >= SECRET_BYTES_MIN).map(<[u8]>::to_vec).collect();
        secrets.sort_unstable_by(|left, right| right.len().cmp(&left.len()).then_with(|| left.cmp(right)));
        secrets.dedup();
        Self { secrets }
    }

    /// From the variables of an environment whose names tell: KEY, TOKEN, SECRET, PASSWORD …, in any case of letters.
    pub fn for_environment(env: &[(OsString, OsString)]) -> Self {
        let is_secret = |name: &OsStr| {
            let name = name.to_string_lossy().to_ascii_uppercase();
            TELLING_NAMES.iter().any(|telling| name.contains(telling))
        };
        Self::new(env.iter().filter(|(name, _)| is_secret(name)).map(|(_, value)| value.as_os_str()))
    }

    /// The text without the secrets.
    pub fn redact(&self, text: &[u8]) -> Vec<u8> {
        self.redact_after(text, 0)
    }

    /// The text from an offset on, where a secret that begins before the offset and reaches past it is left out too.
    pub(super) fn redact_after(&self, text: &[u8], offset: usize) -> Vec<u8> {
        let mut shown = Vec::with_capacity(text.len());
        let mut at = 0;
        while at < text.len() {
            let secret = self.secrets.iter().find(|secret| text[at..].starts_with(secret));
            let next = at + secret.map_or(1, Vec::len);
            if next > offset {
                shown.extend_from_slice(if secret.is_some() { STAND_IN } else { &text[at..next] });
            }
            at = next;
        }
        shown
    }

    /// The longest secret, in bytes.
    pub(super) fn secret_bytes_max(&self) -> usize {
        self.secrets.first().map_or(0, Vec::len)
    }
}

/// Secrets are not for printing.
impl std::fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Redactor({} secrets)", self.secrets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (OsString, OsString) {
        (name.into(), value.into())
    }

    #[test]
    fn values_of_telling_names_are_replaced() {
        let env = [
            pair("ANTHROPIC_API_KEY", "sk-ant-1"),
            pair("gh_token", "sk-ant-1-long"),
            pair("HOME", "/home/someone"),
            pair("EMPTY_SECRET", ""),
            pair("PEM_KEY", "-----BEGIN\nabcdef\n"),
        ];
        let redactor = Redactor::for_environment(&env);
        let shown = redactor.redact(b"/home/someone sk-ant-1-long sk-ant-1 and abcdef.");
        assert_eq!(String::from_utf8_lossy(&shown), "/home/someone *** *** and ***.");
        assert_eq!(format!("{redactor:?}"), "Redactor(4 secrets)");
    }
}
