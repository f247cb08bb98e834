//! What this crate must not do, read off its own source.

#[path = "../../prim/tests/own_source/mod.rs"]
mod own_source;

use own_source::{assert_shared, containing};

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

#[test]
fn what_both_faces_share_is_one_file_each() {
    assert_shared(SHARED);
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
fn thread_locals_are_the_arena_in_use_its_looks_what_tasks_have_of_their_own_what_is_left_out_and_kept_memory()
 {
    assert_eq!(
        containing("thread_local!"),
        [
            "edits.rs",
            "hardware.rs",
            "in_use.rs",
            "looks.rs",
            "mapping.rs",
            "own.rs",
            "section.rs",
            "store_buffer.rs"
        ]
    );
}
