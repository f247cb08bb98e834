//! Locks (`kernel/locking`). A lock is arena data: a word and what it guards, free when zero.
//!
//! Lock words are signed with [`Cpu::owner_word`](crate::Cpu::owner_word), so a hang report can say
//! who holds what. Waiting for any of them is uninterruptible, appears in reports under the class's name,
//! and ends when the machine is poisoned. Guards unlock when an operation is abandoned.

mod bit;
mod bit_spin;
mod class;
mod completion;
pub(crate) mod order;
mod rwsem;
mod spin;
mod srcu;

pub use bit::{bit_lock, bit_trylock, bit_unlock, bit_wait};
pub use bit_spin::{bit_spin_lock, bit_spin_unlock};
pub use class::{Guarded, LockClass};
pub use completion::Completion;
pub use order::{lock_map_acquire, lock_map_release};
pub use rwsem::{ReadGuard, RwSem, WriteGuard};
pub use spin::{SpinGuard, SpinLock};
pub use srcu::{Srcu, SrcuGuard};

/// The class of what guards `T`.
const fn class_of<T: Guarded>() -> &'static LockClass {
    const { &T::CLASS }
}
