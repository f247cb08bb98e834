//! Sleeping until something holds, and waking those who sleep (`kernel/sched/wait.c`, `wait_bit.c`).
//!
//! The names and their contracts; how a task sleeps is in `sleep.rs`, of which each face has its own.
//! The callers' lines are passed on because an explored wait is reported at its caller.

use crate::{
    Cpu,
    queue::{HowMany, Key, Turn},
    sleep::{wait_until, wake},
    smp_mb,
    waiting::{Interrupted, Sleep, Waiting},
};

/// Sleeps until `cond` holds. The task is woken by every wake-up on `key`.
///
/// # Errors
/// [`Interrupted`], if `sleep` allows it and `cond` does not hold at that moment. During the unwinding
/// of an abandoned operation, any sleep ends so.
#[track_caller]
pub fn wait_event<K: ?Sized>(
    cpu: &Cpu<'_>,
    key: &K,
    sleep: Sleep,
    waiting: Waiting,
    cond: impl FnMut() -> bool,
) -> Result<(), Interrupted> {
    wait_on(cpu, Key::of(key), Turn::Shared, sleep, waiting, cond)
}

/// As [`wait_event`], but [`wake_up_one`] wakes only one such waiter, the oldest. `cond` usually takes
/// something. A waiter that is woken and interrupted at once passes the wake-up on.
///
/// # Errors
/// As [`wait_event`].
#[track_caller]
pub fn wait_event_exclusive<K: ?Sized>(
    cpu: &Cpu<'_>,
    key: &K,
    sleep: Sleep,
    waiting: Waiting,
    cond: impl FnMut() -> bool,
) -> Result<(), Interrupted> {
    wait_on(cpu, Key::of(key), Turn::Exclusive, sleep, waiting, cond)
}

/// As [`wait_event`], for a variable whose changes are announced by [`wake_up_var`].
///
/// # Errors
/// As [`wait_event`].
#[track_caller]
pub fn wait_var_event<K: ?Sized>(
    cpu: &Cpu<'_>,
    var: &K,
    sleep: Sleep,
    waiting: Waiting,
    cond: impl FnMut() -> bool,
) -> Result<(), Interrupted> {
    wait_on(cpu, Key::of(var), Turn::Shared, sleep, waiting, cond)
}

/// Wakes everybody who waits on `key`.
#[track_caller]
pub fn wake_up_all<K: ?Sized>(cpu: &Cpu<'_>, key: &K) {
    smp_mb(); // k2, pairs with w2
    wake(cpu, Key::of(key), HowMany::All);
}

/// Kernel `wake_up()`: wakes every shared waiter on `key` and the oldest exclusive one.
#[track_caller]
pub fn wake_up_one<K: ?Sized>(cpu: &Cpu<'_>, key: &K) {
    smp_mb(); // k2, pairs with w2
    wake(cpu, Key::of(key), HowMany::One);
}

/// Wakes everybody who waits on `var`; one load if nobody does. The caller's last change of `var` must
/// have been a full RMW, or be followed by `smp_mb`: that barrier pairs with the waiter's (w2).
#[inline]
#[track_caller]
pub fn wake_up_var<K: ?Sized>(cpu: &Cpu<'_>, var: &K) {
    wake(cpu, Key::of(var), HowMany::All);
}

/// The common path of everything that may sleep: `might_sleep`, then wait.
#[track_caller]
pub(crate) fn wait_on(
    cpu: &Cpu<'_>,
    key: Key,
    turn: Turn,
    sleep: Sleep,
    waiting: Waiting,
    mut cond: impl FnMut() -> bool,
) -> Result<(), Interrupted> {
    cpu.might_sleep(waiting.object);
    if cond() {
        return Ok(());
    }
    wait_until(cpu, key, turn, sleep, waiting, cond)
}
