//! A gate that turns of the stand-in wait at: a FIFO, as `::hold` and `STAND_IN_READY_FIFO` know it.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use nix::sys::stat::Mode;

use super::Daemon;

/// Closed until [`Gate::open`]; then open for good, or until it is dropped.
pub(crate) struct Gate {
    path: PathBuf,
    opened: Mutex<Option<File>>,
}

impl Daemon {
    /// A new gate in the scratch folder, closed.
    pub(crate) fn gate(&self, name: &str) -> Gate {
        Gate::new(self.scratch(), name)
    }
}

impl Gate {
    fn new(folder: &Path, name: &str) -> Self {
        let path = folder.join(name);
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("a FIFO");
        Self { path, opened: Mutex::new(None) }
    }

    /// The directive that waits here.
    pub(crate) fn hold(&self) -> String {
        format!("::hold {}", self.path.display())
    }

    /// Lets all pass that wait, and all that come. Both ends are opened, so that this itself waits for nobody.
    pub(crate) fn open(&self) {
        let both = OpenOptions::new().read(true).write(true).open(&self.path).expect("the FIFO can be opened");
        *self.opened.lock().unwrap() = Some(both);
    }
}
