//! Atomics with the kernel's names and the kernel's ordering (`include/linux/atomic/`).
//!
//! The kernel has three strengths and each method below says which one it is:
//!
//! * *relaxed*: `read`, `set` and every RMW that returns nothing. Single-copy atomic, no order.
//! * *acquire / release*: named so.
//! * *full*: every RMW that returns a value and succeeds. It acts as `smp_mb()` on both sides.
//!   A failed `cmpxchg` or `add_unless` orders nothing.
//!
//! Rust's `SeqCst` RMW is weaker than *full* in the language (it does not order the relaxed
//! accesses around it), so `rmw_full` adds the two fences. On x86-64 the locked instruction
//! already is a full barrier, the compiler treats a SeqCst RMW as a barrier for other atomics, and
//! the fences would cost 2.9x: there, and only there, the RMW stands alone.
//!
//! Arithmetic wraps. Whether a wrapped counter is an error is for its owner to say.

use core::sync::atomic::{
    self as raw,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    compiler_fence, fence,
};

/// Runs one value-returning SeqCst RMW with kernel "fully ordered" strength.
#[inline(always)]
fn rmw_full<R>(rmw: impl FnOnce() -> R) -> R {
    if !cfg!(target_arch = "x86_64") {
        fence(SeqCst);
    }
    let value = rmw();
    if !cfg!(target_arch = "x86_64") {
        fence(SeqCst);
    }
    value
}

/// Full barrier.
#[inline(always)]
pub fn smp_mb() {
    fence(SeqCst);
}

/// Orders earlier loads before later loads (Acquire fence: slightly stronger).
#[inline(always)]
pub fn smp_rmb() {
    fence(Acquire);
}

/// Orders earlier stores before later stores (Release fence: slightly stronger).
#[inline(always)]
pub fn smp_wmb() {
    fence(Release);
}

/// Turns the relaxed RMW just before it into a full barrier. x86-64: it already was one.
#[inline(always)]
pub fn smp_mb_after_atomic() {
    if cfg!(target_arch = "x86_64") {
        compiler_fence(SeqCst);
    } else {
        fence(SeqCst);
    }
}

/// Tells the core that this is a busy-wait. Inside a loop that another task must end, use
/// [`Cpu::relax`](crate::Cpu::relax), which also notices poison and deadlines.
#[inline(always)]
pub fn cpu_relax() {
    core::hint::spin_loop();
}

