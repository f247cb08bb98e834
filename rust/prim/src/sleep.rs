//! How a task sleeps and how it is woken, on real threads.
//!
//! # No wake-up is lost
//! A waiter W and a waker K share a condition C and a queue Q:
//!
//! | W | K |
//! |---|---|
//! | w1 enqueue on Q, forgetting older wakes (under Q's mutex) | k1 make C true |
//! | w2 full barrier | k2 full barrier |
//! | w3 test C; leave if true | k3 is Q active? return if not |
//! | w4 Running → Asleep, unless `WOKEN` | k4 under Q's mutex: unqueue W, set `WOKEN`, Asleep → Running |
//! | w5 park, unless no longer Asleep | k5 unpark W |
//!
//! Store buffering across w2 and k2 is forbidden: if w3 misses k1, then k3 sees w1, so K comes to k4.
//! k4 sets `WOKEN` in the very word that w4 changes by compare-and-exchange: k4 before w4, and W does
//! not sleep; after, and K ends the sleep. Parking re-checks the word under the parking lot's own
//! lock, which k5 takes: the thread does not stay parked either. k2 is [`wake_up_all`](crate::wake_up_all)'s own barrier,
//! or, in [`wake_up_var`](crate::wake_up_var), the full RMW by which the caller made the condition true.
//!
//! # What a waiter notices by itself
//! A parked thread looks up every 50 ms for poll and deadline (poison unparks it at once), but it does
//! **not** test its condition then, and it stays queued. A protocol that forgets a wake-up therefore
//! hangs here as it hangs in the kernel, and the deadline reports it; so does whoever leased the CPU, if
//! it knows before that nobody is left to wake the task. Whoever wants to know more has the task asked
//! (`inquiry.rs`); only then it tests.
//!
//! # Nesting
//! A condition may take spin locks; if one is contended the task sleeps at a second level, beside
//! the first, which stays queued. Sleeping locks and events inside a condition are warned about, as
//! the kernel does.

use core::time::Duration;
use std::time::Instant;

use crate::{
    Answer, Cpu, Interrupted, Sleep, SlotState, Waiting,
    poison::abandon,
    queue::{HowMany, Key, Turn},
    slot::Slot,
    smp_mb,
    state_word::{Awake, Level},
    wait_record::Manner,
};

/// How long a sleeper goes without a look at poll and deadline.
const SLICE: Duration = Duration::from_millis(50);

#[inline]
pub(crate) fn wake(cpu: &Cpu<'_>, key: Key, how_many: HowMany) {
    if cpu.machine.queues.is_active(key) {
        cpu.machine.queues.wake(&cpu.machine.slots, key, how_many);
    }
}

/// Waits, in any context: spin locks come here too.
#[cold]
pub(crate) fn wait_until(
    cpu: &Cpu<'_>,
    key: Key,
    turn: Turn,
    sleep: Sleep,
    waiting: Waiting,
    mut cond: impl FnMut() -> bool,
) -> Result<(), Interrupted> {
    let Some(level) = cpu.next_level() else {
        // A condition inside a condition inside a condition: no level left to sleep at.
        while !cond() {
            cpu.relax();
        }
        return Ok(());
    };
    let _record = cpu.publish(waiting, Manner::Asleep);
    let queued = Queued::new(cpu, key, level);
    loop {
        queued.enqueue(turn); // w1
        smp_mb(); // w2, pairs with k2
        // w3
        if cond() {
            return Ok(());
        }
        match go_to_sleep(cpu, level, sleep, &mut cond) {
            End::Woken => {}
            End::Holds => return Ok(()),
            End::Interrupted => {
                queued.dequeue();
                if cond() {
                    return Ok(());
                }
                if turn == Turn::Exclusive && cpu.slot.word.was_woken(level) {
                    wake(cpu, key, HowMany::One);
                }
                return Err(Interrupted);
            }
        }
    }
}

/// A place in a queue, and the nesting that goes with it. Given up on every way out, unwinding
/// included.
struct Queued<'a> {
    cpu: &'a Cpu<'a>,
    key: Key,
    level: Level,
}

