//! Tests that are the same for each release of claude, and each way to speak with it.

/// Makes of each function a test for each release, over stdio and in a terminal, so that they run side by side.
macro_rules! on_all {
    ($($test:ident),+ $(,)?) => {
        tests_of!(newest, Newest, $($test),+);
        tests_of!(older, Older, $($test),+);
        in_terminal!($($test),+);
    };
}

/// The same over stdio alone.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        tests_of!(newest_over_stdio, Newest, $($test),+);
        tests_of!(older_over_stdio, Older, $($test),+);
    };
}

/// The same in a terminal alone.
macro_rules! in_terminal {
    ($($test:ident),+ $(,)?) => {
        tests_of!(newest_in_terminal, NewestInTerminal, $($test),+);
        tests_of!(older_in_terminal, OlderInTerminal, $($test),+);
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
