//! Compare and exchange with a guess: most pages have one reference, so try that before looking.
//!
//! A page whose count is one is got with one locked instruction and no look before it. Any other costs a locked
//! instruction that fails, whose result is the look of the loop that follows. Proposed on the kernel's list
//! in March 2026, as a rival of the frozen bit.

use prim::AtomicI32;

use super::word::{OneWord, Word};

/// See the module.
pub type Guess = OneWord<One>;

/// See the module.
#[derive(Debug)]
pub enum One {}

impl Word for One {
    const NAME: &'static str = "cas, guess 1";

    #[inline(always)]
    fn try_get(count: &AtomicI32) -> bool {
        let mut guess = 1;
        // Full on success: pairs with the release of init and of unfreeze.
        while let Err(found) = count.cmpxchg(guess, guess.wrapping_add(1)) {
            if found == 0 {
                return false;
            }
            guess = found;
        }
        true
    }
}
