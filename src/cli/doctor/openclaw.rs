//! Whether OpenClaw is there, and new enough to use turnmux.

use std::ffi::OsStr;
use std::time::Duration;

use super::finding::{Finding, State, quoted, release};
use crate::config::Environment;
use crate::process::{find_program, run};

/// The oldest release that turnmux was tried with. Before it, the headers that name a session were not sent.
const OLDEST: [u32; 3] = [2026, 9, 6];

/// Node needs a second or two to load it.
const LIMIT: Duration = Duration::from_secs(30);

const UPDATE: &str = "`npm install -g openclaw@latest`, with Node 24.16 or newer";

pub(super) async fn examine(environment: &Environment) -> Finding {
    let finding = |state, found: String| Finding::new("openclaw", state, found);
    let path = environment.variables.get("PATH");
    let Ok(program) = find_program(OsStr::new("openclaw"), path.map(AsRef::as_ref), &environment.cwd) else {
        return finding(State::None, "not on PATH, which is fine without it".to_owned());
    };
    let shown = program.display().to_string();
    let said = match run(&program, &["--version"], environment.inherited(), &environment.cwd, LIMIT).await {
        Ok(finished) if finished.status.success() => finished.stdout,
        Ok(finished) => {
            let said = quoted(&format!("{}{}", finished.stderr, finished.stdout));
            return finding(State::Warn, format!("{shown} does not run: {said}")).todo(UPDATE);
        }
        Err(error) => return finding(State::Warn, format!("{shown} does not run: {error}")).todo(UPDATE),
    };
    match version(&said) {
        Some(version) if version < OLDEST => {
            finding(State::Warn, format!("{shown} is {}, which is too old", quoted(&said))).todo(UPDATE)
        }
        Some([year, month, day]) => finding(State::Ok, format!("{year}.{month}.{day}, {shown}")),
        None => finding(State::Warn, format!("{shown} names no version: {}", quoted(&said))),
    }
}

/// The first word that is three numbers.
fn version(said: &str) -> Option<[u32; 3]> {
    said.split(|character: char| character.is_whitespace() || character == 'v').find_map(release)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_it_says() {
        assert_eq!(version("OpenClaw 2026.9.6 (abc1234)\n"), Some([2026, 9, 6]));
        assert_eq!(version("2026.10.1-beta.2"), Some([2026, 10, 1]));
        assert_eq!(version("v2026.9.6"), Some([2026, 9, 6]));
        assert_eq!(version("OpenClaw 2026"), None);
        assert!([2026, 10, 0] > OLDEST && [2026, 9, 5] < OLDEST);
    }
}
