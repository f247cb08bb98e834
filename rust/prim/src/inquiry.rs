//! Asking a sleeper whether what it sleeps for holds.
//!
//! A task that sleeps tests its condition when it is woken and at no other time, so a protocol that forgets a
//! wake-up hangs here as it hangs in the kernel. Whether one *was* forgotten no clock can tell: the sleeper
//! may have been woken, and starve; or its waker may stand between the store that made the condition true and
//! the wake-up. But while nobody runs ([`Machine::all_passive_twice`]) nobody stands anywhere, and every
//! wake-up that was sent has arrived. Who sleeps then, and finds its condition true when asked, was forgotten.
//!
//! The question is one word of the sleeper's slot:
//!
//! | word | set by |
//! |---|---|
//! | `NOBODY` asks | the asker, having read the answer |
//! | `ASKED` | the asker, who then makes sure that the task still is asleep, and unparks it |
//! | `HOLDS`, `FALSE`, `AWAKE` | the sleeper, on its way back to sleep or out |
//!
//! The asker's two steps and the sleeper's way out (a change of the state word, then a look at this one) are
//! full barriers on both sides: either the asker sees that the sleep has ended, or the sleeper the question.

use parking_lot_core::{DEFAULT_PARK_TOKEN, DEFAULT_UNPARK_TOKEN};

use crate::{AtomicU32, CpuId, Machine, smp_mb, state_word::SlotState};

const NOBODY: u32 = 0;
const ASKED: u32 = 1;
const HOLDS: u32 = 2;
const FALSE: u32 = 3;
const AWAKE: u32 = 4;

/// What a sleeper says when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Its condition holds. If the condition takes something, it is taken: either way the wait is over.
    Holds,
    /// It does not; the task sleeps on.
    DoesNotHold,
    /// Nobody sleeps there, or a wake-up came meanwhile.
    Awake,
}

/// A slot's question.
#[derive(Debug, Default)]
pub(crate) struct Inquiry(AtomicU32);

impl Inquiry {
    /// For the slot's owner, asleep.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.read_acquire() == ASKED
    }

    /// By the slot's owner; nothing if nobody asked.
    pub(crate) fn answer(&self, answer: Answer) {
        let word = match answer {
            Answer::Holds => HOLDS,
            Answer::DoesNotHold => FALSE,
            Answer::Awake => AWAKE,
        };
        if self.0.cmpxchg(ASKED, word).is_ok() {
            // SAFETY: the key is the address of a word of ours, on which only askers park.
            unsafe { parking_lot_core::unpark_all(self.key(), DEFAULT_UNPARK_TOKEN) };
        }
    }

    fn wait(&self) -> Answer {
        loop {
            match self.0.read_acquire() {
                HOLDS => return Answer::Holds,
                FALSE => return Answer::DoesNotHold,
                AWAKE | NOBODY => return Answer::Awake,
                _ => {}
            }
            // SAFETY: as in `answer`; `validate` reads an atomic, the others do nothing.
            unsafe {
                parking_lot_core::park(
                    self.key(),
                    || self.is_asked(),
                    || {},
                    |_, _| {},
                    DEFAULT_PARK_TOKEN,
                    None,
                );
            }
        }
    }

    fn key(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }
}

impl Machine {
    /// Has the task that sleeps on `cpu` test its condition once. [`Answer::Holds`] proves a forgotten wake-up
    /// if nobody runs and nobody begins to until the answer is here; otherwise it proves nothing.
    ///
    /// One asker at a time.
    #[must_use]
    pub fn ask(&self, cpu: CpuId) -> Answer {
        let Some(slot) = self.slots.get(cpu.0) else { return Answer::Awake };
        slot.inquiry.0.set(ASKED);
        // Pairs with the full RMW of the state word by which a sleep ends.
        smp_mb();
        if slot.word.read().state() != SlotState::Asleep
            && slot.inquiry.0.cmpxchg(ASKED, NOBODY).is_ok()
        {
            return Answer::Awake;
        }
        slot.unpark();
        let answer = slot.inquiry.wait();
        slot.inquiry.0.set(NOBODY);
        answer
    }
}
