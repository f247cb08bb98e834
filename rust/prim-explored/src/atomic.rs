//! Atomics with the kernel's names (`include/linux/atomic/`); every call is one step.
//!
//! Under this scheduler one task runs at a time, so memory is sequentially consistent, the orderings
//! natively promised hold trivially, and barriers are no steps; unless the machine has store buffers, through
//! which plain stores then go (`store_buffer.rs`). A step is announced before it runs and is
//! a write unless its name says that it only reads; a `cmpxchg` or `add_unless` that fails turns out to be a
//! read.
//!
//! Arithmetic wraps. Whether a wrapped counter is an error is for its owner to say.

use core::{
    panic::Location,
    sync::atomic::{self as raw, Ordering::Relaxed},
};

use pgmap_sched::{self as sched, Effect, Verb};

use crate::{
    drained,
    edits::{self, left_out},
    in_use, object,
    step::{self, Site},
    store_buffer, verb,
};

macro_rules! kernel_atomic {
    ($(#[$doc:meta])* $name:ident, $int:ty, $raw:ty, $read:expr, $set:expr) => {
        $(#[$doc])*
        #[derive(Default)]
        #[repr(transparent)]
        pub struct $name(pub(crate) $raw);

        impl $name {
            #[must_use]
            pub const fn new(value: $int) -> Self {
                Self(<$raw>::new(value))
            }

            #[inline]
            pub(crate) fn address(&self) -> usize {
                core::ptr::from_ref(self).addr()
            }

            #[inline]
            fn load(&self, verb: Verb, site: Site) -> $int {
                step::on_word(verb, Effect::Read, self.address(), site);
                let found = self.0.load(Relaxed);
                let bytes = size_of::<$int>();
                let value = store_buffer::forward(self.address(), bytes, found as u64) as $int;
                sched::value(value as u64, value as u64);
                value
            }

            /// A plain store: it may wait in the task's store buffer.
            #[inline]
            fn store(&self, verb: Verb, site: Site, value: $int) {
                let (address, bytes) = (self.address(), size_of::<$int>());
                if !store_buffer::takes(verb, site, address, bytes, value as u64) {
                    step::on_word(verb, Effect::Write, address, site);
                    self.write(|word| (word.swap(value, Relaxed), value));
                }
            }

            /// Does a write that was announced. `write` returns what was there and what is.
            #[inline]
            fn write(&self, write: impl FnOnce(&$raw) -> ($int, $int)) -> ($int, $int) {
                in_use::mark(self.address(), size_of::<$int>());
                let (before, after) = write(&self.0);
                sched::value(before as u64, after as u64);
                (before, after)
            }

            /// Announces a locked instruction, then does it.
            #[inline]
            pub(crate) fn locked(
                &self,
                verb: Verb,
                site: Site,
                write: impl FnOnce(&$raw) -> ($int, $int),
            ) -> ($int, $int) {
                drained::locked(verb, self.address(), site);
                self.write(write)
            }

            /// As `locked`; None leaves the word alone and makes the step a read.
            #[inline]
            fn update(
                &self,
                verb: Verb,
                site: Site,
                next: impl Fn($int) -> Option<$int>,
            ) -> Result<$int, $int> {
                drained::locked(verb, self.address(), site);
                in_use::mark(self.address(), size_of::<$int>());
                let result = self.0.fetch_update(Relaxed, Relaxed, &next);
                match result {
                    Ok(old) => sched::value(old as u64, next(old).unwrap_or(old) as u64),
                    Err(found) => {
                        sched::settle(Effect::Read);
                        sched::value(found as u64, found as u64);
                    }
                }
                result
            }

            /// `READ_ONCE`, `atomic_read`.
            #[doc(alias = "READ_ONCE")]
            #[inline]
            #[track_caller]
            pub fn read(&self) -> $int {
                self.load($read, Location::caller())
            }

            /// A look that is not the protocol's, and no step: it belongs to the step before it. Nothing is
            /// lost by that, if all it can lead to is a complaint: what it sees depends on the state before
            /// that step and on the step, and every step is taken in every state that is reached. (Without a bound
            /// it is not; there the look is touched, and orders of it and of writes are told apart.) A store
            /// that waits in a buffer counts as done.
            #[inline]
            pub fn peek(&self) -> $int {
                step::touch_word(self.address(), Effect::Read);
                let found = self.0.load(Relaxed) as u64;
                store_buffer::settled(self.address(), size_of::<$int>(), found) as $int
            }

            /// `WRITE_ONCE`, `atomic_set`. Not an RMW: it loses concurrent updates.
            #[doc(alias = "WRITE_ONCE")]
            #[inline]
            #[track_caller]
            pub fn set(&self, value: $int) {
                let site = Location::caller();
                if !left_out("set", site) {
                    self.store($set, site, value);
                }
            }

            /// `smp_load_acquire`.
            #[doc(alias = "smp_load_acquire")]
            #[inline]
            #[track_caller]
            pub fn read_acquire(&self) -> $int {
                self.load(verb::READ_ACQUIRE, Location::caller())
            }

            /// `smp_store_release`.
            #[doc(alias = "smp_store_release")]
            #[inline]
            #[track_caller]
            pub fn set_release(&self, value: $int) {
                let site = Location::caller();
                if !left_out("set_release", site) {
                    self.store(verb::SET_RELEASE, site, value);
                }
            }

            /// Another look: does the word say something else than it did?
            #[must_use]
            #[inline]
            #[track_caller]
            pub fn differs_from(&self, seen: $int) -> bool {
                let site = Location::caller();
                !left_out("differs_from", site) && self.load($read, site) != seen
            }

            /// Does it really, whatever [`differs_from`](Self::differs_from) has just told? For a check, and no step:
            /// where the other look is left out, what it would have seen is worth a complaint.
            #[must_use]
            #[inline]
            pub fn really_differs_from(&self, seen: $int, told: bool) -> bool {
                told || edits::are_in_force() && self.peek() != seen
            }

            #[inline]
            fn plus(&self, verb: Verb, site: Site, n: $int) -> $int {
                let add = |word: &$raw| {
                    let old = word.fetch_add(n, Relaxed);
                    (old, old.wrapping_add(n))
                };
                self.locked(verb, site, add).1
            }

            #[inline]
            #[track_caller]
            pub fn add(&self, n: $int) {
                let site = Location::caller();
                if !left_out("add", site) {
                    self.plus(verb::ADD, site, n);
                }
            }

            #[inline]
            #[track_caller]
            pub fn sub(&self, n: $int) {
                let site = Location::caller();
                if !left_out("sub", site) {
                    self.plus(verb::SUB, site, n.wrapping_neg());
                }
            }

            #[inline]
            #[track_caller]
            pub fn inc(&self) {
                let site = Location::caller();
                if !left_out("inc", site) {
                    self.plus(verb::INC, site, 1);
                }
            }

            #[inline]
            #[track_caller]
            pub fn dec(&self) {
                let site = Location::caller();
                if !left_out("dec", site) {
                    self.plus(verb::DEC, site, (1 as $int).wrapping_neg());
                }
            }

            #[inline]
            #[track_caller]
            pub fn or(&self, bits: $int) {
                let site = Location::caller();
                if !left_out("or", site) {
                    self.with_bits(verb::OR, site, bits);
                }
            }

            #[inline]
            #[track_caller]
            pub fn and(&self, bits: $int) {
                let site = Location::caller();
                if !left_out("and", site) {
                    self.in_bits(verb::AND, site, bits);
                }
            }

            #[inline]
            pub(crate) fn with_bits(&self, verb: Verb, site: Site, bits: $int) -> $int {
                let or = |word: &$raw| {
                    let old = word.fetch_or(bits, Relaxed);
                    (old, old | bits)
                };
                self.locked(verb, site, or).0
            }

            #[inline]
            pub(crate) fn in_bits(&self, verb: Verb, site: Site, bits: $int) -> $int {
                let and = |word: &$raw| {
                    let old = word.fetch_and(bits, Relaxed);
                    (old, old & bits)
                };
                self.locked(verb, site, and).0
            }

            /// Returns the **old** value.
            #[inline]
            #[track_caller]
            pub fn fetch_add_relaxed(&self, n: $int) -> $int {
                self.plus(verb::FETCH_ADD_RELAXED, Location::caller(), n).wrapping_sub(n)
            }

            /// Returns the **old** value.
            #[inline]
            #[track_caller]
            pub fn fetch_add_acquire(&self, n: $int) -> $int {
                self.plus(verb::FETCH_ADD_ACQUIRE, Location::caller(), n).wrapping_sub(n)
            }

            /// Returns the **old** value.
            #[inline]
            #[track_caller]
            pub fn fetch_sub_release(&self, n: $int) -> $int {
                let site = Location::caller();
                self.plus(verb::FETCH_SUB_RELEASE, site, n.wrapping_neg()).wrapping_add(n)
            }

            /// Returns the **new** value.
            #[inline]
            #[track_caller]
            pub fn add_return(&self, n: $int) -> $int {
                let site = Location::caller();
                if left_out("add_return", site) {
                    return self.load($read, site).wrapping_add(n);
                }
                self.plus(verb::ADD_RETURN, site, n)
            }

            /// Returns the **new** value.
            #[inline]
            #[track_caller]
            pub fn sub_return(&self, n: $int) -> $int {
                let site = Location::caller();
                if left_out("sub_return", site) {
                    return self.load($read, site);
                }
                self.plus(verb::SUB_RETURN, site, n.wrapping_neg())
            }

            /// Returns the **new** value.
            #[inline]
            #[track_caller]
            pub fn inc_return(&self) -> $int {
                let site = Location::caller();
                if left_out("inc_return", site) {
                    return self.load($read, site).wrapping_add(1);
                }
                self.plus(verb::INC_RETURN, site, 1)
            }

            /// Returns the **new** value.
            #[inline]
            #[track_caller]
            pub fn dec_return(&self) -> $int {
                let site = Location::caller();
                if left_out("dec_return", site) {
                    return self.load($read, site);
                }
                self.plus(verb::DEC_RETURN, site, (1 as $int).wrapping_neg())
            }

            /// Returns the **old** value.
            #[inline]
            #[track_caller]
            pub fn fetch_or(&self, bits: $int) -> $int {
                let site = Location::caller();
                if left_out("fetch_or", site) {
                    return self.load($read, site);
                }
                self.with_bits(verb::FETCH_OR, site, bits)
            }

            /// Returns the **old** value.
            #[inline]
            #[track_caller]
            pub fn fetch_and(&self, bits: $int) -> $int {
                let site = Location::caller();
                if left_out("fetch_and", site) {
                    return self.load($read, site);
                }
                self.in_bits(verb::FETCH_AND, site, bits)
            }

            /// Returns the **old** value.
            #[inline]
            #[track_caller]
            pub fn xchg(&self, value: $int) -> $int {
                let site = Location::caller();
                if left_out("xchg", site) {
                    return self.load($read, site);
                }
                self.locked(verb::XCHG, site, |word| (word.swap(value, Relaxed), value)).0
            }

            /// True iff the counter reached zero.
            #[must_use = "whoever brings the count to zero owns what follows"]
            #[inline]
            #[track_caller]
            pub fn sub_and_test(&self, n: $int) -> bool {
                let site = Location::caller();
                !left_out("sub_and_test", site) && self.plus(verb::SUB_AND_TEST, site, n.wrapping_neg()) == 0
            }

            /// True iff the counter reached zero.
            #[must_use = "whoever brings the count to zero owns what follows"]
            #[inline]
            #[track_caller]
            pub fn dec_and_test(&self) -> bool {
                let site = Location::caller();
                !left_out("dec_and_test", site) && self.plus(verb::DEC_AND_TEST, site, (1 as $int).wrapping_neg()) == 0
            }

            fn exchange(&self, (op, verb): (&'static str, Verb), site: Site, old: $int, new: $int) -> Result<$int, $int> {
                if left_out(op, site) {
                    let found = self.load($read, site);
                    return if found == old { Ok(found) } else { Err(found) };
                }
                self.update(verb, site, |found| (found == old).then_some(new))
            }

            /// Both arms carry the value found.
            #[inline]
            #[track_caller]
            pub fn cmpxchg(&self, old: $int, new: $int) -> Result<$int, $int> {
                self.exchange(("cmpxchg", verb::CMPXCHG), Location::caller(), old, new)
            }

            /// Both arms carry the value found.
            #[inline]
            #[track_caller]
            pub fn cmpxchg_acquire(&self, old: $int, new: $int) -> Result<$int, $int> {
                self.exchange(("cmpxchg_acquire", verb::CMPXCHG_ACQUIRE), Location::caller(), old, new)
            }

            /// Both arms carry the value found.
            #[inline]
            #[track_caller]
            pub fn cmpxchg_release(&self, old: $int, new: $int) -> Result<$int, $int> {
                self.exchange(("cmpxchg_release", verb::CMPXCHG_RELEASE), Location::caller(), old, new)
            }

            /// Adds `n` unless the value is `unless`; one step, since the native loop has no state between
            /// its attempts.
            #[must_use = "false means that nothing was added"]
            #[inline]
            #[track_caller]
            pub fn add_unless(&self, n: $int, unless: $int) -> bool {
                let site = Location::caller();
                if left_out("add_unless", site) {
                    return self.load($read, site) != unless;
                }
                if store_buffer::holds_own() && self.load(verb::ADD_UNLESS, site) == unless {
                    // The native loop gives up before its locked instruction, which would drain.
                    return false;
                }
                let next = |found: $int| (found != unless).then(|| found.wrapping_add(n));
                self.update(verb::ADD_UNLESS, site, next).is_ok()
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Debug::fmt(&self.0.load(Relaxed), f)
            }
        }

        // SAFETY: a transparent integer: zero bytes are the value 0, no Drop, no pointer, and every
        // access goes through the atomic inside.
        unsafe impl crate::ZeroInit for $name {}
    };
}

kernel_atomic!(
    /// `atomic_t`: reference counts, map counts.
    AtomicI32, i32, raw::AtomicI32, verb::ATOMIC_READ, verb::ATOMIC_SET
);
kernel_atomic!(
    /// A 32-bit flags word or index.
    AtomicU32, u32, raw::AtomicU32, verb::READ, verb::SET
);
kernel_atomic!(
    /// `atomic64_t`.
    AtomicI64, i64, raw::AtomicI64, verb::ATOMIC_READ, verb::ATOMIC_SET
);
kernel_atomic!(
    /// A 64-bit word: page-table entry, packed head.
    AtomicU64, u64, raw::AtomicU64, verb::READ, verb::SET
);
kernel_atomic!(
    /// `atomic_long_t`, per-CPU counters.
    AtomicUsize, usize, raw::AtomicUsize, verb::READ, verb::SET
);

impl AtomicUsize {
    /// `this_cpu_add`: one step, for it is one instruction.
    #[doc(alias = "this_cpu_add")]
    pub(crate) fn percpu_add(&self, n: usize, site: Site) {
        if left_out("percpu_add", site) {
            return;
        }
        if store_buffer::is_on() && self.percpu_add_waits(n, site) {
            return;
        }
        step::on_word(verb::PERCPU_ADD, Effect::Write, self.address(), site);
        self.write(|word| {
            let old = word.fetch_add(n, Relaxed);
            (old, old.wrapping_add(n))
        });
    }

    /// It is a load and a plain store, which may wait.
    #[cold]
    fn percpu_add_waits(&self, n: usize, site: Site) -> bool {
        let (address, bytes) = (self.address(), size_of::<usize>());
        let found = self.0.load(Relaxed) as u64;
        let next = (store_buffer::forward(address, bytes, found) as usize).wrapping_add(n);
        let waits = store_buffer::takes(verb::PERCPU_ADD, site, address, bytes, next as u64);
        if waits {
            // What it adds to was read at once.
            step::record(verb::PERCPU_ADD, Effect::Read, object::word(address), site);
        }
        waits
    }
}
