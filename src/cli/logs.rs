//! `turnmux logs`: what the daemon logs, wherever that went.
//!
//! A daemon writes its log to stderr, and where that goes whoever started it has decided. Two of these places are known: the
//! journal, where its service is installed, and the file of a daemon that a verb has started in the background. For all
//! others `turnmux logs` says that it does not know.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Failure;
use super::common::Common;
use super::output;
use super::terminal::plain;
use crate::config::{Environment, user_config};
use crate::process::{FileWatch, become_program};

/// The service, as `turnmux install-service` calls it.
const UNIT: &str = "turnmux.service";

/// How far back in a file lines are looked for, in bytes.
const BACK_MAX: u64 = 4 << 20;

/// How much is read at once of what was added, in bytes.
const PIECE: u64 = 1 << 20;

/// Show the daemon's log: the journal of its service, or the file of one that was started in the background
#[derive(Debug, clap::Args)]
pub struct Logs {
    /// Go on with what is added, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// How many lines to begin with, the last ones
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    lines: u32,
    /// A service of another name, such as turnmux@work
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    unit: Option<String>,
    /// The file that its stderr went to
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// Where the log is.
#[derive(Debug, PartialEq, Eq)]
enum Log {
    Journal { unit: String, is_users: bool },
    File(PathBuf),
}

impl Logs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.find()? {
            Log::Journal { unit, is_users } => Err(self.journal(&unit, is_users)),
            Log::File(path) => self.show(&path).await,
        }
    }

    fn find(&self) -> Result<Log, Failure> {
        let environment = Environment::from_process()?;
        if let Some(file) = &self.file {
            return Ok(Log::File(file.clone()));
        }
        if let Some(unit) = &self.unit {
            let is_users = !system_units().any(|folder| folder.join(unit_file(unit)).exists());
            return Ok(Log::Journal { unit: unit.clone(), is_users });
        }
        let file = self.common.target.load(&environment)?.background_log();
        let users = user_units(&environment).map(|folder| (folder, true));
        let system = system_units().map(|folder| (folder, false));
        if let Some((_, is_users)) = users.chain(system).find(|(folder, _)| folder.join(UNIT).exists()) {
            return Ok(Log::Journal { unit: UNIT.to_owned(), is_users });
        }
        let looked = file.iter().map(|file| file.display().to_string()).collect::<String>();
        file.filter(|file| file.exists()).map(Log::File).ok_or_else(|| {
            Failure::NotFound(format!(
                "there is no service {UNIT}, and no log at {looked}: the daemon's log went where the stderr of whoever \
                 started it goes; name that with --file, or its service with --unit"
            ))
        })
    }

    /// Becomes journalctl; comes back only if that cannot be.
    fn journal(&self, unit: &str, is_users: bool) -> Failure {
        let lines = self.lines.to_string();
        let mut args = vec!["--unit", unit, "--lines", &lines];
        if is_users {
            args[0] = "--user-unit";
        }
        args.extend(self.follow.then_some("--follow"));
        args.extend(self.common.json.then_some("--output=json"));
        let source = become_program(OsStr::new("journalctl"), args.into_iter().map(OsStr::new));
        Failure::Io { what: "cannot run journalctl", source }
    }

    async fn show(&self, path: &Path) -> Result<(), Failure> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => Failure::NotFound(format!("there is no log at {}", path.display())),
            _ => Failure::Io { what: "cannot read the log", source },
        };
        // First this, then the file: nothing that is added meanwhile is missed.
        let mut watch = self.follow.then(|| FileWatch::new(path)).transpose().map_err(failed)?;
        let mut reader = Tailed::open(path, self.lines as usize).map_err(failed)?;
        loop {
            while let Some(text) = reader.more().map_err(failed)? {
                self.print(&text).map_err(Failure::output)?;
            }
            let Some(watch) = &mut watch else { return Ok(()) };
            watch.changed().await.map_err(failed)?;
        }
    }

    fn print(&self, text: &str) -> io::Result<()> {
        if !self.common.json {
            return output::text(&plain(text));
        }
        text.lines().try_for_each(|line| match serde_json::from_str::<Value>(line) {
            Ok(object @ Value::Object(_)) => output::json(&object),
            _ => output::json(&json!({"line": line})),
        })
    }
}

/// A file's last lines, and what is added to it.
struct Tailed {
    path: PathBuf,
    file: File,
    at: u64,
    /// The beginning of a line whose end is not written yet.
    half: Vec<u8>,
    /// Of the lines that are there already so many are wanted.
    first: Option<usize>,
}

