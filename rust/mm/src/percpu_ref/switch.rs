//! Changing mode: kill, switch, reinit, resurrect, exit (K§1.4 to K§1.7).
//!
//! Every switch happens under the one switch lock and waits for the one before it. A switch to atomic
//! mode has two halves with a grace period between them: first the flag, so that new operations use the
//! shared count; then, when no CPU can be adding to its counter any more, the sum.

use prim::{Cpu, Sleep, SpinGuard, WaitClass, Waiting, wait_event, wake_up_all};

use super::ledger::Stale;
use super::{
    ALLOW_REINIT, ATOMIC, BIAS, BIASED, Confirm, DEAD, FORCE_ATOMIC, PercpuRefs, Put, RefId,
    SwitchCall, SwitchLocked, Switched,
};
use crate::warn::{Complaint, warn_on};

static SWITCH_WAIT: WaitClass = WaitClass::sections("percpu_ref_switch_waitq");

impl PercpuRefs {
    /// `percpu_ref_kill_and_confirm` (K§1.4): dead at once, atomic after a grace period, the initial
    /// reference dropped. It cannot be the last: the bias and the switch's own reference hold it up.
    #[doc(alias = "percpu_ref_kill_and_confirm")]
    pub fn kill_and_confirm(&self, cpu: &Cpu<'_>, id: RefId, confirm: Confirm) -> Put {
        let this = &self.refs[id.0];
        let mut lock = Some(self.switch_lock[0].lock(cpu));
        if this.is_dying() {
            warn_on(cpu, Complaint::PercpuMisuse, id.0, 0);
        }
        this.percpu_count_ptr.or(DEAD);
        self.switch_mode(cpu, id, confirm, &mut lock);
        let put = self.put_many(cpu, id, 1);
        this.note_own(-1);
        drop(lock);
        put
    }

    /// `percpu_ref_switch_to_atomic`: shared count from the next grace period on, and until told otherwise.
    #[doc(alias = "percpu_ref_switch_to_atomic")]
    pub fn switch_to_atomic(&self, cpu: &Cpu<'_>, id: RefId, confirm: Confirm) {
        let mut lock = Some(self.switch_lock[0].lock(cpu));
        self.refs[id.0].modes.or(FORCE_ATOMIC);
        self.switch_mode(cpu, id, confirm, &mut lock);
    }

    /// `percpu_ref_switch_to_percpu`, unless the ref is dying.
    #[doc(alias = "percpu_ref_switch_to_percpu")]
    pub fn switch_to_percpu(&self, cpu: &Cpu<'_>, id: RefId) {
        let mut lock = Some(self.switch_lock[0].lock(cpu));
        self.refs[id.0].modes.and(!FORCE_ATOMIC);
        self.switch_mode(cpu, id, Confirm::NONE, &mut lock);
    }

    /// `percpu_ref_reinit`: back to life from exactly zero.
    #[doc(alias = "percpu_ref_reinit")]
    pub fn reinit(&self, cpu: &Cpu<'_>, id: RefId) {
        if !self.is_zero(cpu, id) {
            warn_on(cpu, Complaint::PercpuMisuse, id.0, self.refs[id.0].count.read());
        }
        self.resurrect(cpu, id);
    }

    /// `percpu_ref_resurrect`: dead to alive while references may still be out (K§1.6). When `release`
    /// frees the object, the caller must itself keep release from running meanwhile.
    #[doc(alias = "percpu_ref_resurrect")]
    pub fn resurrect(&self, cpu: &Cpu<'_>, id: RefId) {
        let this = &self.refs[id.0];
        let mut lock = Some(self.switch_lock[0].lock(cpu));
        if !this.is_dying() || this.is_percpu() {
            warn_on(cpu, Complaint::PercpuMisuse, id.0, 1);
        }
        this.percpu_count_ptr.and(!DEAD);
        self.get_many(cpu, id, 1);
        this.note_own(1);
        self.switch_mode(cpu, id, Confirm::NONE, &mut lock);
    }

    /// `percpu_ref_exit`: legal only when nobody uses the ref any more. The id may be handed out again.
    #[doc(alias = "percpu_ref_exit")]
    pub fn exit(&self, cpu: &Cpu<'_>, id: RefId) {
        let this = &self.refs[id.0];
        if let Some(counter) = self.counter(this) {
            if this.confirm_switch.read() != 0 {
                warn_on(cpu, Complaint::PercpuMisuse, id.0, 2);
            }
            self.counters.free(cpu, counter);
        }
        let lock = self.switch_lock[0].lock(cpu);
        this.percpu_count_ptr.set(ATOMIC | DEAD);
        drop(lock);
        self.refs.free(cpu, id.0);
    }

    /// Runs the switches whose grace period can end now; `done` is the owner's `confirm` and `release`.
    /// Returns how many ran. Waits for readers; the caller may sleep. Nobody else runs them: a switch
    /// that finds another one of its ref in progress waits until somebody comes here.
    pub fn run_switches(&self, cpu: &Cpu<'_>, mut done: impl FnMut(Switched)) -> usize {
        self.switches.drain(cpu, |cpu, call| {
            self.switch_to_atomic_rcu(cpu, RefId(call.ref_index), &mut done);
        })
    }

