//! `lib/percpu-refcount.c`, whole (K§1).
//!
//! A reference count that costs two plain stores while its owner is alive, and becomes one shared word
//! when the owner wants to die:
//!
//! ```text
//!   PERCPU --kill / switch_to_atomic--> SWITCHING --grace period--> ATOMIC --count 0--> released
//!     ^                                                               |
//!     +------------ switch_to_percpu / reinit / resurrect ------------+   (only with allow_reinit)
//! ```
//!
//! Each word and who writes it:
//!
//! * `percpu_count_ptr`: counter index and, on top, two flags, [`ATOMIC`] and [`DEAD`]. Written under
//!   [`PercpuRefs::switch_lock`], and by the callback of a switch, which other switches wait for; read
//!   by every operation, once, inside an RCU section.
//! * the per-CPU counters: a plain add to one's own slot. They wrap freely and only their sum means
//!   anything; a put may happen on another CPU than its get.
//! * `count`: the shared word. While counters are live it carries [`BIAS`], so that no put can bring it
//!   to zero before the counters have been added in.
//!
//! Departures: a ref lives in a slab and is named by [`RefId`], so that a deferred callback can name it
//! without a pointer; a callback (`release`, `confirm_switch`) is a value handed back to the owner, who
//! runs it, instead of a function pointer called from here. `release` still runs inside the RCU section
//! of the last put when the owner acts on [`Put::Zero`] before dropping its guard, and may be told from
//! the grace-period callback; it must not sleep.

mod ledger;
mod switch;
mod words;

use prim::{
    Arena, AtomicI64, AtomicU32, AtomicUsize, Cpu, DeferredQueue, Ghost, Guarded, LeafSection,
    LockClass, NoMemory, Slab, SpinLock, Strength, Table, plain, zeroed,
};

use crate::lock_order;
use crate::region;

use ledger::Out;
pub use words::{Confirm, Init, Put, RefId, Switched};

/// `__PERCPU_REF_ATOMIC`: operations use the shared count. The flags are the top bits, where the kernel has
/// them at the bottom of a pointer: with one set the word is no index of any table, so the bounds check of
/// the counter is the look at the flags.
const ATOMIC: usize = DEAD >> 1;
/// `__PERCPU_REF_DEAD`: killed; `tryget_live` refuses.
const DEAD: usize = 1 << (usize::BITS - 1);
const FLAGS: usize = ATOMIC | DEAD;
/// Cells in a row: two cache lines.
const ROW: usize = 16;
/// `PERCPU_COUNT_BIAS`: keeps the shared count away from zero while counters are live.
const BIAS: i64 = i64::MIN;

/// Bits of [`PercpuRef::modes`]: the kernel's `force_atomic` and `allow_reinit`, and whether `count` carries [`BIAS`].
const FORCE_ATOMIC: u32 = 1;
const ALLOW_REINIT: u32 = 2;
const BIASED: u32 = 4;

zeroed! {
    /// `struct percpu_ref` with its `percpu_ref_data`.
    #[derive(Debug)]
    pub struct PercpuRef {
        /// The counter's cell on CPU 0 below two flag bits; 0 below the flags once the counters are freed.
        percpu_count_ptr: AtomicUsize,
        count: AtomicI64,
        modes: AtomicU32,
        /// Non-zero while a switch is in progress: the confirm value + 1.
        confirm_switch: AtomicU32,
        out: Ghost<Out>,
    }
}

plain! {
    /// What the global switch lock protects: nothing but the order of switches.
    #[derive(Clone, Copy, Debug)]
    pub struct SwitchLocked;
}

impl Guarded for SwitchLocked {
    const CLASS: LockClass = lock_order::PERCPU_REF_SWITCH_LOCK;
}

plain! {
    /// A deferred `switch_to_atomic_rcu`.
    #[derive(Clone, Copy, Debug)]
    pub struct SwitchCall { ref_index: u32, }
}

