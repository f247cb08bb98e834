//! What a task holds while it is inside a read-side section.

use core::{marker::PhantomData, panic::Location};

use crate::{
    Cpu,
    edits::left_out,
    section::{self, Kind},
    slot::Slot,
    step::Site,
};

/// The outermost section of its kind begins on this CPU.
pub(crate) fn enter(slot: &Slot, kind: Kind, site: Site) {
    slot.sections[kind as usize].bump();
    section::enter(kind, site);
}

/// It ends.
pub(crate) fn exit(slot: &Slot, kind: Kind, site: Site) {
    slot.sections[kind as usize].bump();
    section::leave(kind, site);
}

/// See [`Cpu::leaf`](crate::Cpu::leaf).
#[derive(Clone, Copy, Debug)]
pub struct LeafSection<'a> {
    slot: &'a Slot,
    this_thread: PhantomData<*mut ()>,
}

impl<'a> LeafSection<'a> {
    pub(crate) fn new(slot: &'a Slot) -> Self {
        Self { slot, this_thread: PhantomData }
    }

    /// As [`Cpu::rcu_read_leaf`](crate::Cpu::rcu_read_leaf).
    #[track_caller]
    pub fn run<R>(self, body: impl FnOnce() -> R) -> R {
        /// Leaves however the body ends.
        struct Leave<'a>(&'a Slot, Site);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                exit(self.0, Kind::Leaf, self.1);
            }
        }
        let site = Location::caller();
        if left_out("run", site) {
            return body();
        }
        let marker = &self.slot.sections[Kind::Leaf as usize];
        debug_assert!(marker.get().is_multiple_of(2), "a leaf section inside a leaf section");
        enter(self.slot, Kind::Leaf, site);
        let _leave = Leave(self.slot, site);
        body()
    }
}

macro_rules! section_guard {
    ($(#[$doc:meta])* $name:ident, $kind:ident) => {
        $(#[$doc])*
        #[must_use = "the section ends when the guard is dropped"]
        #[derive(Debug)]
        pub struct $name<'a> {
            /// None: the section is left out.
            cpu: Option<&'a Cpu<'a>>,
        }

        impl<'a> $name<'a> {
            pub(crate) fn new(cpu: Option<&'a Cpu<'a>>) -> Self {
                Self { cpu }
            }
        }

        impl Drop for $name<'_> {
            fn drop(&mut self) {
                if let Some(cpu) = self.cpu {
                    cpu.exit(Kind::$kind);
                }
            }
        }
    };
}

section_guard!(
    /// Inside `rcu_read_lock`.
    RcuGuard,
    Rcu
);
section_guard!(
    /// Interrupts are off.
    IrqGuard,
    Irq
);
section_guard!(
    /// Using the TLB.
    AccessGuard,
    Access
);
