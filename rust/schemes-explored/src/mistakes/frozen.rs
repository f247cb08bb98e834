//! Mistakes in a word with a frozen bit. What is right about them is as in `kinds::frozen`.

use prim::AtomicI32;

use super::A_MISTAKE;
use crate::kinds::frozen::{Bit, FROZEN};
use crate::kinds::word::Word;
use crate::scheme::Put;

/// What of the right scheme a mistake leaves as it is.
macro_rules! as_frozen {
    (get) => {
        fn try_get(count: &AtomicI32) -> bool {
            Bit::try_get(count)
        }
    };
    (put) => {
        fn put(count: &AtomicI32) -> Put {
            Bit::put(count)
        }
    };
    (freeze) => {
        const FROZEN: i32 = FROZEN;

        fn sum(word: i32) -> i64 {
            Bit::sum(word)
        }
    };
}

/// A refused get subtracts what it added, and may hit the next life.
pub(crate) struct BlindRepair;
impl Word for BlindRepair {
    const NAME: &'static str = A_MISTAKE;
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
    const NAME: &'static str = A_MISTAKE;
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
    const NAME: &'static str = A_MISTAKE;
    as_frozen!(get);
    as_frozen!(freeze);
}

/// The exchange is right, and the page is then given back with `set_page_count(page, 0)`.
pub(crate) struct PlainZero;
impl Word for PlainZero {
    const NAME: &'static str = A_MISTAKE;
    as_frozen!(get);
    as_frozen!(freeze);

    fn put(count: &AtomicI32) -> Put {
        let put = Bit::put(count);
        if put == Put::Zero {
            count.set(0);
        }
        put
    }
}

/// The bit goes, then the references come.
pub(crate) struct EarlyUnfreeze;
impl Word for EarlyUnfreeze {
    const NAME: &'static str = A_MISTAKE;
    as_frozen!(get);
    as_frozen!(put);
    as_frozen!(freeze);

    fn unfreeze(count: &AtomicI32, refs: i32) {
        count.and(!FROZEN);
        count.set_release(refs);
    }
}
