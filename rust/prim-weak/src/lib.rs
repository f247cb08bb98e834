//! The one door through which the protocol reaches the machine, over loom's memory: the *weak* face of
//! `prim`.
//!
//! Same names, same contracts as the native face, whose introduction applies; but a load may return any
//! store that C11 lets it, and a model is run with every one of them. It offers what the lower rooms of the
//! protocol use, and tests are all it is for. Files in which nothing depends on how tasks run are links
//! into the native face.
//!
//! # Orderings
//!
//! | kernel | here |
//! |---|---|
//! | `READ_ONCE`, `WRITE_ONCE`, an RMW that returns nothing | relaxed |
//! | `smp_load_acquire`, `smp_store_release` | acquire, release |
//! | an RMW that returns a value | `fence(SeqCst)`, the RMW as `AcqRel`, `fence(SeqCst)` |
//! | a `cmpxchg` or `add_unless` that fails | `fence(SeqCst)` before it, and nothing more |
//! | `smp_mb` | `fence(SeqCst)` |
//! | `smp_rmb`, `smp_wmb` | `fence(Acquire)`, `fence(Release)`: slightly stronger |
//! | an address dependency | nothing: the protocol asks for acquire where it needs one |
//! | `this_cpu_add` | a relaxed load and a relaxed store |
//! | `rcu_read_lock`, `rcu_read_unlock` | relaxed store and `fence(SeqCst)`; release store |
//!
//! Where that is weaker than the kernel: a dependency orders nothing here. Where it is stronger, so that a
//! mistake could go unseen: the fence before an RMW that then fails; the fence at the entry of a read-side
//! section, which the native face has too where there is no membarrier.
//!
//! Where loom departs from C11: an access marked `SeqCst` is `AcqRel` to it, so none is used, and two
//! `fence(SeqCst)` order everything around them, as `smp_mb` does in the kernel and not quite in C11; an RMW,
//! failed or not, reads the newest store; a load never sees a store that is yet to be made (no load
//! buffering); a location remembers its seven latest stores; fences are no scheduling points of their own.
//! So what loom finds, C11 allows, and what it does not find is no proof. Orders that loom's reduction leaves
//! out are put back in: see [`atomic`].
//!
//! # Memory
//!
//! Loom's atomics are objects of one execution, so nothing appears out of zeroed bytes:
//! [`ZeroInit`] makes a zero of its type, and a machine with its tables is made anew in each execution.
//!
//! Left out: what only upper rooms use, and everything about real time. A sleeper looks again whenever it
//! is its turn, so a lost wake-up is found by the explorer and not here.

pub mod arena;
pub mod atomic;
pub mod cpu;
pub mod deferred;
mod edits;
pub mod ghost;
pub mod hardware;
mod indexing;
pub mod lease;
pub mod lock;
pub mod machine;
pub mod model;
mod no_memory;
mod place;
pub mod rcu;
pub mod slab;
pub mod strength;
pub mod wait;
pub mod waiter;
pub mod waiting;
pub mod warn;
pub mod zero;

pub use arena::{Arena, Table};
pub use atomic::{
    AtomicI32, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, smp_mb, smp_mb_after_atomic, smp_rmb,
    smp_wmb,
};
pub use cpu::{Cpu, LeafSection, RcuGuard};
pub use deferred::{DeferredQueue, Full};
pub use ghost::Ghost;
pub use hardware::{ByHardware, by_hardware};
pub use lease::{CpuId, Lease, NoCpu, Poll, Signal, TaskId};
pub use lock::{
    Completion, Guarded, LockClass, SpinGuard, SpinLock, bit_spin_lock, bit_spin_unlock,
};
pub use machine::{Machine, Tally};
pub use no_memory::NoMemory;
pub use rcu::{Crossed, heavy_barrier, light_barrier, synchronize_rcu};
pub use slab::Slab;
pub use strength::Strength;
pub use wait::{wait_event, wait_var_event, wake_up_all, wake_up_var};
pub use waiter::Waiter;
pub use waiting::{Ends, Interrupted, Sleep, WaitClass, Waiting};
pub use warn::{Warn, WarnRecord, code};
pub use zero::{PlainData, ZeroInit};