    /// Switches still waiting for their grace period.
    #[must_use]
    pub fn pending_switches(&self) -> usize {
        self.switches.pending()
    }

    /// `__percpu_ref_switch_mode`. Waits, without the lock, until no other switch is in progress.
    #[doc(alias = "__percpu_ref_switch_mode")]
    fn switch_mode<'a>(
        &'a self,
        cpu: &'a Cpu<'_>,
        id: RefId,
        confirm: Confirm,
        lock: &mut Option<SpinGuard<'a, SwitchLocked>>,
    ) {
        let this = &self.refs[id.0];
        while this.confirm_switch.read() != 0 {
            *lock = None;
            let waiting = Waiting { class: &SWITCH_WAIT, object: id.0.into(), owner: 0 };
            let idle = || this.confirm_switch.read_acquire() == 0;
            // An uninterruptible wait either returns or the machine is poisoned.
            let _ = wait_event(cpu, &this.confirm_switch, Sleep::Uninterruptible, waiting, idle);
            *lock = Some(self.switch_lock[0].lock(cpu));
        }
        if this.modes.read() & FORCE_ATOMIC != 0 || this.is_dying() {
            self.start_atomic(cpu, id, confirm);
        } else {
            self.start_percpu(cpu, id);
        }
    }

    /// `__percpu_ref_switch_to_atomic`. A ref that is atomic already confirms at once; the owner hears
    /// of it through [`Self::run_switches`] like every other confirmation.
    #[doc(alias = "__percpu_ref_switch_to_atomic")]
    fn start_atomic(&self, cpu: &Cpu<'_>, id: RefId, confirm: Confirm) {
        let this = &self.refs[id.0];
        if this.percpu_count_ptr.read() & ATOMIC != 0 && confirm == Confirm::NONE {
            return;
        }
        this.percpu_count_ptr.or(ATOMIC);
        this.confirm_switch.set(confirm.0 + 1);
        // ATOMIC is set, so this lands on the shared count and keeps it up until the callback's put.
        this.count.add(1);
        this.note_get(1);
        this.note_own(1);
        if self.switches.push(cpu, SwitchCall { ref_index: id.0 }).is_err() {
            warn_on(cpu, Complaint::PercpuMisuse, id.0, 3);
        }
    }

    /// `percpu_ref_switch_to_atomic_rcu`, after the grace period: no CPU adds to the counters any more.
    #[doc(alias = "percpu_ref_switch_to_atomic_rcu")]
    fn switch_to_atomic_rcu(&self, cpu: &Cpu<'_>, id: RefId, done: &mut impl FnMut(Switched)) {
        let this = &self.refs[id.0];
        if let Some(counter) = self.counter(this).filter(|_| this.modes.read() & BIASED != 0) {
            // Sum first, then one add: adding slot by slot could pass through zero.
            let sum = self.sum(counter);
            this.count.add(sum.wrapping_sub(BIAS));
            this.note_cells(Stale::Yes);
            this.modes.and(!BIASED);
        }
        let count = this.count.read();
        if count <= 0 {
            warn_on(cpu, Complaint::PercpuUnbalanced, id.0, count);
        }
        match Confirm(this.confirm_switch.read().saturating_sub(1)) {
            Confirm::NONE => {}
            confirm => done(Switched::Confirmed(id, confirm)),
        }
        // Departure: the counters go before the next switch may start, not after. It finds the ref dead.
        if this.modes.read() & ALLOW_REINIT == 0
            && let Some(counter) = self.counter(this)
        {
            this.percpu_count_ptr.set(ATOMIC | DEAD);
            self.counters.free(cpu, counter);
        }
        // Release: pairs with the acquire of a switcher waiting in switch_mode.
        this.confirm_switch.set_release(0);
        wake_up_all(cpu, &this.confirm_switch);
        let put = self.put_many(cpu, id, 1);
        this.note_own(-1);
        if put == Put::Zero {
            done(Switched::Released(id));
        }
    }

    /// `__percpu_ref_switch_to_percpu` (K§1.5).
    #[doc(alias = "__percpu_ref_switch_to_percpu")]
    fn start_percpu(&self, cpu: &Cpu<'_>, id: RefId) {
        let this = &self.refs[id.0];
        if this.percpu_count_ptr.read() & ATOMIC == 0 {
            return;
        }
        let Some(counter) = self.counter(this).filter(|_| this.modes.read() & ALLOW_REINIT != 0)
        else {
            warn_on(cpu, Complaint::PercpuMisuse, id.0, 4);
            return;
        };
        this.count.add(BIAS);
        this.modes.or(BIASED);
        self.zero_counters(counter);
        this.note_cells(Stale::No);
        // Release: pairs with the single read in percpu_counter; who sees percpu mode sees zeroed counters.
        this.percpu_count_ptr.set_release(this.percpu_count_ptr.read() & !ATOMIC);
    }
}
