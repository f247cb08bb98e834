//! Read-side sections of a CPU, and what a task holds while it is inside one.
//!
//! Linux: `rcu_read_lock`, `local_irq_save`, `preempt_count`, and an access through the TLB.
//!
//! # Sections
//! Each kind (RCU, IRQs off, TLB access) has a *marker* in the slot: odd inside, even outside. Only
//! the leasing thread writes it, so entering is a plain store:
//!
//! * enter: `marker += 1` (now odd), then the light half of the asymmetric fence, then the section;
//! * exit: the section, then `marker += 1` with release order (now even), which pairs with the
//!   acquire load in [`rcu`](crate::rcu)'s scan.
//!
//! The heavy half is in `rcu`, with the argument why the pair suffices. Sections nest by a depth that
//! only the lease sees; kinds are independent.
//!
//! A *leaf* section ([`Cpu::rcu_read_leaf`]) is an RCU section of a few instructions that contains no other
//! of its kind. Its marker needs no depth and no sequence: 1 inside, 0 outside, two stores that depend
//! on nothing. What a waiter loses is that it can tell one section from the next, so it may wait for
//! several; between them it sees 0 often enough.

use core::{cell::Cell, marker::PhantomData};

use crate::{Cpu, membarrier::AsymmetricFence, slot::Marker};

/// How deep in each kind of section the lease is. Guards pair every increment with a decrement, so the
/// arithmetic needs no overflow checks on these paths.
#[derive(Debug, Default)]
pub(crate) struct Depth {
    pub(crate) rcu: Cell<u32>,
    pub(crate) irq: Cell<u32>,
    pub(crate) access: Cell<u32>,
    pub(crate) spin: Cell<u32>,
}

impl Depth {
    /// How many sections and spin locks forbid sleeping now.
    #[inline]
    pub(crate) fn preempt_count(&self) -> u32 {
        let Self { rcu, irq, access, spin } = self;
        rcu.get() + irq.get() + access.get() + spin.get()
    }
}

#[inline(always)]
fn enter(marker: &Marker, depth: &Cell<u32>, fence: AsymmetricFence) {
    let outer = depth.get();
    depth.set(outer.wrapping_add(1));
    if outer == 0 {
        marker.set(marker.read().wrapping_add(1));
        fence.light();
    }
}

#[inline(always)]
fn exit(marker: &Marker, depth: &Cell<u32>) {
    let inner = depth.get().wrapping_sub(1);
    depth.set(inner);
    if inner == 0 {
        marker.set_release(marker.read().wrapping_add(1));
    }
}

/// See [`Cpu::leaf`].
#[derive(Clone, Copy, Debug)]
pub struct LeafSection<'a> {
    marker: &'a Marker,
    fence: AsymmetricFence,
    this_thread: PhantomData<*mut ()>,
}

impl<'a> LeafSection<'a> {
    #[inline(always)]
    pub(crate) fn new(marker: &'a Marker, fence: AsymmetricFence) -> Self {
        Self { marker, fence, this_thread: PhantomData }
    }

    /// As [`Cpu::rcu_read_leaf`].
    #[inline(always)]
    pub fn run<R>(self, body: impl FnOnce() -> R) -> R {
        /// Leaves however the body ends.
        struct Leave<'a>(&'a Marker);
        impl Drop for Leave<'_> {
            #[inline(always)]
            fn drop(&mut self) {
                // Release: pairs with the acquire of the scan, as at the exit of any section.
                self.0.set_release(0);
            }
        }
        debug_assert_eq!(self.marker.read(), 0, "a leaf section inside a leaf section");
        self.marker.set(1);
        self.fence.light();
        let _leave = Leave(self.marker);
        body()
    }
}

macro_rules! section_guard {
    ($(#[$doc:meta])* $name:ident, $marker:ident) => {
        $(#[$doc])*
        #[must_use = "the section ends when the guard is dropped"]
        #[derive(Debug)]
        pub struct $name<'a> {
            cpu: &'a Cpu<'a>,
        }

        impl<'a> $name<'a> {
            #[inline(always)]
            pub(crate) fn enter(cpu: &'a Cpu<'a>) -> Self {
                enter(&cpu.slot.$marker, &cpu.depth.$marker, cpu.fence);
                Self { cpu }
            }
        }

        impl Drop for $name<'_> {
            #[inline(always)]
            fn drop(&mut self) {
                exit(&self.cpu.slot.$marker, &self.cpu.depth.$marker);
            }
        }
    };
}

section_guard!(
    /// Inside `rcu_read_lock`.
    RcuGuard,
    rcu
);
section_guard!(
    /// Interrupts are off.
    IrqGuard,
    irq
);
section_guard!(
    /// Using the TLB.
    AccessGuard,
    access
);
