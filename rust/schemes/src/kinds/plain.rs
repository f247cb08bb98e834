//! A load and a store each way: the floor.
//!
//! No count can cost less, and two threads lose references with it, as the explorer shows. It is here to be
//! measured against, on objects that one thread has to itself.

use prim::AtomicI32;

use super::word::{OneWord, PAGE, Word};
use crate::scheme::{Caps, Needs, Put, Speculates};

/// See the module.
pub type Plain = OneWord<LoadStore>;

/// See the module.
#[derive(Debug)]
pub enum LoadStore {}

impl Word for LoadStore {
    const NAME: &'static str = "plain";
    const CAPS: Caps =
        Caps { try_get: Speculates::Never, freeze: false, needs: Needs::Alone, ..PAGE };

    fn init(count: &AtomicI32) {
        count.set(1);
    }

    #[inline(always)]
    fn get(count: &AtomicI32) {
        count.set(count.read().wrapping_add(1));
    }

    #[inline(always)]
    fn put(count: &AtomicI32) -> Put {
        let left = count.read().wrapping_sub(1);
        count.set(left);
        if left == 0 { Put::Zero } else { Put::Live }
    }
}