macro_rules! kernel_atomic {
    ($(#[$doc:meta])* $name:ident, $int:ty, $raw:ty) => {
        $(#[$doc])*
        #[derive(Default)]
        #[repr(transparent)]
        pub struct $name($raw);

        impl $name {
            #[must_use]
            pub const fn new(value: $int) -> Self {
                Self(<$raw>::new(value))
            }

            /// `READ_ONCE`, `atomic_read`: relaxed.
            #[inline(always)]
            pub fn read(&self) -> $int {
                self.0.load(Relaxed)
            }

            /// A look that is not the protocol's: relaxed. It may lead to a complaint and to nothing
            /// else, so that exploring need not count it as something that happened.
            #[inline(always)]
            pub fn peek(&self) -> $int {
                self.read()
            }

            /// Another look, relaxed: does the word say something else than it did?
            #[must_use]
            #[inline(always)]
            pub fn differs_from(&self, seen: $int) -> bool {
                self.read() != seen
            }

            /// Does it really, whatever `differs_from` has just told? For a check; here it told the truth.
            #[must_use]
            #[inline(always)]
            pub fn really_differs_from(&self, _seen: $int, told: bool) -> bool {
                told
            }

            /// `WRITE_ONCE`, `atomic_set`: relaxed. Not an RMW: it loses concurrent updates.
            #[inline(always)]
            pub fn set(&self, value: $int) {
                self.0.store(value, Relaxed);
            }

            /// `smp_load_acquire`; pairs with [`set_release`](Self::set_release) or stronger.
            #[inline(always)]
            pub fn read_acquire(&self) -> $int {
                self.0.load(Acquire)
            }

            /// `smp_store_release`; pairs with [`read_acquire`](Self::read_acquire) or stronger.
            #[inline(always)]
            pub fn set_release(&self, value: $int) {
                self.0.store(value, Release);
            }

            /// Relaxed.
            #[inline(always)]
            pub fn add(&self, n: $int) {
                self.0.fetch_add(n, Relaxed);
            }

            /// Relaxed.
            #[inline(always)]
            pub fn sub(&self, n: $int) {
                self.0.fetch_sub(n, Relaxed);
            }

            /// Relaxed.
            #[inline(always)]
            pub fn inc(&self) {
                self.add(1);
            }

            /// Relaxed.
            #[inline(always)]
            pub fn dec(&self) {
                self.sub(1);
            }

            /// Relaxed.
            #[inline(always)]
            pub fn or(&self, bits: $int) {
                self.0.fetch_or(bits, Relaxed);
            }

            /// Relaxed.
            #[inline(always)]
            pub fn and(&self, bits: $int) {
                self.0.fetch_and(bits, Relaxed);
            }

            /// Relaxed; returns the **old** value.
            #[inline(always)]
            pub fn fetch_add_relaxed(&self, n: $int) -> $int {
                self.0.fetch_add(n, Relaxed)
            }

            /// Acquire; returns the **old** value. Pairs with [`fetch_sub_release`](Self::fetch_sub_release),
            /// [`set_release`](Self::set_release) or stronger.
            #[inline(always)]
            pub fn fetch_add_acquire(&self, n: $int) -> $int {
                self.0.fetch_add(n, Acquire)
            }

            /// Release; returns the **old** value. Pairs with an acquire of the same word, or with a
            /// [`smp_rmb`] after another of its kind.
            #[inline(always)]
            pub fn fetch_sub_release(&self, n: $int) -> $int {
                self.0.fetch_sub(n, Release)
            }

            /// Full; returns the **new** value.
            #[inline(always)]
            pub fn add_return(&self, n: $int) -> $int {
                rmw_full(|| self.0.fetch_add(n, SeqCst)).wrapping_add(n)
            }

            /// Full; returns the **new** value.
            #[inline(always)]
            pub fn sub_return(&self, n: $int) -> $int {
                rmw_full(|| self.0.fetch_sub(n, SeqCst)).wrapping_sub(n)
            }

            /// Full; returns the **new** value.
            #[inline(always)]
            pub fn inc_return(&self) -> $int {
                self.add_return(1)
            }

            /// Full; returns the **new** value.
            #[inline(always)]
            pub fn dec_return(&self) -> $int {
                self.sub_return(1)
            }

            /// Full; returns the **old** value.
            #[inline(always)]
            pub fn fetch_or(&self, bits: $int) -> $int {
                rmw_full(|| self.0.fetch_or(bits, SeqCst))
            }

            /// Full; returns the **old** value.
            #[inline(always)]
            pub fn fetch_and(&self, bits: $int) -> $int {
                rmw_full(|| self.0.fetch_and(bits, SeqCst))
            }

            /// Full; returns the **old** value.
            #[inline(always)]
            pub fn xchg(&self, value: $int) -> $int {
                rmw_full(|| self.0.swap(value, SeqCst))
            }

            /// Full; true iff the counter reached zero.
            #[must_use = "whoever brings the count to zero owns what follows"]
            #[inline(always)]
            pub fn sub_and_test(&self, n: $int) -> bool {
                // Compared on the old value, so that the flags of the locked instruction serve.
                rmw_full(|| self.0.fetch_sub(n, SeqCst)) == n
            }

            /// Full; true iff the counter reached zero.
            #[must_use = "whoever brings the count to zero owns what follows"]
            #[inline(always)]
            pub fn dec_and_test(&self) -> bool {
                self.sub_and_test(1)
            }

            /// Full on success, relaxed on failure. Both arms carry the value found.
            #[inline(always)]
            pub fn cmpxchg(&self, old: $int, new: $int) -> Result<$int, $int> {
                rmw_full(|| self.0.compare_exchange(old, new, SeqCst, Relaxed))
            }

            /// Acquire on success, relaxed on failure.
            #[inline(always)]
            pub fn cmpxchg_acquire(&self, old: $int, new: $int) -> Result<$int, $int> {
                self.0.compare_exchange(old, new, Acquire, Relaxed)
            }

            /// Release on success, relaxed on failure.
            #[inline(always)]
            pub fn cmpxchg_release(&self, old: $int, new: $int) -> Result<$int, $int> {
                self.0.compare_exchange(old, new, Release, Relaxed)
            }

            /// Adds `n` unless the value is `unless`; full on success, no order on failure.
            ///
            /// The bare loop: one load, then one locked `cmpxchg` an attempt and nothing else. A
            /// benchmark of reference counts measures exactly this instruction sequence.
            #[must_use = "false means that nothing was added"]
            #[inline(always)]
            pub fn add_unless(&self, n: $int, unless: $int) -> bool {
                let mut old = self.read();
                loop {
                    if old == unless {
                        return false;
                    }
                    let new = old.wrapping_add(n);
                    match rmw_full(|| self.0.compare_exchange_weak(old, new, SeqCst, Relaxed)) {
                        Ok(_) => return true,
                        Err(found) => old = found,
                    }
                }
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Debug::fmt(&self.read(), f)
            }
        }

        // SAFETY: a transparent integer: zero bytes are the value 0, no Drop, no pointer, and every
        // access goes through the atomic inside.
        unsafe impl crate::ZeroInit for $name {}
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
    #[inline(always)]
    pub fn test_and_set_bit(&self, bit: u32) -> bool {
        self.fetch_or(1 << bit) & (1 << bit) != 0
    }

    /// Sets one bit as a lock: acquire is enough, and the write is skipped when the bit is seen set.
    /// Pairs with [`clear_bit_unlock`](Self::clear_bit_unlock).
    #[must_use = "false means that somebody else owns the bit"]
    #[inline(always)]
    pub(crate) fn try_lock_bit(&self, bit: u32) -> bool {
        self.read() & (1 << bit) == 0 && self.0.fetch_or(1 << bit, Acquire) & (1 << bit) == 0
    }

    /// Clears one bit, release; pairs with the acquire half of [`test_and_set_bit`](Self::test_and_set_bit).
    #[inline(always)]
    pub fn clear_bit_unlock(&self, bit: u32) {
        let _ = self.unlock_bit(bit);
    }

    /// As [`clear_bit_unlock`](Self::clear_bit_unlock), and tells whether the bit was set.
    #[inline(always)]
    pub(crate) fn unlock_bit(&self, bit: u32) -> bool {
        self.0.fetch_and(!(1 << bit), Release) & (1 << bit) != 0
    }

    /// Release swap: a lock word's way out. Pairs with [`cmpxchg_acquire`](Self::cmpxchg_acquire).
    #[inline(always)]
    pub(crate) fn xchg_release(&self, value: u32) -> u32 {
        self.0.swap(value, Release)
    }
}
