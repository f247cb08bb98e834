//! What this crate must not do, read off its own source.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// In these nothing depends on how tasks run, so the native face's file is used.
const SHARED: &[&str] = &[
    "deferred.rs",
    "indexing.rs",
    "lease.rs",
    "lock/class.rs",
    "lock/completion.rs",
    "lock/mod.rs",
    "lock/srcu.rs",
    "no_memory.rs",
    "poison.rs",
    "slab.rs",
    "splitmix.rs",
    "strength.rs",
    "turn.rs",
    "wait.rs",
    "waiter.rs",
    "waiting.rs",
    "warn.rs",
    "zero.rs",
];

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files() -> Vec<PathBuf> {
    let lists = [src(), src().join("lock")].map(|dir| fs::read_dir(dir).expect("a directory"));
    let all = lists.into_iter().flatten().map(|entry| entry.expect("an entry").path());
    all.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

fn name(path: &Path) -> String {
    path.strip_prefix(src()).expect("below src").to_string_lossy().into_owned()
}

/// Files of this crate's own whose code, comments aside, contains `text`.
fn containing(text: &str) -> Vec<String> {
    let code = |path: &PathBuf| {
        let source = fs::read_to_string(path).expect("readable");
        let lines = source.lines().map(|line| line.split("//").next().unwrap_or_default());
        lines.collect::<Vec<_>>().join("\n")
    };
    let own = files().into_iter().filter(|path| !path.is_symlink());
    let mut found: Vec<_> = own.filter(|path| code(path).contains(text)).collect();
    found.sort();
    found.iter().map(|path| name(path)).collect()
}

#[test]
fn what_both_faces_share_is_one_file_each() {
    let links: BTreeSet<_> = files().into_iter().filter(|path| path.is_symlink()).collect();
    let names: Vec<_> = links.iter().map(|path| name(path)).collect();
    assert_eq!(names, SHARED);
    let native = src().join("../../prim/src").canonicalize().expect("the native face");
    for link in links {
        let target = link.canonicalize().expect("a file");
        assert_eq!(target, native.join(name(&link)));
    }
}

#[test]
fn steps_are_taken_in_one_place() {
    for call in ["sched::point(", "sched::point_when(", "sched::relax("] {
        assert_eq!(containing(call), ["step.rs"], "{call}");
    }
    assert_eq!(containing("sched::record("), ["event.rs"]);
    assert_eq!(containing("sched::fail("), ["cpu.rs"]);
}

#[test]
fn thread_locals_are_the_arena_in_use_and_what_tasks_have_of_their_own() {
    assert_eq!(
        containing("thread_local!"),
        ["hardware.rs", "in_use.rs", "section.rs", "store_buffer.rs"]
    );
}
