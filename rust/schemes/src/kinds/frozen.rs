//! Add first, ask afterwards: a bit in the count says that the page is frozen.
//!
//! ```text
//!   bit 31 clear, n > 0     n references are out
//!   bit 31 clear, 0         whoever put the last one has not frozen it yet: it may still be got
//!   bit 31 set              free or frozen; the other bits are what refused gets left behind
//! ```
//!
//! A speculative get adds one and looks at the sign of what it made: one hand-off of the line. If it was
//! refused, nothing is undone, for an owner's plain store puts the word right; a blind subtraction could
//! hit the page's next life. The last put must exchange zero for the bit. It may find that somebody has got the page
//! meanwhile, and then that one's put is the last; and it may be so late that the zero is that of another
//! life (the ABA of June 2026): it then owns *that* life's end, so whatever is done to the page must be taken
//! from the page, and not from what the caller knew of it.
//!
//! "mm: improve folio refcount scalability", version 4 of June 2026, without the look that comes first there.

use prim::{AtomicI32, smp_rmb};

use super::word::{OneWord, Word};
use crate::scheme::Put;

/// The bit that says so.
pub const FROZEN: i32 = i32::MIN;
/// So many refused gets are swept out of the way: long before they could reach the bit.
const SWEEP: i32 = FROZEN + (1 << 30);

/// See the module.
pub type Frozen = OneWord<Bit>;

/// See the module.
#[derive(Debug)]
pub enum Bit {}

impl Word for Bit {
    const NAME: &'static str = "frozen bit";
    const FROZEN: i32 = FROZEN;

    #[inline(always)]
    fn try_get(count: &AtomicI32) -> bool {
        // Acquire: pairs with the release of init and of unfreeze.
        let found = count.fetch_add_acquire(1);
        if found >= 0 {
            return true;
        }
        if found >= SWEEP {
            // Nothing is lost if it fails: somebody else has written meanwhile.
            let _ = count.cmpxchg(found.wrapping_add(1), FROZEN);
        }
        false
    }

    #[inline(always)]
    fn put(count: &AtomicI32) -> Put {
        // Release: pairs with the fence below of whoever puts last.
        if count.fetch_sub_release(1) != 1 {
            return Put::Live;
        }
        match count.cmpxchg(0, FROZEN) {
            Ok(_) => {
                // Acquire: pairs with the release of every other put.
                smp_rmb();
                Put::Zero
            }
            // Somebody got it at zero, and will put it.
            Err(_) => Put::Live,
        }
    }

    fn sum(word: i32) -> i64 {
        word.max(0).into()
    }
}