impl<'a> Queued<'a> {
    fn new(cpu: &'a Cpu<'a>, key: Key, level: Level) -> Self {
        cpu.waiting.set(cpu.waiting.get() + 1);
        Self { cpu, key, level }
    }

    fn enqueue(&self, turn: Turn) {
        let cpu = self.cpu;
        cpu.machine.queues.enqueue(self.key, cpu.slot, cpu.id().0, self.level, turn);
    }

    fn dequeue(&self) {
        self.cpu.machine.queues.dequeue(self.key, self.cpu.id().0, self.level);
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.cpu.slot.word.rouse();
        self.dequeue();
        self.cpu.waiting.set(self.cpu.waiting.get() - 1);
    }
}

/// How a sleep ended.
pub(crate) enum End {
    Woken,
    Interrupted,
    /// Nobody woke us; but we were asked, and what we wait for holds.
    Holds,
}

/// Whoever asked about a sleep that ended otherwise is told so.
struct Sleeping<'a>(&'a Slot);

impl Drop for Sleeping<'_> {
    fn drop(&mut self) {
        self.0.inquiry.answer(Answer::Awake);
    }
}

/// w4 and w5, in slices. Returns Running.
pub(crate) fn go_to_sleep(
    cpu: &Cpu<'_>,
    level: Level,
    sleep: Sleep,
    cond: &mut impl FnMut() -> bool,
) -> End {
    let slot = cpu.slot;
    let fall_asleep = || match slot.word.fall_asleep(level, sleep) {
        Ok(()) => None,
        Err(Awake::Woken) => Some(End::Woken),
        Err(Awake::Signalled) => Some(End::Interrupted),
    };
    if let Some(end) = fall_asleep() {
        return end;
    }
    let _sleeping = Sleeping(slot);
    loop {
        let left = if cpu.is_forsaken() { Some(Duration::ZERO) } else { cpu.time_left() };
        park(cpu, left.map_or(SLICE, |left| left.min(SLICE)));
        if cpu.machine.is_poisoned() {
            abandon(cpu.machine);
            // Already unwinding: give up where that is possible, let the others finish.
            slot.word.rouse();
            return End::Interrupted;
        }
        if slot.word.read().state() != SlotState::Asleep {
            // Woken if the wake-up came for us, else a signal. Both: the wake-up counts first, the
            // signal ends the next sleep.
            return if slot.word.was_woken(level) { End::Woken } else { End::Interrupted };
        }
        if slot.inquiry.is_asked() {
            slot.word.rouse();
            let holds = cond();
            if slot.word.was_woken(level) {
                // A wake-up that came after all: the asker learns nothing.
                return if holds { End::Holds } else { End::Woken };
            }
            if holds {
                slot.inquiry.answer(Answer::Holds);
                return End::Holds;
            }
            let woken = fall_asleep();
            slot.inquiry.answer(Answer::DoesNotHold);
            if let Some(end) = woken {
                return end;
            }
        }
        cpu.poll();
        let interrupted = cpu.signal_pending();
        let expired = left == Some(Duration::ZERO) || cpu.time_left() == Some(Duration::ZERO);
        match sleep {
            Sleep::Interruptible if interrupted || expired => {
                if !interrupted {
                    cpu.expire();
                }
                slot.word.rouse();
                return End::Interrupted;
            }
            Sleep::Uninterruptible if expired => {
                cpu.hang();
                slot.word.rouse();
                return End::Interrupted;
            }
            _ => {}
        }
    }
}

/// Parks the thread on its slot's word, for as long as the task is asleep and at most for `slice`.
fn park(cpu: &Cpu<'_>, slice: Duration) {
    let word = &cpu.slot.word;
    let until = Instant::now() + slice;
    let still_asleep = || {
        word.read().state() == SlotState::Asleep
            && !cpu.machine.is_poisoned()
            && !cpu.slot.inquiry.is_asked()
    };
    cpu.slot.park(still_asleep, until);
}