/// Every percpu ref of a machine, their counters, and the one lock that serialises switches.
#[derive(Debug)]
pub struct PercpuRefs {
    refs: Slab<PercpuRef>,
    counters: Slab<AtomicU32>,
    /// Rows of [`ROW`] cells that one CPU owns, so that no line is shared: an unused row, then for every
    /// group of [`ROW`] counters a row for each CPU. No counter's first cell is 0.
    cells: Table<AtomicUsize>,
    cpus: usize,
    /// `percpu_ref_switch_lock`: one for all refs.
    switch_lock: Table<SpinLock<SwitchLocked>>,
    switches: DeferredQueue<SwitchCall>,
    /// What a put of the shared count is ordered against.
    put_how: Strength,
}

impl PercpuRefs {
    /// Room for `capacity` refs on `cpus` CPUs.
    ///
    /// # Errors
    /// [`NoMemory`] when the arena is full.
    pub fn new(arena: &Arena, cpus: usize, capacity: usize) -> Result<Self, NoMemory> {
        let rows = 1 + capacity.div_ceil(ROW) * cpus;
        Ok(Self {
            refs: Slab::new(arena, capacity, region::PERCPU_REF)?,
            counters: Slab::new(arena, capacity, "percpu_counter")?,
            cells: arena.table("percpu cells", rows * ROW)?,
            cpus,
            switch_lock: arena.table("percpu_ref switch", 1)?,
            switches: DeferredQueue::new(arena, 2 * capacity, "percpu_ref switches")?,
            put_how: Strength::KEPT,
        })
    }

    /// The same refs under the rule `percpu-put`.
    #[must_use]
    pub fn putting(self, put_how: Strength) -> Self {
        Self { put_how, ..self }
    }

    /// `percpu_ref_init` (K§1.2).
    ///
    /// # Errors
    /// [`NoMemory`]: counters and data are two allocations; the first is undone when the second fails.
    #[doc(alias = "percpu_ref_init")]
    pub fn init(&self, cpu: &Cpu<'_>, how: Init) -> Result<RefId, NoMemory> {
        let counter = self.counters.alloc(cpu)?;
        let index = match self.refs.alloc(cpu) {
            Ok(index) => index,
            Err(none) => {
                self.counters.free(cpu, counter);
                return Err(none);
            }
        };
        let (flags, start, modes) = match how {
            Init::Percpu => (0, BIAS + 1, BIASED),
            Init::PercpuReinit => (0, BIAS + 1, BIASED | ALLOW_REINIT),
            Init::Atomic => (ATOMIC, 1, FORCE_ATOMIC | ALLOW_REINIT),
            Init::Dead => (ATOMIC | DEAD, 0, ALLOW_REINIT),
        };
        self.zero_counters(counter);
        let new = &self.refs[index];
        new.count.set(start);
        new.modes.set(modes);
        new.confirm_switch.set(0);
        // Release: pairs with the first reader's load; counters are zero before anyone adds to them.
        new.percpu_count_ptr.set_release(self.first_cell_of(counter) | flags);
        new.note_init(if how == Init::Dead { 0 } else { 1 });
        Ok(RefId(index))
    }

    /// On a machine at rest: refs that are out, counters that are, and counters that refs have.
    #[must_use]
    pub fn at_rest(&self) -> (usize, usize, usize) {
        let has = |index: &u32| self.counter(&self.refs[*index]).is_some();
        let had = self.refs.iter_live().filter(has).count();
        (self.refs.live(), self.counters.live(), had)
    }

