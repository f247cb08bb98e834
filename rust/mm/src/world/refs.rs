//! References that a program has for itself: `percpu_ref` as block queues, md, io_uring and control groups use it (K§1).
//!
//! A world has a few of them, alive from the start with the one reference that their owner drops when it kills them. Which
//! worker is the owner, who hands a reference on to whom, and who waits before what: that is the program's protocol.
//!
//! ```text
//!   live --ref_kill--> dying --last ref_put--> released: ref_wait returns
//!     ^                  |                         |
//!     +---ref_resurrect--+-------------------------+
//! ```
//!
//! Departure: the callback of a switch to atomic mode, which follows a grace period, is run by who killed the ref, before
//! its call returns. Others meet the ref in every state in between all the same.

use prim::{AtomicU32, Completion, Cpu, Sleep, WaitClass, Waiting, zeroed};
use program::Errno;
use program::op::{
    RefGet, RefKill, RefPut, RefResurrect, RefTryget, RefTrygetLive, RefWait, WorkerId,
};

use crate::percpu_ref::{Confirm, Init, Put, RefId, Switched};
use crate::warn::{Complaint, warn_on};
use crate::world::{Return, World};

/// The wait of `ref_wait`; its object is the number of the ref.
pub const RELEASED: WaitClass = WaitClass::event("ref to be released");

zeroed! {
    /// One of them.
    #[derive(Debug)]
    pub(super) struct Counted {
        /// Its [`RefId`].
        index: AtomicU32,
        /// Completed by its release.
        released: Completion,
    }
}

impl World {
    /// All of them alive.
    pub(super) fn make_refs(&self, cpu: &Cpu<'_>) -> Result<(), Errno> {
        self.refs.iter().try_for_each(|counted| {
            let id = self.counts.init(cpu, Init::PercpuReinit).map_err(|_| Errno::ENOMEM)?;
            counted.index.set(id.0);
            counted.released.reinit();
            Ok(())
        })
    }

    /// `percpu_ref_get`, by who has a reference already.
    ///
    /// # Errors
    /// None.
    #[doc(alias = "percpu_ref_get_many")]
    pub fn ref_get(&self, cpu: &Cpu<'_>, _worker: WorkerId, op: &RefGet) -> Return {
        let (counted, id) = self.counted(op.reference);
        if counted.released.done() {
            warn_on(cpu, Complaint::RefReleased, u32::from(op.reference), 0);
        }
        self.counts.get_many(cpu, id, 1);
        Ok(0)
    }

    /// `percpu_ref_tryget`: as long as anybody has one.
    ///
    /// # Errors
    /// `ENODEV` when it has been released.
    #[doc(alias = "percpu_ref_tryget_many")]
    pub fn ref_tryget(&self, cpu: &Cpu<'_>, _worker: WorkerId, op: &RefTryget) -> Return {
        let (_, id) = self.counted(op.reference);
        if self.counts.tryget_many(cpu, id, 1) { Ok(0) } else { Err(Errno::ENODEV.into()) }
    }

    /// `percpu_ref_tryget_live`: until it is killed.
    ///
    /// # Errors
    /// `ENODEV` when it is dying.
    #[doc(alias = "percpu_ref_tryget_live")]
    pub fn ref_tryget_live(&self, cpu: &Cpu<'_>, _worker: WorkerId, op: &RefTrygetLive) -> Return {
        let (_, id) = self.counted(op.reference);
        if self.counts.tryget_live(cpu, id) { Ok(0) } else { Err(Errno::ENODEV.into()) }
    }

    /// `percpu_ref_put`.
    ///
    /// # Errors
    /// None.
    #[doc(alias = "percpu_ref_put_many")]
    pub fn ref_put(&self, cpu: &Cpu<'_>, _worker: WorkerId, op: &RefPut) -> Return {
        let (counted, id) = self.counted(op.reference);
        // The release runs in the section of the last put.
        let _rcu = cpu.rcu_read_lock();
        let put = self.counts.put_many(cpu, id, 1);
        if self.counts.users(id).is_some_and(|users| users < 0) {
            warn_on(cpu, Complaint::RefNotHeld, u32::from(op.reference), 0);
        }
        if put == Put::Zero {
            counted.released.complete_all(cpu);
        }
        Ok(0)
    }

    /// `percpu_ref_kill`: the owner's reference goes, and nobody gets a live one any more.
    ///
    /// # Errors
    /// None.
    #[doc(alias = "percpu_ref_kill")]
    pub fn ref_kill(&self, cpu: &Cpu<'_>, _worker: WorkerId, op: &RefKill) -> Return {
        let (counted, id) = self.counted(op.reference);
        if self.counts.kill_and_confirm(cpu, id, Confirm::NONE) == Put::Zero {
            counted.released.complete_all(cpu);
        }
        self.counts.run_switches(cpu, |switched| match switched {
            Switched::Released(id) => self.complete_ref(cpu, id),
            Switched::Confirmed(..) => {}
        });
        Ok(0)
    }

    /// Sleeps until the ref has been released.
    ///
    /// # Errors
    /// None.
    #[doc(alias = "wait_for_completion")]
    pub fn ref_wait(&self, cpu: &Cpu<'_>, _worker: WorkerId, op: &RefWait) -> Return {
        let (counted, _) = self.counted(op.reference);
        let waiting = Waiting { class: &RELEASED, object: op.reference.into(), owner: 0 };
        // Uninterruptible: returns with it released, or the machine is poisoned.
        let _ = counted.released.wait(cpu, Sleep::Uninterruptible, waiting);
        Ok(0)
    }

    /// `percpu_ref_resurrect`: alive again, whether or not references are out.
    ///
    /// # Errors
    /// None.
    #[doc(alias = "percpu_ref_resurrect")]
    pub fn ref_resurrect(&self, cpu: &Cpu<'_>, _worker: WorkerId, op: &RefResurrect) -> Return {
        let (counted, id) = self.counted(op.reference);
        counted.released.reinit();
        self.counts.resurrect(cpu, id);
        Ok(0)
    }

    /// Whether anybody has a reference, the owner included; where no ledger is kept nobody has. No step.
    #[must_use]
    pub fn ref_is_held(&self, reference: u8) -> bool {
        let id = self.refs.get(reference.into()).map(|counted| RefId(counted.index.peek()));
        id.and_then(|id| self.counts.out(id)).is_some_and(|out| out > 0)
    }

    fn complete_ref(&self, cpu: &Cpu<'_>, id: RefId) {
        if let Some(counted) = self.refs.iter().find(|it| it.index.peek() == id.0) {
            counted.released.complete_all(cpu);
        }
    }

    fn counted(&self, reference: u8) -> (&Counted, RefId) {
        let counted = &self.refs[reference.into()];
        (counted, RefId(counted.index.peek()))
    }
}
