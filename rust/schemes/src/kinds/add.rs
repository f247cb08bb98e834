//! One locked instruction each way: `page_ref_inc` and `page_ref_dec_and_test` (`include/linux/page_ref.h`).
//!
//! The cheapest a shared word can be, and what contended schemes are measured against. There is no speculative
//! get: an unconditional add would bring a dead object back, and its next put would free it again.

use prim::AtomicI32;

use super::word::{OneWord, PAGE, Word};
use crate::scheme::{Caps, Speculates};

/// See the module.
pub type Add = OneWord<HeldOnly>;

/// Whoever gets holds a reference already, so nothing has to be ordered after the beginning of a life.
#[derive(Debug)]
pub enum HeldOnly {}

impl Word for HeldOnly {
    const NAME: &'static str = "atomic add";
    const CAPS: Caps = Caps { try_get: Speculates::Never, freeze: false, ..PAGE };

    fn init(count: &AtomicI32) {
        count.set(1);
    }
}
