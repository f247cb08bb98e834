//! Mistakes in a word with a frozen bit. What is right about them is as in `kinds::frozen`.

use prim::AtomicI32;

use super::word::Word;
use crate::kinds::frozen::{self, FROZEN};
use crate::scheme::Put;

/// What of the right scheme a mistake leaves as it is.
macro_rules! as_frozen {
    (get) => {
        fn try_get(count: &AtomicI32) -> bool {
            frozen::try_get(count).is_some()
        }
    };
    (put) => {
        fn put(count: &AtomicI32) -> Put {
            frozen::put(count)
        }
    };
    (freeze) => {
        fn freeze(count: &AtomicI32, expected: i32) -> bool {
            count.cmpxchg(expected, FROZEN).is_ok()
        }
    };
}

/// A refused get subtracts what it added, and may hit the next life.
pub(crate) struct BlindRepair;
impl Word for BlindRepair {
    as_frozen!(put);
    as_frozen!(freeze);

    fn try_get(count: &AtomicI32) -> bool {
        let got = count.add_return(1) > 0;
        if !got {
            count.dec();
        }
        got
    }
}

/// Zero is taken for the end, though it is only nearly.
pub(crate) struct BoldPut;
impl Word for BoldPut {
    as_frozen!(get);
    as_frozen!(freeze);

    fn put(count: &AtomicI32) -> Put {
        if !count.dec_and_test() {
            return Put::Live;
        }
        count.set(FROZEN);
        Put::Zero
    }
}

/// The exchange is left out altogether.
pub(crate) struct BareZero;
impl Word for BareZero {
    as_frozen!(get);
    as_frozen!(freeze);
}

/// The exchange is right, and the page is then given back with `set_page_count(page, 0)`.
pub(crate) struct PlainZero;
impl Word for PlainZero {
    as_frozen!(get);
    as_frozen!(freeze);

    fn put(count: &AtomicI32) -> Put {
        let put = frozen::put(count);
        if put == Put::Zero {
            count.set(0);
        }
        put
    }
}

/// The bit goes, then the references come.
pub(crate) struct EarlyUnfreeze;
impl Word for EarlyUnfreeze {
    as_frozen!(get);
    as_frozen!(put);
    as_frozen!(freeze);

    fn unfreeze(count: &AtomicI32, refs: i32) {
        count.and(!FROZEN);
        count.set_release(refs);
    }
}
