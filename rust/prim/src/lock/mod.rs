//! Locks (`kernel/locking`). A lock is arena data: a word and what it guards, free when zero.
//!
//! Lock words are signed with [`Cpu::owner_word`](crate::Cpu::owner_word), so a hang report can say
//! who holds what. Waiting for any of them is uninterruptible, appears in reports under the class's name,
//! and ends when the machine is poisoned. Guards unlock when an operation is abandoned.

mod bit;
mod bit_spin;
mod completion;
mod rwsem;
mod spin;
mod srcu;

pub use bit::{bit_lock, bit_trylock, bit_unlock, bit_wait};
pub use bit_spin::{bit_spin_lock, bit_spin_unlock};
pub use completion::Completion;
pub use rwsem::{ReadGuard, RwSem, WriteGuard};
pub use spin::{SpinGuard, SpinLock};
pub use srcu::{Srcu, SrcuGuard};

use crate::{PlainData, WaitClass};

/// What all locks of one kind have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockClass {
    pub name: &'static str,
    /// Place in the locking order, outermost first; the explorer checks it, this face does not.
    pub rank: u8,
}

/// Data that has a lock of its own. The class belongs to the data, so that two locks of one kind
/// cannot disagree about their rank.
pub trait Guarded: PlainData {
    const CLASS: LockClass;
}

/// How waits for locks of `T`'s class appear in reports.
const fn wait_class<T: Guarded>() -> &'static WaitClass {
    const { &WaitClass { name: T::CLASS.name } }
}
