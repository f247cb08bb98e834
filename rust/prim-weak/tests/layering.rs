//! What this crate must not do, read off its own source.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// In these nothing depends on how tasks run, so all faces use one file.
const SHARED: &[&str] = &[
    "deferred.rs",
    "hardware.rs",
    "indexing.rs",
    "lease.rs",
    "lock/class.rs",
    "lock/completion.rs",
    "no_memory.rs",
    "slab.rs",
    "waiter.rs",
    "waiting.rs",
    "warn.rs",
];

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files() -> BTreeSet<PathBuf> {
    let lists = [src(), src().join("lock")].map(|dir| fs::read_dir(dir).expect("a directory"));
    let all = lists.into_iter().flatten().map(|entry| entry.expect("an entry").path());
    all.filter(|path| path.is_file()).collect()
}

fn name(path: &Path) -> String {
    path.strip_prefix(src()).expect("below src").to_string_lossy().into_owned()
}

/// Files of this crate's own whose code, comments aside, contains `text`.
fn containing(text: &str) -> Vec<String> {
    let has = |path: &PathBuf| {
        let source = fs::read_to_string(path).expect("readable");
        let mut lines = source.lines().map(|line| line.split("//").next().unwrap_or_default());
        lines.any(|line| line.contains(text))
    };
    let own = files().into_iter().filter(|path| !path.is_symlink());
    own.filter(has).map(|path| name(&path)).collect()
}

#[test]
fn what_all_faces_share_is_one_file_each() {
    let links: Vec<_> = files().into_iter().filter(|path| path.is_symlink()).collect();
    let names: Vec<_> = links.iter().map(|path| name(path)).collect();
    assert_eq!(names, SHARED);
    let native = src().join("../../prim/src").canonicalize().expect("the native face");
    for link in links {
        assert_eq!(link.canonicalize().expect("a file"), native.join(name(&link)));
    }
}

#[test]
fn only_fences_are_sequentially_consistent() {
    // Loom takes an access marked so for less than it is.
    assert_eq!(containing("SeqCst"), ["atomic.rs"]);
    let source = fs::read_to_string(src().join("atomic.rs")).expect("readable");
    let lines = source.lines().filter(|line| line.contains("SeqCst"));
    let used: Vec<_> = lines.map(str::trim).filter(|line| !line.starts_with("Ordering")).collect();
    assert!(!used.is_empty() && used.iter().all(|line| *line == "fence(SeqCst);"), "{used:?}");
}

#[test]
fn orderings_are_chosen_in_one_place_and_unsafe_is_in_another() {
    assert_eq!(containing("Ordering"), ["atomic.rs", "model.rs"]);
    assert_eq!(containing("unsafe "), ["place.rs"]);
}