    /// The ref as one CPU sees it, for as long as that CPU is leased.
    #[inline(always)]
    #[must_use]
    pub fn on<'a>(&'a self, cpu: &'a Cpu<'a>, id: RefId) -> RefOnCpu<'a> {
        debug_assert!(cpu.id().0 < self.cpus, "a CPU that these refs have no cells for");
        let mine = cpu.id().0.wrapping_mul(ROW);
        let cells = self.cells.as_slice().get(mine..).unwrap_or_default();
        RefOnCpu { this: &self.refs[id.0], cells, leaf: cpu.leaf(), cpu, put_how: self.put_how }
    }

    /// [`RefOnCpu::get_many`].
    #[inline(always)]
    pub fn get_many(&self, cpu: &Cpu<'_>, id: RefId, nr: usize) {
        self.on(cpu, id).get_many(nr);
    }

    /// [`RefOnCpu::tryget_many`].
    #[inline(always)]
    #[must_use]
    pub fn tryget_many(&self, cpu: &Cpu<'_>, id: RefId, nr: usize) -> bool {
        self.on(cpu, id).tryget_many(nr)
    }

    /// [`RefOnCpu::tryget_live`].
    #[inline(always)]
    #[must_use]
    pub fn tryget_live(&self, cpu: &Cpu<'_>, id: RefId) -> bool {
        self.on(cpu, id).tryget_live()
    }

    /// [`RefOnCpu::put_many`].
    #[inline(always)]
    pub fn put_many(&self, cpu: &Cpu<'_>, id: RefId, nr: usize) -> Put {
        self.on(cpu, id).put_many(nr)
    }

    /// Whether it has been initialised and not exited. For a check: no step.
    #[must_use]
    pub(crate) fn peek_live(&self, id: RefId) -> bool {
        self.refs.peek_live(id.0)
    }

    /// `percpu_ref_is_dying`.
    #[doc(alias = "percpu_ref_is_dying")]
    #[must_use]
    pub fn is_dying(&self, id: RefId) -> bool {
        self.refs[id.0].is_dying()
    }

    /// `percpu_ref_is_zero`: false in percpu mode, where nobody knows.
    #[doc(alias = "percpu_ref_is_zero")]
    #[must_use]
    pub fn is_zero(&self, cpu: &Cpu<'_>, id: RefId) -> bool {
        let this = &self.refs[id.0];
        if this.is_percpu() {
            return false;
        }
        let _lock = self.switch_lock[0].lock(cpu);
        this.count.read() == 0
    }

    /// References out, initial one included. Exact only at quiescence.
    #[must_use]
    pub fn ledger(&self, id: RefId) -> i64 {
        let this = &self.refs[id.0];
        let shared = this.count.read();
        match self.counter(this) {
            Some(counter) if this.is_percpu() => {
                shared.wrapping_sub(BIAS).wrapping_add(self.sum(counter))
            }
            _ => shared,
        }
    }

    /// Refs initialised and not exited.
    #[must_use]
    pub fn live(&self) -> usize {
        self.refs.live()
    }

    fn first_cell_of(&self, counter: u32) -> usize {
        let counter = counter as usize;
        (1 + counter / ROW * self.cpus) * ROW + counter % ROW
    }

    /// The counter of a ref, whatever the mode; none once it is freed.
    #[doc(alias = "percpu_count_ptr")]
    fn counter(&self, this: &PercpuRef) -> Option<u32> {
        let first = this.percpu_count_ptr.read() & !FLAGS;
        let group = (first / ROW).checked_sub(1)? / self.cpus;
        Some((group * ROW + first % ROW) as u32)
    }

    fn cells_of(&self, counter: u32) -> impl Iterator<Item = &AtomicUsize> {
        let first = self.first_cell_of(counter);
        (0..self.cpus).map(move |cpu| &self.cells[first + cpu * ROW])
    }

    fn sum(&self, counter: u32) -> i64 {
        let add = |sum: usize, cell: &AtomicUsize| sum.wrapping_add(cell.read());
        self.cells_of(counter).fold(0, add).cast_signed() as i64
    }

    fn zero_counters(&self, counter: u32) {
        self.cells_of(counter).for_each(|cell| cell.set(0));
    }
}

/// A ref with the address of this CPU's cells resolved, as a segment register does it on the metal.
#[derive(Clone, Copy, Debug)]
pub struct RefOnCpu<'a> {
    this: &'a PercpuRef,
    /// From this CPU's first row on: a counter's first cell is the index of its own cell here.
    cells: &'a [AtomicUsize],
    leaf: LeafSection<'a>,
    cpu: &'a Cpu<'a>,
    put_how: Strength,
}

