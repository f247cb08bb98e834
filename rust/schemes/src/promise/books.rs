//! What really happened to the object of a case, apart from the memory that is explored.
//!
//! A look here is no step and orders nothing, so that the books change in the very step that they tell of. They are
//! conservative: a reference counts as out from the moment its get has returned to the one before its put begins.

use core::sync::atomic::{
    AtomicI64, AtomicU32,
    Ordering::{Relaxed, SeqCst},
};

use prim::Ghost;

/// What holds only where nobody comes between an operation and the entry about it: not on threads.
fn in_one_step(check: impl FnOnce()) {
    Ghost::<()>::new().with(|()| check());
}

/// See the module.
#[derive(Debug, Default)]
pub struct Books {
    out: AtomicI64,
    frees: AtomicU32,
    /// 1 between the last put and the next life.
    free: AtomicU32,
    /// 1 between a freeze and the unfreeze.
    frozen: AtomicU32,
    /// 1 once the owner has unfrozen.
    changed: AtomicU32,
    /// A bit for each task that used the object.
    used: AtomicU32,
}

impl Books {
    /// Begins anew with so many references out.
    pub(crate) fn begin(&self, held: usize) {
        self.out.store(held as i64, Relaxed);
        for word in [&self.frees, &self.free, &self.frozen, &self.changed, &self.used] {
            word.store(0, Relaxed);
        }
    }

    pub(crate) fn out(&self) -> i64 {
        self.out.load(SeqCst)
    }

    pub(crate) fn took(&self) {
        in_one_step(|| {
            assert_eq!(self.free.load(Relaxed), 0, "a reference on a freed object");
            assert_eq!(self.frozen.load(Relaxed), 0, "a reference on a frozen object");
        });
        self.out.fetch_add(1, SeqCst);
    }

    pub(crate) fn gives_back(&self) {
        in_one_step(|| assert_eq!(self.free.load(Relaxed), 0, "freed under a reference"));
        self.out.fetch_sub(1, SeqCst);
    }

    pub(crate) fn frees(&self) {
        assert_eq!(self.free.swap(1, SeqCst), 0, "freed twice");
        assert_eq!(self.out(), 0, "freed under a reference");
        self.frees.fetch_add(1, SeqCst);
    }

    pub(crate) fn lives_again(&self) {
        self.out.fetch_add(1, SeqCst);
        self.free.store(0, SeqCst);
    }

    pub(crate) fn times_freed(&self) -> u32 {
        self.frees.load(SeqCst)
    }

    pub(crate) fn freezes(&self) {
        self.frozen.store(1, SeqCst);
    }

    pub(crate) fn unfreezes(&self) {
        self.changed.store(1, SeqCst);
        self.frozen.store(0, SeqCst);
    }

    pub(crate) fn is_changed(&self) -> bool {
        self.changed.load(SeqCst) == 1
    }

    pub(crate) fn uses(&self, task: usize) {
        self.used.fetch_or(1 << task, SeqCst);
    }

    pub(crate) fn has_used(&self, task: usize) -> bool {
        self.used.load(SeqCst) & (1 << task) != 0
    }
}
