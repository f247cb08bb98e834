//! Mistakes in a word without a frozen bit.

use prim::AtomicI32;

use super::A_MISTAKE;
use crate::kinds::word::Word;
use crate::scheme::Put;

/// A load and a store each way.
pub(crate) struct StoredPut;
impl Word for StoredPut {
    const NAME: &'static str = A_MISTAKE;
    fn get(count: &AtomicI32) {
        count.set(count.read() + 1);
    }

    fn put(count: &AtomicI32) -> Put {
        let left = count.read() - 1;
        count.set(left);
        if left == 0 { Put::Zero } else { Put::Live }
    }
}

/// Two holders both see that they are not the last.
pub(crate) struct LookFirst;
impl Word for LookFirst {
    const NAME: &'static str = A_MISTAKE;
    fn put(count: &AtomicI32) -> Put {
        let last = count.read() == 1;
        count.dec();
        if last { Put::Zero } else { Put::Live }
    }
}

/// `fetch_add`, as if whoever asks held it.
pub(crate) struct OnTheAdd;
impl Word for OnTheAdd {
    const NAME: &'static str = A_MISTAKE;
    fn try_get(count: &AtomicI32) -> bool {
        count.inc();
        true
    }
}

/// Between the look and the add the last holder may put.
pub(crate) struct LookThenAdd;
impl Word for LookThenAdd {
    const NAME: &'static str = A_MISTAKE;
    fn try_get(count: &AtomicI32) -> bool {
        let held = count.read() != 0;
        if held {
            count.inc();
        }
        held
    }
}

/// Its loop takes over what the guess found and never asks whether that is zero.
pub(crate) struct BoldGuess;
impl Word for BoldGuess {
    const NAME: &'static str = A_MISTAKE;
    fn try_get(count: &AtomicI32) -> bool {
        let mut guess = 1;
        while let Err(found) = count.cmpxchg(guess, guess + 1) {
            guess = found;
        }
        true
    }
}

/// The count is there a step before what it is the count of.
pub(crate) struct HalfInit;
impl Word for HalfInit {
    const NAME: &'static str = A_MISTAKE;
    fn init(count: &AtomicI32) {
        count.set(1);
        count.inc();
        count.dec();
    }
}
