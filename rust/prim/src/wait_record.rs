//! What a task waits for, as anybody may read it while the task goes on.

use core::sync::atomic::AtomicPtr;

use crate::{AtomicU32, AtomicU64, waiting::WaitClass};

/// How a task waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Asleep, until it is woken. A task that is Running has been, whatever its record says.
    Asleep,
    /// Running, and looking again and again.
    Busily,
}

/// What a task waits for, for the watchdog. A seqlock: the owner writes, anybody reads; `seq` is odd
/// while the fields change.
#[derive(Debug, Default)]
pub(crate) struct WaitRecord {
    seq: AtomicU32,
    owner: AtomicU32,
    /// 1 for [`Manner::Busily`].
    busily: AtomicU32,
    object: AtomicU64,
    /// Nanoseconds since the machine started.
    since: AtomicU64,
    class: AtomicPtr<WaitClass>,
}

/// The contents of a [`WaitRecord`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Published {
    pub(crate) class: &'static WaitClass,
    pub(crate) object: u64,
    pub(crate) owner: u32,
    pub(crate) since: u64,
    pub(crate) manner: Manner,
}

impl WaitRecord {
    /// Single writer: the slot's owner.
    pub(crate) fn publish(&self, record: Option<Published>) {
        use core::sync::atomic::Ordering::Relaxed;
        self.seq.set(self.seq.read().wrapping_add(1));
        // Pairs with the reader's smp_rmb: who saw a new field sees an odd or newer `seq`.
        crate::smp_wmb();
        let class = record.map_or(core::ptr::null(), |r| core::ptr::from_ref(r.class));
        self.class.store(class.cast_mut(), Relaxed);
        if let Some(r) = record {
            self.object.set(r.object);
            self.owner.set(r.owner);
            self.since.set(r.since);
            self.busily.set(u32::from(r.manner == Manner::Busily));
        }
        // Pairs with the reader's first read_acquire.
        self.seq.set_release(self.seq.read().wrapping_add(1));
    }

    /// The owner learns who holds what it waits for. One word, so no need to announce it.
    pub(crate) fn set_owner(&self, owner: u32) {
        self.owner.set(owner);
    }

    /// None when the task is not waiting.
    pub(crate) fn read(&self) -> Option<Published> {
        use core::sync::atomic::Ordering::Relaxed;
        loop {
            let seq = self.seq.read_acquire();
            let class = self.class.load(Relaxed);
            let (object, owner, since) = (self.object.read(), self.owner.read(), self.since.read());
            let manner = if self.busily.read() == 0 { Manner::Asleep } else { Manner::Busily };
            crate::smp_rmb();
            if seq.is_multiple_of(2) && self.seq.read() == seq {
                // SAFETY: null, or stored from a `&'static WaitClass` by `publish`.
                let class = unsafe { class.as_ref() }?;
                return Some(Published { class, object, owner, since, manner });
            }
            std::thread::yield_now();
        }
    }
}
