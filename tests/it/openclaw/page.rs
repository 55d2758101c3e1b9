//! `docs/openclaw.md`, as somebody types it.