impl Tailed {
    fn open(path: &Path, lines: usize) -> io::Result<Self> {
        let file = File::open(path)?;
        let at = file.metadata()?.len().saturating_sub(BACK_MAX);
        Ok(Self { path: path.to_owned(), file, at, half: Vec::new(), first: Some(lines) })
    }

    /// Whole lines that were not given yet; none when there are none now.
    fn more(&mut self) -> io::Result<Option<String>> {
        if let Some(lines) = self.first.take() {
            let is_middle = self.at > 0;
            let text = self.read(BACK_MAX)?;
            // The first line of a piece out of the middle is half a line.
            let skipped = if is_middle { text.find('\n').map_or(0, |end| end + 1) } else { 0 };
            return Ok(Some(last_lines(&text[skipped..], lines).to_owned()));
        }
        // One that was cut, or replaced by another, begins anew.
        let is_other = File::open(&self.path).and_then(|now| Ok(!is_same(&now, &self.file)?)).unwrap_or(false);
        if is_other || self.file.metadata()?.len() < self.at {
            self.file = File::open(&self.path)?;
            self.at = 0;
            self.half.clear();
        }
        let text = self.read(PIECE)?;
        Ok((!text.is_empty()).then_some(text))
    }

    fn read(&mut self, max: u64) -> io::Result<String> {
        self.file.seek(SeekFrom::Start(self.at))?;
        self.at += (&self.file).take(max).read_to_end(&mut self.half)? as u64;
        // A line that is longer than all that is read at once is given in pieces.
        let end = match memchr::memrchr(b'\n', &self.half) {
            Some(end) => end + 1,
            None if self.half.len() as u64 >= max => self.half.len(),
            None => 0,
        };
        let whole: Vec<u8> = self.half.drain(..end).collect();
        Ok(String::from_utf8_lossy(&whole).into_owned())
    }
}

fn is_same(one: &File, other: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let (one, other) = (one.metadata()?, other.metadata()?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

fn last_lines(text: &str, count: usize) -> &str {
    let ends = memchr::memrchr_iter(b'\n', text.as_bytes());
    // The last one ends the last line.
    let begin = ends.skip(1).nth(count.wrapping_sub(1)).map_or(0, |end| end + 1);
    if count == 0 { "" } else { &text[begin..] }
}

/// A unit's file: that of its template, if it is made of one.
fn unit_file(unit: &str) -> String {
    let unit = unit.strip_suffix(".service").unwrap_or(unit);
    match unit.split_once('@') {
        Some((template, _)) => format!("{template}@.service"),
        None => format!("{unit}.service"),
    }
}

fn user_units(environment: &Environment) -> impl Iterator<Item = PathBuf> {
    let own = user_config(environment).map(|config| config.join("systemd/user"));
    own.into_iter().chain(["/etc/systemd/user", "/usr/lib/systemd/user"].map(PathBuf::from))
}

fn system_units() -> impl Iterator<Item = PathBuf> {
    ["/etc/systemd/system", "/usr/lib/systemd/system"].map(PathBuf::from).into_iter()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_last_lines_are_counted_from_the_end() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc\n");
        assert_eq!(last_lines("a\nb\nc\n", 3), "a\nb\nc\n");
        assert_eq!(last_lines("a\nb\nc\n", 9), "a\nb\nc\n");
        assert_eq!((last_lines("a\n", 0), last_lines("", 5)), ("", ""));
    }

    #[test]
    fn a_unit_of_a_template_has_the_templates_file() {
        assert_eq!(unit_file("turnmux"), "turnmux.service");
        assert_eq!(unit_file("turnmux@work.service"), "turnmux@.service");
    }

    #[test]
    fn lines_come_whole_and_once_also_out_of_a_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "a\nb\nha").unwrap();
        let mut reader = Tailed::open(&path, 1).unwrap();
        assert_eq!(reader.more().unwrap().as_deref(), Some("b\n"));
        assert_eq!(reader.more().unwrap(), None);
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"lf\nc\n").unwrap();
        assert_eq!(reader.more().unwrap().as_deref(), Some("half\nc\n"));
        std::fs::write(&path, "cut\n").unwrap();
        assert_eq!(reader.more().unwrap().as_deref(), Some("cut\n"));
        std::fs::rename(&path, folder.path().join("log.1")).unwrap();
        assert_eq!(reader.more().unwrap(), None, "there is no new one yet");
        std::fs::write(&path, "new, and longer than the last\n").unwrap();
        assert_eq!(reader.more().unwrap().as_deref(), Some("new, and longer than the last\n"));
    }
}
