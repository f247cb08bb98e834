//! The frozen bit with a look before the add (`page_count_writable`, as in version 4 of the series).
//!
//! The page's count lies in a vmemmap that may be mapped read-only (HVO), so the kernel looks before it writes. The
//! look makes the line shared and the add then asks for it alone: the gain of [`frozen`](super::frozen)
//! is mostly gone. Upstream removes the reason for the look independently.

use prim::AtomicI32;

use super::frozen::Bit;
use super::word::{OneWord, Word};
use crate::scheme::Put;

/// See the module.
pub type FrozenRead = OneWord<LookFirst>;

/// [`Bit`], but for its speculative get.
#[derive(Debug)]
pub enum LookFirst {}

impl Word for LookFirst {
    const NAME: &'static str = "frozen bit, look first";
    const FROZEN: i32 = Bit::FROZEN;

    #[inline(always)]
    fn try_get(count: &AtomicI32) -> bool {
        count.read() >= 0 && Bit::try_get(count)
    }

    #[inline(always)]
    fn put(count: &AtomicI32) -> Put {
        Bit::put(count)
    }

    fn sum(word: i32) -> i64 {
        Bit::sum(word)
    }
}
