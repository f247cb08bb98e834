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

use prim::{Arena, AtomicI32, Cpu, NoMemory, Table, smp_rmb};

use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

/// The bit that says so.
pub const FROZEN: i32 = i32::MIN;
/// So many refused gets are swept out of the way: long before they could reach the bit.
const SWEEP: i32 = FROZEN + (1 << 30);

/// See the module.
#[derive(Debug)]
pub struct Frozen(Table<AtomicI32>);

/// A speculative get.
#[inline(always)]
pub(crate) fn try_get(count: &AtomicI32) -> Option<()> {
    // Acquire: pairs with the release of init and of unfreeze.
    let found = count.fetch_add_acquire(1);
    if found >= 0 {
        return Some(());
    }
    if found >= SWEEP {
        // Nothing is lost if it fails: somebody else has written meanwhile.
        let _ = count.cmpxchg(found.wrapping_add(1), FROZEN);
    }
    None
}

/// A put.
#[inline(always)]
pub(crate) fn put(count: &AtomicI32) -> Put {
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

/// References in a word at rest.
pub(crate) fn refs(word: i32) -> i64 {
    if word < 0 { 0 } else { word.into() }
}

impl Scheme for Frozen {
    const NAME: &'static str = "frozen bit";
    const CAPS: Caps = Caps {
        zero: Learns::AtPut,
        try_get: Speculates::UnlessZero,
        freeze: true,
        needs: Needs::Nothing,
    };
    type Count = AtomicI32;
    type Token = ();

    fn new(arena: &Arena, _cpus: usize, objects: usize) -> Result<Self, NoMemory> {
        arena.table("counts", objects).map(Self)
    }

    #[inline(always)]
    fn count(&self, object: usize) -> &AtomicI32 {
        &self.0[object]
    }

    fn init(&self, _cpu: &Cpu<'_>, count: &AtomicI32) {
        // Release: pairs with the acquire of a speculative get.
        count.set_release(1);
    }

    #[inline(always)]
    fn get(&self, _cpu: &Cpu<'_>, count: &AtomicI32) {
        count.inc();
    }

    #[inline(always)]
    fn try_get(&self, _cpu: &Cpu<'_>, count: &AtomicI32) -> Option<()> {
        try_get(count)
    }

    #[inline(always)]
    fn put(&self, _cpu: &Cpu<'_>, count: &AtomicI32, (): ()) -> Put {
        put(count)
    }

    fn freeze(&self, count: &AtomicI32, expected: i32) -> bool {
        // Full: pairs with the release of every put before it.
        count.cmpxchg(expected, FROZEN).is_ok()
    }

    fn unfreeze(&self, count: &AtomicI32, refs: i32) {
        // Release: pairs with the acquire of a speculative get.
        count.set_release(refs);
    }

    fn sum(&self, count: &AtomicI32) -> i64 {
        refs(count.read())
    }
}
