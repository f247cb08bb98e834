//! The one door through which the protocol reaches the machine: atomics, locks, waiting, RCU,
//! per-CPU slots, arena memory, ghosts. This is the *native* face, on real threads.
//!
//! `prim-explored` offers the same names under a controlled scheduler, `prim-weak` those that the lower rooms
//! use on weak memory; they share, by link, the files in which nothing depends on how tasks run. So three
//! rules hold here:
//! every operation that another task can observe is a function or method of this crate; no `std`
//! synchronisation type appears in a signature; there are no statics and no thread-locals, because
//! one process holds many machines.
//!
//! `unsafe` lives in this crate and nowhere above it.
//!
//! | module | what it is | Linux counterpart |
//! |---|---|---|
//! | [`atomic`] | atomics and barriers with kernel ordering | `include/linux/atomic*.h` |
//! | [`zero`] | which types may appear out of zeroed memory | `__GFP_ZERO` |
//! | [`arena`], [`slab`], [`faults`] | a world's memory and its failures | slab, `fault-inject` |
//! | [`machine`], [`cpu`], [`lease`] | CPUs as slots that threads lease | `smp`, `percpu`, `sched` |
//! | [`rcu`], [`deferred`] | grace periods, IPIs, TLB shoot-down, `call_rcu` | `kernel/rcu` |
//! | [`wait`], [`waiting`], [`waiter`], [`poison`], [`watch`] | sleeping, waking, hangs, who waits for whom | `kernel/sched/wait*.c` |
//! | [`lock`] | spin locks, rw-semaphores, bit locks, completions, SRCU | `kernel/locking` |
//! | [`ghost`] | state that exists only when explored | none |
//! | [`strength`] | orderings that a rule weakens where that can show | none |
//! | [`hardware`] | what devices and the MMU do, asked or not | none |
//! | [`perturb`], [`Effort`] | random delays injected by signal; CPU time used | none |
//! | [`measure`] | opaque values and thread placement, for benchmarks only | `OPTIMIZER_HIDE_VAR` |

pub mod arena;
pub mod atomic;
pub mod cpu;
pub mod deferred;
mod edits;
mod effort;
pub mod faults;
pub mod ghost;
pub mod guard;
pub mod hardware;
mod indexing;
mod inquiry;
pub mod lease;
pub mod lock;
pub mod machine;
pub mod measure;
mod membarrier;
mod no_memory;
pub mod perturb;
mod place;
pub mod poison;
mod queue;
pub mod rcu;
pub mod slab;
mod sleep;
mod slot;
mod splitmix;
mod state_word;
pub mod strength;
mod turn;
pub mod wait;
mod wait_record;
pub mod waiter;
pub mod waiting;
pub mod warn;
pub mod watch;
pub mod zero;

pub use arena::{Arena, Snapshot, Table};
pub use atomic::{
    AtomicI32, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, cpu_relax, smp_mb,
    smp_mb_after_atomic, smp_rmb, smp_wmb,
};
pub use cpu::Cpu;
pub use deferred::{DeferredQueue, Full};
pub use effort::Effort;
pub use faults::Faults;
pub use ghost::Ghost;
pub use guard::{AccessGuard, IrqGuard, LeafSection, RcuGuard};
pub use hardware::{ByHardware, by_hardware, may_speculate};
pub use inquiry::Answer;
pub use lease::{CpuId, Lease, NoCpu, Poll, Signal, TaskId};
pub use lock::{
    Completion, Guarded, LockClass, ReadGuard, RwSem, SpinGuard, SpinLock, Srcu, SrcuGuard,
    WriteGuard, bit_lock, bit_spin_lock, bit_spin_unlock, bit_trylock, bit_unlock, bit_wait,
    lock_map_acquire, lock_map_release,
};
pub use machine::{Machine, Tally};
pub use membarrier::{heavy_barrier, light_barrier};
pub use no_memory::NoMemory;
pub use perturb::{Perturber, Registration};
pub use poison::{Abandoned, Poison, Stopped, catch_abandon};
pub use rcu::{Crossed, sync_access, sync_irq, synchronize_rcu};
pub use slab::Slab;
pub use splitmix::SplitMix64;
pub use state_word::SlotState;
pub use strength::Strength;
pub use wait::{
    wait_event, wait_event_exclusive, wait_var_event, wake_up_all, wake_up_one, wake_up_var,
};
pub use waiter::Waiter;
pub use waiting::{Ends, Interrupted, Sleep, WaitClass, Waiting};
pub use warn::{Warn, WarnRecord, code};
pub use watch::TaskState;
pub use zero::{Field, Layout, PlainData, ZeroInit};
