//! A lock that is one bit of a word: the folio lock (`folio_lock`, `mm/filemap.c`, `wait_bit.c`).
//!
//! It has no owner: whoever knows that the bit is locked on its behalf may unlock it, on another CPU
//! too. Taking it, and waiting for it to be free, is one step that is not enabled before; so nobody queues, and
//! unlocking wakes whoever can go on.

use core::panic::Location;

use pgmap_sched::{self as sched, Effect, Looks, Step, Verb};

use crate::{
    AtomicU32, Cpu, Interrupted, LockClass, Sleep, Warn, code,
    drained::{self, Until},
    edits::left_out,
    object,
    step::{self, Site},
    verb,
};

fn address(word: &AtomicU32) -> usize {
    core::ptr::from_ref(word).addr()
}

/// A step that waits until `ready`, which includes that the bit is free.
fn wait(
    cpu: &Cpu<'_>,
    word: &AtomicU32,
    (verb, effect, site): (Verb, Effect, Site),
    class: &'static LockClass,
    ready: &dyn Fn() -> bool,
    looks: Looks,
) {
    let object = object::word(address(word));
    let until = Until { class: class.waits, object: object.0, owner: &|| 0, ready, looks };
    drained::point_when(cpu, Step { verb, object, effect, site }, &until);
}

/// Waits, uninterruptibly, and takes the bit.
#[track_caller]
pub fn bit_lock(cpu: &Cpu<'_>, word: &AtomicU32, bit: u32, class: &'static LockClass) {
    let site = Location::caller();
    if left_out("bit_lock", site) {
        return;
    }
    let what = (verb::BIT_LOCK, Effect::Write, site);
    cpu.might_sleep(object::word(address(word)).0);
    cpu.will_wait_for(class, site);
    loop {
        wait(cpu, word, what, class, &|| word.bit_is_clear(bit), Looks::AtItsObject);
        if word.take_bit(bit) {
            return;
        }
        // Unwinding out of a dead machine: the holder unwinds too.
        std::thread::yield_now();
    }
}

/// Takes the bit if it is free.
#[must_use = "false means that somebody else holds the bit"]
#[track_caller]
pub fn bit_trylock(_cpu: &Cpu<'_>, word: &AtomicU32, bit: u32) -> bool {
    let site = Location::caller();
    if left_out("bit_trylock", site) {
        return true;
    }
    drained::locked(verb::BIT_TRYLOCK, address(word), site);
    let taken = word.take_bit(bit);
    if !taken {
        sched::settle(Effect::Read);
    }
    taken
}

/// Gives the bit back, and with it whoever waits for it goes on. Warns if it was not taken.
#[track_caller]
pub fn bit_unlock(cpu: &Cpu<'_>, word: &AtomicU32, bit: u32) {
    let site = Location::caller();
    if !left_out("bit_unlock", site) && !word.give_bit(bit, site) {
        let object = object::word(address(word)).0;
        cpu.warn(Warn { code: code::UNLOCK_OF_UNLOCKED, object, value: bit.into() });
    }
}

/// Waits until the bit is free, without taking it (`folio_wait_locked`).
///
/// # Errors
/// [`Interrupted`], if `sleep` allows it.
#[track_caller]
pub fn bit_wait(
    cpu: &Cpu<'_>,
    word: &AtomicU32,
    bit: u32,
    sleep: Sleep,
    class: &'static LockClass,
) -> Result<(), Interrupted> {
    let site = Location::caller();
    if left_out("bit_wait", site) {
        return Ok(());
    }
    cpu.might_sleep(object::word(address(word)).0);
    cpu.will_wait_for(class, site);
    let interruptible = sleep == Sleep::Interruptible;
    let ready = || word.bit_is_clear(bit) || interruptible && cpu.slot.signalled.get() != 0;
    if !step::in_task() && !ready() && interruptible && cpu.interrupted_outside() {
        return Err(Interrupted);
    }
    let looks = cpu.looks_of_sleep(sleep);
    wait(cpu, word, (verb::BIT_WAIT, Effect::Read, site), class, &ready, looks);
    if word.bit_is_clear(bit) {
        return Ok(());
    }
    cpu.note_signal(site);
    Err(Interrupted)
}