impl RefOnCpu<'_> {
    /// `percpu_ref_get_many`. The caller holds a reference, so nothing can fail.
    #[doc(alias = "percpu_ref_get_many")]
    #[inline(always)]
    pub fn get_many(&self, nr: usize) {
        let Self { this, cells, leaf, cpu, .. } = *self;
        leaf.run(|| match this.cell_in(cells) {
            Some(cell) => cpu.percpu_add(cell, nr),
            None => this.get_shared(nr as i64),
        });
        this.note_get(nr);
    }

    /// `percpu_ref_tryget_many`: succeeds on a killed ref too, as long as a reference remains.
    #[doc(alias = "percpu_ref_tryget_many")]
    #[inline(always)]
    #[must_use]
    pub fn tryget_many(&self, nr: usize) -> bool {
        let Self { this, cells, leaf, cpu, .. } = *self;
        let taken = leaf.run(|| match this.cell_in(cells) {
            Some(cell) => {
                cpu.percpu_add(cell, nr);
                true
            }
            None => this.tryget_shared(nr as i64),
        });
        if taken {
            this.note_get(nr);
        }
        taken
    }

    /// `percpu_ref_tryget_live`: refuses once [`DEAD`] has been seen. Only the confirmation of a kill
    /// promises that every CPU sees it.
    #[doc(alias = "percpu_ref_tryget_live")]
    #[inline(always)]
    #[must_use]
    pub fn tryget_live(&self) -> bool {
        let Self { this, cells, leaf, cpu, .. } = *self;
        let taken = leaf.run(|| match this.cell_in(cells) {
            Some(cell) => {
                cpu.percpu_add(cell, 1);
                true
            }
            None => !this.is_dying() && this.tryget_shared(1),
        });
        if taken {
            this.note_get(1);
        }
        taken
    }

    /// `percpu_ref_put_many`. In percpu mode zero is never looked for.
    #[doc(alias = "percpu_ref_put_many")]
    #[inline(always)]
    pub fn put_many(&self, nr: usize) -> Put {
        let Self { this, cells, leaf, cpu, put_how } = *self;
        let put = leaf.run(|| match this.cell_in(cells) {
            Some(cell) => {
                cpu.percpu_add(cell, nr.wrapping_neg());
                Put::Alive
            }
            None => this.put_shared(put_how, nr as i64),
        });
        this.note_put(nr);
        put
    }
}

/// The atomic mode, out of line: a ref is in it when it dies, and then speed is no matter.
impl PercpuRef {
    #[doc(alias = "percpu_ref_get_many")]
    #[cold]
    #[inline(never)]
    fn get_shared(&self, nr: i64) {
        self.count.add(nr);
    }

    #[doc(alias = "percpu_ref_tryget_many")]
    #[cold]
    #[inline(never)]
    fn tryget_shared(&self, nr: i64) -> bool {
        self.count.add_unless(nr, 0)
    }

    #[doc(alias = "percpu_ref_put_many")]
    #[cold]
    #[inline(never)]
    fn put_shared(&self, how: Strength, nr: i64) -> Put {
        if self.count.sub_and_test_with(how, nr) { Put::Zero } else { Put::Alive }
    }
}

impl PercpuRef {
    /// `__ref_is_percpu`: one read. DEAD may be seen before ATOMIC, so either means "not percpu". With the
    /// answer, the counter's cell among those of a CPU.
    #[doc(alias = "__ref_is_percpu")]
    #[inline(always)]
    fn cell_in<'c>(&self, cells: &'c [AtomicUsize]) -> Option<&'c AtomicUsize> {
        // A word with a flag is past the end: see [`ATOMIC`]. One without is a counter's, and inside.
        cells.get(self.percpu_count_ptr.read_acquire())
    }

    /// The same, for whoever wants no cell.
    #[doc(alias = "__ref_is_percpu")]
    fn is_percpu(&self) -> bool {
        self.percpu_count_ptr.read_acquire() & FLAGS == 0
    }

    #[doc(alias = "percpu_ref_is_dying")]
    fn is_dying(&self) -> bool {
        self.percpu_count_ptr.read() & DEAD != 0
    }
}
