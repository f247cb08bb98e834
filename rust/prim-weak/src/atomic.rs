//! Atomics with the kernel's names and the kernel's ordering (`include/linux/atomic/`), on loom's.
//!
//! The crate's introduction says what becomes of each ordering. Arithmetic wraps. Whether a wrapped counter
//! is an error is for its owner to say.
//!
//! # Points
//! Loom's reduction remembers one access of each location, and two loads are independent. So a task that
//! reads a word and then writes it hides that another had read it before, and orders in which the write
//! comes first are left out. Here every word has a condition variable on which nobody waits, and notifying it
//! comes before each access: that orders no memory, and all of them depend on each other, which is what a
//! memory of one is enough for.

use loom::sync::{
    Condvar,
    atomic::{
        self as raw,
        Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst},
        fence,
    },
};

use crate::{Strength, ZeroInit};

/// Runs one value-returning RMW with kernel "fully ordered" strength.
fn rmw_full<A, R>(raw: &A, rmw: impl FnOnce(&A) -> R) -> R {
    smp_mb();
    let value = rmw(raw);
    smp_mb();
    value
}

/// As [`rmw_full`], for what may fail: a failure orders nothing after it.
fn try_full<A, T, E>(raw: &A, rmw: impl FnOnce(&A) -> Result<T, E>) -> Result<T, E> {
    smp_mb();
    rmw(raw).inspect(|_| smp_mb())
}

/// Full barrier.
pub fn smp_mb() {
    fence(SeqCst);
}

/// Orders earlier loads before later loads.
pub fn smp_rmb() {
    fence(Acquire);
}

/// Orders earlier stores before later stores.
pub fn smp_wmb() {
    fence(Release);
}

/// Turns the relaxed RMW just before it into a full barrier.
pub fn smp_mb_after_atomic() {
    fence(SeqCst);
}

