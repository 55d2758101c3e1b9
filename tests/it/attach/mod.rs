//! `turnmux attach`, in a terminal of its own, and the route that it stands on.
//!
//! | file | what it shows |
//! | --- | --- |
//! | `watching` | the real claude's screen, its size, how one leaves, and that nothing is typed by who only watches |
//! | `typing` | what a person types becomes turns of the session |
//! | `lines` | a session without a terminal: its events, and lines as turns |
//! | `route` | `GET /v1/sessions/{key}/terminal` itself: who may, and what it says |

/// Makes of each function a test for each release, in a terminal.
macro_rules! in_terminal {
    ($($test:ident),+ $(,)?) => {
        tests_of!(newest, NewestInTerminal, $($test),+);
        tests_of!(older, OlderInTerminal, $($test),+);
    };
}

macro_rules! tests_of {
    ($name:ident, $claude:ident, $($test:ident),+) => {
        mod $name {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::harness::Claude::$claude).await;
            })+
        }
    };
}

mod console;
mod lines;
mod route;
mod typing;
mod watching;

/// The session that these tests attach to.
const KEY: &str = "desk::one";
