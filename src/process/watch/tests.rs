use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::timeout;

use super::ticking;
use super::*;

async fn change(watch: &mut FileWatch, what: &str) {
    let outcome = timeout(Duration::from_secs(30), watch.changed()).await;
    outcome.unwrap_or_else(|_| panic!("was not told that {what}")).expect("it is watched");
}

/// Takes what has happened already.
async fn settle(watch: &mut FileWatch) {
    while !is_quiet(watch).await {}
}

/// Whether nothing has happened. The runtime asks the kernel before it goes on after a yield.
async fn is_quiet(watch: &mut FileWatch) -> bool {
    tokio::task::yield_now().await;
    watch.changed().now_or_never().is_none()
}

fn append(path: &Path) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).expect("a file");
    file.write_all(b"line\n").expect("written");
}

/// Everything that happens to a file, and each is to be told.
async fn follow(watch: &mut FileWatch, path: &Path) {
    append(path);
    change(watch, "it is there").await;
    settle(watch).await;
    append(path);
    change(watch, "it is longer").await;
    settle(watch).await;
    File::create(path).expect("a file");
    change(watch, "it is empty").await;
    settle(watch).await;
    let other = path.with_extension("new");
    append(&other);
    fs::rename(&other, path).expect("replaced");
    change(watch, "it is another").await;
    settle(watch).await;
    append(path);
    change(watch, "the other is longer").await;
    settle(watch).await;
    // Held open, so that it is still there without its name.
    let held = File::open(path).expect("it is there");
    fs::remove_file(path).expect("removed");
    change(watch, "it is gone").await;
    settle(watch).await;
    drop(held);
}

#[tokio::test]
async fn a_file_is_followed_from_its_making_to_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    let mut watch = FileWatch::new(&path).expect("a watch");
    for _ in 0..3 {
        follow(&mut watch, &path).await;
    }
}

#[tokio::test]
async fn its_folders_may_be_made_later_and_made_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a/b/c/file");
    let parent = path.parent().expect("a folder");
    let mut watch = FileWatch::new(&path).expect("a watch");
    // All at once, while nobody is looking.
    fs::create_dir_all(parent).expect("folders");
    append(&path);
    change(&mut watch, "it is there").await;
    settle(&mut watch).await;
    fs::remove_dir_all(folder.path().join("a")).expect("removed");
    change(&mut watch, "it is gone").await;
    settle(&mut watch).await;
    // Step by step, each noticed.
    for depth in ["a", "a/b", "a/b/c"] {
        fs::create_dir(folder.path().join(depth)).expect("a folder");
        settle(&mut watch).await;
    }
    follow(&mut watch, &path).await;
    // Moved here from elsewhere with the file in it.
    let elsewhere = folder.path().join("elsewhere");
    append(&path);
    settle(&mut watch).await;
    fs::rename(parent, &elsewhere).expect("moved away");
    change(&mut watch, "it is gone").await;
    settle(&mut watch).await;
    fs::rename(&elsewhere, parent).expect("moved back");
    change(&mut watch, "it is back").await;
}

#[tokio::test]
async fn a_change_is_told_even_if_nobody_waited_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    append(&path);
    let mut watch = FileWatch::new(&path).expect("a watch");
    assert!(is_quiet(&mut watch).await, "what it was before is no change");
    append(&path);
    change(&mut watch, "it is longer").await;
}

#[test]
fn a_path_without_a_name_is_refused() {
    for path in ["/", "", "/tmp/.."] {
        assert!(FileWatch::new(Path::new(path)).is_err(), "{path:?}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn many_changes_are_one_and_those_of_others_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, other) = (folder.path().join("file"), folder.path().join("other"));
    append(&path);
    let mut watch = FileWatch::new(&path).expect("a watch");
    let mut others = FileWatch::new(&other).expect("a watch");
    for _ in 0..1000 {
        append(&path);
    }
    change(&mut watch, "it is longer").await;
    assert!(is_quiet(&mut watch).await, "they were told of");
    append(&other);
    append(&other);
    // Both know of it now.
    change(&mut others, "the other is there").await;
    assert!(is_quiet(&mut watch).await, "it is another's");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn watches_do_not_add_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a/file");
    let mut watch = FileWatch::new(&path).expect("a watch");
    assert_eq!(watch.watch_count(), 1);
    for _ in 0..20 {
        fs::create_dir(folder.path().join("a")).expect("a folder");
        follow(&mut watch, &path).await;
        append(&path);
        change(&mut watch, "it is there").await;
        settle(&mut watch).await;
        assert_eq!(watch.watch_count(), 2);
        fs::rename(folder.path().join("a"), folder.path().join("old")).expect("moved away");
        change(&mut watch, "it is gone").await;
        settle(&mut watch).await;
        assert_eq!(watch.watch_count(), 1);
        fs::remove_dir_all(folder.path().join("old")).expect("removed");
    }
}

#[tokio::test(start_paused = true)]
async fn looking_finds_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("later/file");
    let mut watch = ticking::Watch::new(path.clone()).expect("a watch");
    let told = async |watch: &mut ticking::Watch| timeout(Duration::from_secs(1), watch.changed()).await.is_ok();
    assert!(!told(&mut watch).await);
    fs::create_dir(folder.path().join("later")).expect("a folder");
    assert!(!told(&mut watch).await);
    append(&path);
    assert!(told(&mut watch).await);
    append(&path);
    assert!(told(&mut watch).await);
    assert!(!told(&mut watch).await);
    fs::remove_file(&path).expect("removed");
    assert!(told(&mut watch).await);
}
