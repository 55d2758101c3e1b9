//! Who may have the file.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::rig::{LONG, Place, begun, beside};
use crate::store::EventStore;
use crate::store::sqlite::{OpenError, SqliteOptions, SqliteStore};
use crate::store::tests::rig::{keep, key, session};

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn open(path: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(path, SqliteOptions::default())
}

#[test]
fn only_the_owner_can_read_it() {
    let place = Place::new();
    let path = place.folder.path().join("state/turnmux/store.db");
    let store = open(&path).unwrap();
    begun(&store);
    assert_eq!(mode(&place.folder.path().join("state")), 0o700);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for file in [path.clone(), beside(&path, "-wal"), beside(&path, "-shm"), beside(&path, ".lock")] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    // A file that anybody could read, say from a backup, is so no longer.
    store.close(LONG).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    let _store = open(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn whoever_comes_second_is_told_who_has_it() {
    let place = Place::new();
    let options = SqliteOptions { holder: "pid 123".to_owned(), ..SqliteOptions::default() };
    let store = SqliteStore::open(&place.path, options).unwrap();
    let refused = |path: &Path| open(path).unwrap_err().to_string();
    assert!(refused(&place.path).contains("in use by another turnmux (pid 123); give this one a `store.path`"));
    store.say("pid 123, listening on 127.0.0.1:7433");
    assert!(refused(&place.path).contains("(pid 123, listening on 127.0.0.1:7433)"));
    store.say("pid 9");
    assert!(refused(&place.path).contains("(pid 9)"));
    let link = place.folder.path().join("link.db");
    std::os::unix::fs::symlink(&place.path, &link).unwrap();
    assert!(refused(&link).contains("(pid 9)"), "by another name it is the same file");
    // The first one is none the worse for it.
    keep(&store, [session(&key("main"))]);
    store.close(LONG).unwrap();
    assert_eq!(open(&place.path).unwrap().sessions_len(), 1);
}

#[test]
fn a_newer_file_is_left_alone() {
    let place = Place::new();
    drop(place.open());
    place.other().pragma_update(None, "user_version", 99).unwrap();
    let before = std::fs::read(&place.path).unwrap();
    let error = open(&place.path).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("was written by a newer turnmux"));
    assert_eq!(std::fs::read(&place.path).unwrap(), before);
}

#[test]
fn somebody_elses_database_is_left_alone() {
    let place = Place::new();
    place.other().execute_batch("CREATE TABLE cookies (a); INSERT INTO cookies VALUES (1);").unwrap();
    let before = std::fs::read(&place.path).unwrap();
    assert!(matches!(open(&place.path).unwrap_err(), OpenError::Foreign { .. }));
    assert_eq!(std::fs::read(&place.path).unwrap(), before);
}

#[test]
fn a_folder_that_cannot_be_made_is_said() {
    let place = Place::new();
    std::fs::write(place.folder.path().join("file"), "").unwrap();
    let error = open(&place.folder.path().join("file/store.db")).unwrap_err();
    assert!(matches!(error, OpenError::File { .. }), "{error}");
    assert!(open(place.folder.path()).is_err(), "a folder is no file");
}
