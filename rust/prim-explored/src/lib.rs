//! The one door through which the protocol reaches the machine, on a controlled scheduler: the
//! *explored* face of `prim`.
//!
//! Same names, same contracts as the native face, whose introduction applies; but tasks are coroutines of
//! the [scheduler](pgmap_sched), and every operation that another task can observe is a step of it. Files
//! in which nothing depends on how tasks run are links into the native face.
//!
//! | what | how it is explored |
//! |---|---|
//! | atomics | one step a call; memory is sequentially consistent, or x86's: `store_buffer.rs` |
//! | locks | a step to take, enabled when the lock is free; a step to give back |
//! | sleeping and waking | steps on the queue: a lost wake-up is lost here too |
//! | read-side sections | no points of their own: `section.rs` says why none is needed |
//! | grace periods, IPIs, shoot-downs | a step, and another once those found inside have left |
//! | `warn` | ends the execution with a defect |
//! | ghosts | exist |
//! | orderings that a rule weakens | keep their strength: this memory has no weaker one |
//!
//! Outside a run (set-up, checks between executions) everything is direct, and a wait that would have to
//! wait gives the machine up, as a deadline does natively.
//!
//! An execution that ends early leaves its tasks suspended for ever and drops nothing. So no operation
//! owns heap memory across a step, and everything that tasks leave behind is put back by two calls: the
//! arena's [`restore`](Arena::restore) and [`Machine::reset`].
//!
//! Identities do not depend on addresses ([`Subject`]), and those in schedules not even on where in the arena a word
//! lies ([`identity`]); the arena that steps are about is the one that the
//! thread has [entered](Arena::enter).
//!
//! Left out, because they are about real time and real threads: `measure`, `perturb`, and what a watchdog or
//! a conductor sees of a machine (`watch`).

pub mod arena;
pub mod atomic;
pub mod barrier;
mod bits;
pub mod cpu;
pub mod deferred;
mod digest;
mod dirty;
mod drained;
pub mod edits;
mod event;
pub mod faults;
pub mod ghost;
pub mod guard;
pub mod hardware;
mod identity;
mod in_use;
mod indexing;
pub mod lease;
pub mod lock;
mod looks;
pub mod machine;
mod mapping;
mod memory;
mod no_memory;
pub mod object;
mod own;
mod place;
mod plain_word;
pub mod poison;
mod queue;
pub mod rcu;
mod section;
pub mod slab;
mod sleep;
mod slot;
mod splitmix;
mod step;
pub mod store_buffer;
pub mod strength;
pub mod table;
mod turn;
pub mod verb;
pub mod wait;
mod wait_class;
pub mod waiter;
pub mod waiting;
pub mod warn;
mod wipe;
pub mod zero;

pub use arena::{Arena, Snapshot};
pub use atomic::{AtomicI32, AtomicI64, AtomicU32, AtomicU64, AtomicUsize};
pub use barrier::{
    cpu_relax, heavy_barrier, light_barrier, smp_mb, smp_mb_after_atomic, smp_rmb, smp_wmb,
};
pub use cpu::{Cpu, OOPS};
pub use deferred::{DeferredQueue, Full};
pub use edits::Edit;
pub use faults::Faults;
pub use ghost::Ghost;
pub use guard::{AccessGuard, IrqGuard, LeafSection, RcuGuard};
pub use hardware::{ByHardware, by_hardware, may_speculate};
pub use identity::identity;
pub use in_use::Entered;
pub use lease::{CpuId, Lease, NoCpu, Poll, Signal, TaskId};
pub use lock::order::Nesting;
pub use lock::{
    Completion, Guarded, LockClass, ReadGuard, RwSem, SpinGuard, SpinLock, Srcu, SrcuGuard,
    WriteGuard, bit_lock, bit_spin_lock, bit_spin_unlock, bit_trylock, bit_unlock, bit_wait,
    lock_map_acquire, lock_map_release,
};
pub use looks::looks_of;
pub use machine::{Machine, Tally};
pub use memory::{Located, Region};
pub use no_memory::NoMemory;
pub use object::Subject;
pub use poison::{Abandoned, Poison, Stopped, catch_abandon};
pub use rcu::{Crossed, sync_access, sync_irq, synchronize_rcu};
pub use slab::Slab;
pub use splitmix::SplitMix64;
pub use strength::Strength;
pub use table::Table;
pub use verb::verb_name;
pub use wait::{
    wait_event, wait_event_exclusive, wait_var_event, wake_up_all, wake_up_one, wake_up_var,
};
pub use waiter::Waiter;
pub use waiting::{Ends, Interrupted, Sleep, WaitClass, Waiting};
pub use warn::{Warn, WarnRecord, code};
pub use zero::{Field, Layout, PlainData, ZeroInit};
