//! A spin lock that is one word and guards data outside it (`bit_spin_lock`, `__bit_spin_unlock`,
//! `include/linux/bit_spinlock.h`).
//!
//! Taking is one step that is not enabled while somebody else holds the word, so nobody spins; giving back
//! is one step. The word: 0 free, else the owner's signature ([`Cpu::owner_word`]).

use core::panic::Location;

use pgmap_sched::{Effect, Looks, Step};

use crate::{
    AtomicU32, Cpu, LockClass, Warn, code,
    drained::{self, Until},
    edits::left_out,
    object, verb,
};

/// Waits until the word is ours. Sleeping is forbidden until [`bit_spin_unlock`].
#[track_caller]
pub fn bit_spin_lock(cpu: &Cpu<'_>, word: &AtomicU32, class: &'static LockClass) {
    let object = object::word(core::ptr::from_ref(word).addr());
    let (me, site) = (cpu.owner_word(), Location::caller());
    if left_out("bit_spin_lock", site) {
        // Nor is it given back, for it is not ours.
        return;
    }
    if word.peek() == me {
        cpu.warn(Warn { code: code::LOCK_RECURSION, object: object.0, value: me.into() });
    }
    cpu.will_wait_for(class, site);
    let until = Until {
        class: class.waits,
        object: object.0,
        owner: &|| word.peek(),
        ready: &|| word.peek() == 0,
        looks: Looks::AtItsObject,
    };
    let step = Step { verb: verb::BIT_SPIN_LOCK, object, effect: Effect::Write, site };
    loop {
        drained::point_when(cpu, step, &until);
        if word.take_word(me) {
            cpu.spin_lock_taken(object.0, class, site);
            return;
        }
        // Unwinding out of a dead machine: the holder unwinds too.
        std::thread::yield_now();
    }
}

/// Gives the word back. Warns, and leaves it alone, if it is not ours.
#[track_caller]
pub fn bit_spin_unlock(cpu: &Cpu<'_>, word: &AtomicU32) {
    if left_out("bit_spin_unlock", Location::caller()) {
        return;
    }
    let object = object::word(core::ptr::from_ref(word).addr());
    let owner = word.peek();
    if owner != cpu.owner_word() {
        let value = owner.into();
        cpu.warn(Warn { code: code::UNLOCK_OF_UNLOCKED, object: object.0, value });
        return;
    }
    cpu.spin_lock_dropped(object.0);
    word.give_word(Location::caller());
}
