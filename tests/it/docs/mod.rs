//! What the pages in `docs/` and the README's quick start tell people to do: every command and program in them is run against
//! a real daemon with the stand-in, and must print what a comment above it says, as in `<!-- prints: You said -->`
//! (`<!-- prints nothing -->`). The language of a block says what becomes of it:
//!
//! | language | |
//! | --- | --- |
//! | `sh`, `python`, `js` | is run, in an empty home that the page's blocks share; the port is put in |
//! | `toml` | the page's daemon runs with it |
//! | `yaml` | is parsed; its address and model are checked |
//! | `text` | cannot be run here; addresses and models in it are checked. In troubleshooting it is an error's text, which has to stand in the source |
//!
//! Any other kind of block fails, so that nothing is left out in silence.

mod block;
mod pages;
mod quoted;
mod run;
