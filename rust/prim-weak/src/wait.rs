//! Sleeping until something holds, and waking those who sleep (`kernel/sched/wait.c`).
//!
//! The names and their contracts. A sleeper gives its turn away and looks again, wake-up or not; a waker
//! executes the barriers of its kind and wakes nobody. There are no signals here.

use crate::{
    Cpu, smp_mb,
    waiting::{Interrupted, Sleep, Waiting},
};

/// Sleeps until `cond` holds.
///
/// # Errors
/// None here.
pub fn wait_event<K: ?Sized>(
    cpu: &Cpu<'_>,
    key: &K,
    sleep: Sleep,
    waiting: Waiting,
    mut cond: impl FnMut() -> bool,
) -> Result<(), Interrupted> {
    let _ = (cpu, key, sleep, waiting);
    while !cond() {
        loom::thread::yield_now();
    }
    Ok(())
}

/// As [`wait_event`], for a variable whose changes are announced by [`wake_up_var`].
///
/// # Errors
/// None here.
pub fn wait_var_event<K: ?Sized>(
    cpu: &Cpu<'_>,
    var: &K,
    sleep: Sleep,
    waiting: Waiting,
    cond: impl FnMut() -> bool,
) -> Result<(), Interrupted> {
    wait_event(cpu, var, sleep, waiting, cond)
}

/// Wakes everybody who waits on `key`: a full barrier.
pub fn wake_up_all<K: ?Sized>(cpu: &Cpu<'_>, key: &K) {
    let _ = (cpu, key);
    smp_mb();
}

/// Wakes everybody who waits on `var`: the caller's RMW was the barrier.
pub fn wake_up_var<K: ?Sized>(cpu: &Cpu<'_>, var: &K) {
    let _ = (cpu, var);
}
