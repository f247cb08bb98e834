//! How many references are out, known apart from the words that count them (K§10 I14).
//!
//! Ghost state, like the ledger of pages: without size natively. A ref's words are spread over CPUs and modes,
//! and no CPU can tell their sum; the explorer runs one task at a time, so that a look at all of them is
//! a look at one moment. The number here changes in the very step that changes a word, hence the check is
//! exact in every state, in the middle of a switch too:
//!
//! | state | references out |
//! |---|---|
//! | `count` carries [`BIAS`] | `count - BIAS` and the cells of all CPUs |
//! | the same, and the cells still hold what was added in before (`start_percpu`) | `count - BIAS` |
//! | otherwise | `count` |
//!
//! Whether the bias is in shows in the count itself: the mode bit follows a step later.

use prim::{Cpu, Ghost, plain};

use super::{BIAS, FLAGS, PercpuRef, PercpuRefs, ROW, RefId};
use crate::warn::{Complaint, warn_on};

/// Further from zero than any number of references: the bias is in.
const FAR: u64 = 1 << 62;

plain! {
    /// What a ref must add up to.
    #[derive(Clone, Copy, Debug, Default)]
    pub(super) struct Out {
        /// All references.
        refs: i64,
        /// Of these the ref's own: the initial one, and that of a switch in progress.
        own: i64,
        /// 1 while the cells hold what `count` has already.
        stale: i64,
    }
}

impl PercpuRef {
    /// A user took `nr` references. In the step that counted them.
    #[inline(always)]
    pub(super) fn note_get(&self, nr: usize) {
        self.out.with(|out| out.refs += nr as i64);
    }

    /// A user, or the ref itself, gave `nr` back.
    #[inline(always)]
    pub(super) fn note_put(&self, nr: usize) {
        self.out.with(|out| out.refs -= nr as i64);
    }

    /// `nr` of the references that are out belong to the ref itself from now on.
    #[inline(always)]
    pub(super) fn note_own(&self, nr: i64) {
        self.out.with(|out| out.own += nr);
    }

    /// The cells were added in, or have been zeroed since.
    #[inline(always)]
    pub(super) fn note_cells(&self, stale: Stale) {
        self.out.with(|out| out.stale = stale as i64);
    }

    /// A new life with `refs` references of its own.
    #[inline(always)]
    pub(super) fn note_init(&self, refs: i64) {
        self.out.with(|out| *out = Out { refs, own: refs, stale: 0 });
    }
}

/// What the cells of a ref hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stale {
    /// References.
    No = 0,
    /// What has been added to the shared count.
    Yes = 1,
}

impl PercpuRefs {
    /// References that users of the ref took and did not give back; nothing natively.
    #[must_use]
    pub fn users(&self, id: RefId) -> Option<i64> {
        let mut users = None;
        self.refs[id.0].out.with(|out| users = Some(out.refs - out.own));
        users
    }

    /// All references that are out, its own included; nothing natively.
    #[must_use]
    pub fn out(&self, id: RefId) -> Option<i64> {
        let mut refs = None;
        self.refs[id.0].out.with(|out| refs = Some(out.refs));
        refs
    }

    /// Complains unless the words of a ref add up to what is out. Explored only, and no step.
    #[inline(always)]
    pub fn check(&self, cpu: &Cpu<'_>, id: RefId) {
        Ghost::<()>::new().with(|()| {
            let this = &self.refs[id.0];
            let mut known = Out::default();
            this.out.with(|out| known = *out);
            let words = self.peek_words(this, known.stale != 0);
            if words != known.refs {
                warn_on(cpu, Complaint::PercpuSumWrong, id.0, words);
            }
        });
    }

    fn peek_words(&self, this: &PercpuRef, stale: bool) -> i64 {
        let count = this.count.peek();
        if count.unsigned_abs() < FAR {
            return count;
        }
        let cells = if stale { 0 } else { self.peek_cells(this) };
        count.wrapping_sub(BIAS).wrapping_add(cells)
    }

    /// [`Self::sum`], without a step.
    fn peek_cells(&self, this: &PercpuRef) -> i64 {
        let first = this.percpu_count_ptr.peek() & !FLAGS;
        if first < ROW {
            return 0;
        }
        let cells = (0..self.cpus).map(|cpu| self.cells[first + cpu * ROW].peek());
        cells.fold(0, usize::wrapping_add).cast_signed() as i64
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use prim::{Arena, Lease, Machine, TaskId};

    use super::*;
    use crate::percpu_ref::{Confirm, Init, Put, Switched};

    /// What `act` makes a check complain of; natively none can be made.
    fn told(act: impl FnOnce(&PercpuRefs, &Cpu<'_>, RefId)) -> Vec<Complaint> {
        let machine = Machine::new(2);
        let arena = Arena::new(1 << 20).expect("address space");
        let refs = PercpuRefs::new(&arena, 2, 4).expect("memory");
        {
            let cpu = machine.lease(Lease::of(TaskId(1))).expect("a CPU");
            let id = refs.init(&cpu, Init::PercpuReinit).expect("a ref");
            act(&refs, &cpu, id);
            refs.check(&cpu, id);
        }
        let known = |code| Complaint::from_code(code).expect("the protocol's");
        machine.warnings().iter().map(|record| known(record.warn.code)).collect()
    }

    /// The same, where there is a ledger.
    fn fires(act: impl FnOnce(&PercpuRefs, &Cpu<'_>, RefId)) -> bool {
        let mut explored = false;
        let complaints = told(|refs, cpu, id| {
            explored = refs.users(id).is_some();
            act(refs, cpu, id);
        });
        let expected: &[Complaint] = if explored { &[Complaint::PercpuSumWrong] } else { &[] };
        assert_eq!(complaints, expected);
        explored
    }

    #[test]
    fn a_ref_adds_up_in_every_mode_and_whoever_puts_what() {
        let complaints = told(|refs, cpu, id| {
            refs.get_many(cpu, id, 3);
            refs.check(cpu, id);
            assert_eq!(refs.put_many(cpu, id, 1), Put::Alive);
            refs.switch_to_atomic(cpu, id, Confirm::NONE);
            refs.check(cpu, id);
            assert!(refs.tryget_live(cpu, id));
            refs.run_switches(cpu, |_| {});
            refs.check(cpu, id);
            refs.switch_to_percpu(cpu, id);
            refs.check(cpu, id);
            assert_eq!(refs.put_many(cpu, id, 3), Put::Alive);
            assert!(refs.users(id).is_none_or(|users| users == 0));
            assert_eq!(refs.kill_and_confirm(cpu, id, Confirm::NONE), Put::Alive);
            refs.check(cpu, id);
            let mut released = 0;
            refs.run_switches(cpu, |what| released += u32::from(what == Switched::Released(id)));
            assert_eq!(released, 1);
        });
        assert_eq!(complaints, []);
    }

    #[test]
    fn a_cell_that_changed_behind_its_ref_is_told() {
        fires(|refs, cpu, id| {
            refs.get_many(cpu, id, 1);
            let first = refs.refs[id.0].percpu_count_ptr.read() & !FLAGS;
            refs.cells[first + ROW].add(1);
        });
    }

    #[test]
    fn a_count_that_lost_its_cells_is_told() {
        fires(|refs, cpu, id| {
            refs.get_many(cpu, id, 2);
            // Atomic mode, and nobody added the cells in.
            refs.refs[id.0].count.sub(BIAS);
        });
    }
}
