//! Finding and reading `turnmux.toml`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use figment::value::Value;

use super::layer::Layer;
use super::{ConfigError, Environment, Origin, paths};

/// The file's name, wherever it is looked for.
const FILE_NAME: &str = "turnmux.toml";

/// The longest file that is read. A long configuration has some thousand lines; what is longer is another file.
const BYTES_MAX: u64 = 1 << 20;

/// The file's layer and its path; none if no file was named and none found.
pub(super) fn load(flag: Option<&Path>, environment: &Environment) -> Result<Option<(PathBuf, Layer)>, ConfigError> {
    let named = flag
        .map(|path| (path, "--config"))
        .or_else(|| environment.path("TURNMUX_CONFIG").map(|path| (path, "TURNMUX_CONFIG")));
    if let Some((path, named_by)) = named {
        return match read(&environment.cwd.join(path))? {
            Some(text) => layer(environment, path.to_owned(), &text).map(Some),
            None => Err(ConfigError::FileMissing { path: path.to_owned(), named_by }),
        };
    }
    for path in usual_places(environment) {
        if let Some(text) = read(&environment.cwd.join(&path))? {
            return layer(environment, path, &text).map(Some);
        }
    }
    Ok(None)
}

/// The user's own file, which is read wherever turnmux is started; none without a home.
pub fn user_file(environment: &Environment) -> Option<PathBuf> {
    Some(paths::user_config(environment)?.join("turnmux").join(FILE_NAME))
}

/// Reads a file of at most [`BYTES_MAX`]; none if it does not exist.
pub(super) fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    let unreadable = |source| ConfigError::FileUnreadable { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(error)),
    };
    let mut text = String::new();
    let length = file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if length as u64 > BYTES_MAX {
        return Err(unreadable(io::Error::other("it is larger than 1 MiB")));
    }
    Ok(Some(text))
}

/// Parses TOML. The error holds no piece of the file, which may have secrets in it.
pub(super) fn parse(path: &Path, text: &str) -> Result<toml::Table, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        ConfigError::Syntax { path: path.to_owned(), line, problem: error.message().to_owned() }
    })
}

/// The working directory's file, then the user's.
fn usual_places(environment: &Environment) -> Vec<PathBuf> {
    [Path::new(".").join(FILE_NAME)].into_iter().chain(user_file(environment)).collect()
}

fn layer(environment: &Environment, shown: PathBuf, text: &str) -> Result<(PathBuf, Layer), ConfigError> {
    let table = parse(&shown, text)?;
    let path: PathBuf = environment.cwd.join(&shown).components().collect();
    let origin = Origin::File(shown.display().to_string());
    let values = Value::serialize(table).ok().and_then(Value::into_dict);
    let values = values.ok_or_else(|| ConfigError::FileUnreadable {
        path: shown,
        source: io::Error::other("it has values that are no strings, numbers, booleans, arrays or tables"),
    })?;
    Ok((path.clone(), Layer::of_file(origin, path, values)))
}
