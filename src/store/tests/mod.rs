//! What every store does, whatever it keeps things in: each test runs with both.

mod events;
mod pieces;
pub(super) mod rig;
mod sessions;
mod turns;

/// Runs each of these functions with each store.
macro_rules! with_both {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[test] fn $name() { super::$name(&crate::store::tests::rig::Rig::memory()); })+
        }
        mod sqlite {
            $(#[test] fn $name() { super::$name(&crate::store::tests::rig::Rig::sqlite()); })+
        }
    };
}
use with_both;
