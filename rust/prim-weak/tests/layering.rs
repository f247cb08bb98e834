//! What this crate must not do, read off its own source.

#[path = "../../prim/tests/own_source/mod.rs"]
mod own_source;

use own_source::{assert_shared, code, containing};

/// In these nothing depends on how tasks run, so all faces use one file.
const SHARED: &[&str] = &[
    "deferred.rs",
    "edits.rs",
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

#[test]
fn what_all_faces_share_is_one_file_each() {
    assert_shared(SHARED);
}

#[test]
fn only_fences_are_sequentially_consistent() {
    // Loom takes an access marked so for less than it is.
    assert_eq!(containing("SeqCst"), ["atomic.rs"]);
    let source = code("atomic.rs");
    let lines = source.lines().filter(|line| line.contains("SeqCst"));
    let used: Vec<_> = lines.map(str::trim).filter(|line| !line.starts_with("Ordering")).collect();
    assert!(!used.is_empty() && used.iter().all(|line| *line == "fence(SeqCst);"), "{used:?}");
}

#[test]
fn orderings_are_chosen_in_one_place_and_unsafe_is_in_another() {
    assert_eq!(containing("Ordering"), ["atomic.rs", "model.rs"]);
    assert_eq!(containing("unsafe "), ["place.rs"]);
}