macro_rules! kernel_atomic {
    ($(#[$doc:meta])* $name:ident, $int:ty, $raw:ty) => {
        $(#[$doc])*
        pub struct $name {
            word: $raw,
            point: Condvar,
        }

        impl $name {
            /// Only inside a model, like every use of it.
            #[must_use]
            pub fn new(value: $int) -> Self {
                Self { word: <$raw>::new(value), point: Condvar::new() }
            }

            /// The word, after a point at which every other task that uses it may come first.
            fn at(&self) -> &$raw {
                self.point.notify_one();
                &self.word
            }

            /// `READ_ONCE`, `atomic_read`: relaxed.
            pub fn read(&self) -> $int {
                self.at().load(Relaxed)
            }

            /// A look that is not the protocol's: relaxed. Only ledgers look so, and here there are none.
            pub fn peek(&self) -> $int {
                self.read()
            }

            /// Another look, relaxed: does the word say something else than it did?
            #[must_use]
            pub fn differs_from(&self, seen: $int) -> bool {
                self.read() != seen
            }

            /// Does it really, whatever `differs_from` has just told? For a check; here it told the truth.
            #[must_use]
            pub fn really_differs_from(&self, _seen: $int, told: bool) -> bool {
                told
            }

            /// `WRITE_ONCE`, `atomic_set`: relaxed. Not an RMW: it loses concurrent updates.
            pub fn set(&self, value: $int) {
                self.at().store(value, Relaxed);
            }

            /// `smp_load_acquire`; pairs with [`set_release`](Self::set_release) or stronger.
            pub fn read_acquire(&self) -> $int {
                self.at().load(Acquire)
            }

            /// `smp_store_release`; pairs with [`read_acquire`](Self::read_acquire) or stronger.
            pub fn set_release(&self, value: $int) {
                self.at().store(value, Release);
            }

            /// `smp_store_release`, unless a rule weakened it.
            pub fn set_release_with(&self, how: Strength, value: $int) {
                if how.is_relaxed() { self.set(value) } else { self.set_release(value) }
            }

            /// Relaxed.
            pub fn add(&self, n: $int) {
                self.at().fetch_add(n, Relaxed);
            }

            /// Relaxed.
            pub fn sub(&self, n: $int) {
                self.at().fetch_sub(n, Relaxed);
            }

            /// Relaxed.
            pub fn inc(&self) {
                self.add(1);
            }

            /// Relaxed.
            pub fn dec(&self) {
                self.sub(1);
            }

            /// Relaxed.
            pub fn or(&self, bits: $int) {
                self.at().fetch_or(bits, Relaxed);
            }

            /// Relaxed.
            pub fn and(&self, bits: $int) {
                self.at().fetch_and(bits, Relaxed);
            }

            /// Relaxed; returns the **old** value.
            pub fn fetch_add_relaxed(&self, n: $int) -> $int {
                self.at().fetch_add(n, Relaxed)
            }

            /// Acquire; returns the **old** value.
            pub fn fetch_add_acquire(&self, n: $int) -> $int {
                self.at().fetch_add(n, Acquire)
            }

            /// Release; returns the **old** value.
            pub fn fetch_sub_release(&self, n: $int) -> $int {
                self.at().fetch_sub(n, Release)
            }

            /// Full; returns the **new** value.
            pub fn add_return(&self, n: $int) -> $int {
                rmw_full(self.at(), |raw| raw.fetch_add(n, AcqRel)).wrapping_add(n)
            }

            /// Full; returns the **new** value.
            pub fn sub_return(&self, n: $int) -> $int {
                rmw_full(self.at(), |raw| raw.fetch_sub(n, AcqRel)).wrapping_sub(n)
            }

            /// Full; returns the **new** value.
            pub fn inc_return(&self) -> $int {
                self.add_return(1)
            }

            /// Full; returns the **new** value.
            pub fn dec_return(&self) -> $int {
                self.sub_return(1)
            }

            /// Full; returns the **old** value.
            pub fn fetch_or(&self, bits: $int) -> $int {
                rmw_full(self.at(), |raw| raw.fetch_or(bits, AcqRel))
            }

            /// Full; returns the **old** value.
            pub fn fetch_and(&self, bits: $int) -> $int {
                rmw_full(self.at(), |raw| raw.fetch_and(bits, AcqRel))
            }

            /// Full; returns the **old** value.
            pub fn xchg(&self, value: $int) -> $int {
                rmw_full(self.at(), |raw| raw.swap(value, AcqRel))
            }

            /// Full; true iff the counter reached zero.
            #[must_use = "whoever brings the count to zero owns what follows"]
            pub fn sub_and_test(&self, n: $int) -> bool {
                self.sub_return(n) == 0
            }

            /// Full, unless a rule weakened it; true iff the counter reached zero.
            #[must_use = "whoever brings the count to zero owns what follows"]
            pub fn sub_and_test_with(&self, how: Strength, n: $int) -> bool {
                if how.is_relaxed() {
                    return self.at().fetch_sub(n, Relaxed) == n;
                }
                self.sub_and_test(n)
            }

            /// Full; true iff the counter reached zero.
            #[must_use = "whoever brings the count to zero owns what follows"]
            pub fn dec_and_test(&self) -> bool {
                self.sub_and_test(1)
            }

            /// Full on success. Both arms carry the value found.
            pub fn cmpxchg(&self, old: $int, new: $int) -> Result<$int, $int> {
                try_full(self.at(), |raw| raw.compare_exchange(old, new, AcqRel, Relaxed))
            }

            /// Full on success, unless a rule weakened it. Both arms carry the value found.
            pub fn cmpxchg_with(&self, how: Strength, old: $int, new: $int) -> Result<$int, $int> {
                if how.is_relaxed() {
                    return self.at().compare_exchange(old, new, Relaxed, Relaxed);
                }
                self.cmpxchg(old, new)
            }

            /// Acquire on success, relaxed on failure.
            pub fn cmpxchg_acquire(&self, old: $int, new: $int) -> Result<$int, $int> {
                self.at().compare_exchange(old, new, Acquire, Relaxed)
            }

            /// Release on success, relaxed on failure.
            pub fn cmpxchg_release(&self, old: $int, new: $int) -> Result<$int, $int> {
                self.at().compare_exchange(old, new, Release, Relaxed)
            }

            /// Adds `n` unless the value is `unless`; full on success.
            #[must_use = "false means that nothing was added"]
            pub fn add_unless(&self, n: $int, unless: $int) -> bool {
                let mut old = self.read();
                loop {
                    if old == unless {
                        return false;
                    }
                    match self.cmpxchg(old, old.wrapping_add(n)) {
                        Ok(_) => return true,
                        Err(found) => old = found,
                    }
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new(0)
            }
        }

        impl core::fmt::Debug for $name {
            /// Without the value: to look at it would be an access of the model's.
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(stringify!($name))
            }
        }

        impl ZeroInit for $name {
            fn zeroed() -> Self {
                Self::new(0)
            }

            fn wipe(&self) {
                self.set(0);
            }
        }
    };
}

kernel_atomic!(
    /// `atomic_t`: reference counts, map counts.
    AtomicI32, i32, raw::AtomicI32
);
kernel_atomic!(
    /// A 32-bit flags word or index.
    AtomicU32, u32, raw::AtomicU32
);
kernel_atomic!(
    /// `atomic64_t`.
    AtomicI64, i64, raw::AtomicI64
);
kernel_atomic!(
    /// A 64-bit word: page-table entry, packed head.
    AtomicU64, u64, raw::AtomicU64
);
kernel_atomic!(
    /// `atomic_long_t`, per-CPU counters.
    AtomicUsize, usize, raw::AtomicUsize
);

impl AtomicU32 {
    /// Sets one bit, full; true iff it was set before.
    #[must_use = "true means that somebody else owns the bit"]
    pub fn test_and_set_bit(&self, bit: u32) -> bool {
        self.fetch_or(1 << bit) & (1 << bit) != 0
    }

    /// Clears one bit, release.
    pub fn clear_bit_unlock(&self, bit: u32) {
        self.at().fetch_and(!(1 << bit), Release);
    }
}
