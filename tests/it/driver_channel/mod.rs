//! The driver for a claude in a terminal, by the library, with the real claude in both releases: what only shows where a test
//! sees each event and reaches the plugin's server and its connection.
//!
//! | file | what it shows |
//! | --- | --- |
//! | `steers` | more input for a running turn |
//! | `interrupts` | a turn is stopped, with what waits behind it |
//! | `questions` | permissions, by the hook and by the plugin |
//! | `loss` | the plugin's server, its connection, or claude ends |
//! | `rig`, `talk`, `log` | the driver, a conversation with it, its log |

/// Makes of each function a test for each release, so that they run side by side.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod newest {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::harness::Claude::Newest).await;
            })+
        }
        mod older {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::harness::Claude::Older).await;
            })+
        }
    };
}

mod interrupts;
mod log;
mod loss;
mod proxy;
mod questions;
mod rig;
mod steers;
mod talk;
