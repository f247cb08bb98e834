//! A spin lock that is one word and guards data outside it (`bit_spin_lock` and the non-atomic
//! `__bit_spin_unlock`, `include/linux/bit_spinlock.h`).
//!
//! Taking is one locked instruction, giving back is one plain store: nobody is ever queued, so there is
//! nobody to look for. The price is that a waiter spins, yielding its core now and then, for as long as the
//! holder's thread is off its own. It is for sections of a few dozen instructions that are the whole cost
//! of what they are part of; everything else takes a [`SpinLock`](crate::SpinLock).
//!
//! The word: 0 free, else the owner's signature ([`Cpu::owner_word`]). Only the owner writes it while it is
//! held, which is what makes the plain store enough.
//!
//! Ordering: taking is acquire, giving back release, they pair.

use crate::{AtomicU32, Cpu, LockClass, Waiting, Warn, code, wait_record::Manner};

/// Spins until the word is ours. Sleeping is forbidden until [`bit_spin_unlock`].
#[inline]
pub fn bit_spin_lock(cpu: &Cpu<'_>, word: &AtomicU32, class: &'static LockClass) {
    if word.cmpxchg_acquire(0, cpu.owner_word()).is_err() {
        spin(cpu, word, class);
    }
    cpu.spin_lock_taken();
}

/// Gives the word back. Warns, and leaves it alone, if it is not ours.
#[inline]
pub fn bit_spin_unlock(cpu: &Cpu<'_>, word: &AtomicU32) {
    let owner = word.read();
    if owner != cpu.owner_word() {
        let object = core::ptr::from_ref(word).addr() as u64;
        cpu.warn(Warn { code: code::UNLOCK_OF_UNLOCKED, object, value: owner.into() });
        return;
    }
    cpu.spin_lock_dropped();
    word.set_release(0);
}

#[cold]
fn spin(cpu: &Cpu<'_>, word: &AtomicU32, class: &'static LockClass) {
    let me = cpu.owner_word();
    let object = core::ptr::from_ref(word).addr() as u64;
    if word.read() == me {
        cpu.warn(Warn { code: code::LOCK_RECURSION, object, value: me.into() });
    }
    let waiting = Waiting { class: &class.waits, object, owner: word.read() };
    let _record = cpu.publish(waiting, Manner::Busily);
    while word.read() != 0 || word.cmpxchg_acquire(0, me).is_err() {
        cpu.slot.record.set_owner(word.read());
        cpu.relax();
    }
}
