//! A lock that is one bit of a word: the folio lock (`folio_lock`, `mm/filemap.c`, `wait_bit.c`).
//!
//! It has no owner: whoever knows that the bit is locked on its behalf may unlock it, on another CPU
//! too. Waiters are keyed by word and bit, so two bits of one word do not wake each other's waiters.
//! Lockers are exclusive waiters, those who merely wait for the unlock are shared ones.
//!
//! Ordering: taking is acquire, unlocking release. The full barrier after the unlock pairs with the
//! waiter's, so that an unlock without waiters is one RMW and one load.

use crate::{
    AtomicU32, Cpu, Interrupted, LockClass, Sleep, Waiting, Warn, code,
    queue::{HowMany, Key, Turn},
    sleep::{wait_until, wake},
    smp_mb_after_atomic,
    wait::wait_on,
};

fn waiting(word: &AtomicU32, class: &'static LockClass) -> Waiting {
    Waiting { class: &class.waits, object: core::ptr::from_ref(word).addr() as u64, owner: 0 }
}

/// Waits, uninterruptibly, and takes the bit.
#[inline]
pub fn bit_lock(cpu: &Cpu<'_>, word: &AtomicU32, bit: u32, class: &'static LockClass) {
    let waiting = waiting(word, class);
    cpu.might_sleep(waiting.object);
    if word.try_lock_bit(bit) {
        return;
    }
    let key = Key::bit(word, bit);
    let take = || word.try_lock_bit(bit);
    while wait_until(cpu, key, Turn::Exclusive, Sleep::Uninterruptible, waiting, take).is_err() {
        // Unwinding out of a dead machine: the holder unwinds too.
        std::thread::yield_now();
    }
}

/// Takes the bit if it is free.
#[must_use = "false means that somebody else holds the bit"]
#[inline]
pub fn bit_trylock(_cpu: &Cpu<'_>, word: &AtomicU32, bit: u32) -> bool {
    word.try_lock_bit(bit)
}

/// Gives the bit back and wakes whoever waits for it. Warns if it was not taken.
#[inline]
pub fn bit_unlock(cpu: &Cpu<'_>, word: &AtomicU32, bit: u32) {
    if !word.unlock_bit(bit) {
        let object = core::ptr::from_ref(word).addr() as u64;
        cpu.warn(Warn { code: code::UNLOCK_OF_UNLOCKED, object, value: bit.into() });
    }
    smp_mb_after_atomic();
    wake(cpu, Key::bit(word, bit), HowMany::One);
}

/// Waits until the bit is free, without taking it (`folio_wait_locked`).
///
/// # Errors
/// [`Interrupted`], if `sleep` allows it.
pub fn bit_wait(
    cpu: &Cpu<'_>,
    word: &AtomicU32,
    bit: u32,
    sleep: Sleep,
    class: &'static LockClass,
) -> Result<(), Interrupted> {
    // Acquire pairs with the unlock's release.
    let free = || word.read_acquire() & (1 << bit) == 0;
    wait_on(cpu, Key::bit(word, bit), Turn::Shared, sleep, waiting(word, class), free)
}
