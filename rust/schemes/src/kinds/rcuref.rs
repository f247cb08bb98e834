//! `rcuref_t` (`lib/rcuref.c`): the zones of one word, so that the sign of an add decides.
//!
//! ```text
//!   0x00000000 ..= 0x7fffffff     one reference more than the number says
//!   0x80000000 ..= 0xbfffffff     saturated; parked at 0xa0000000
//!   0xc0000000 ..= 0xfffffffe     dead; parked at 0xe0000000
//!   0xffffffff                    no reference: whoever put the last one has not marked it dead yet
//! ```
//!
//! Both ways are one add and a branch on its sign. The last put exchanges "no reference" for "dead". What it looks
//! at afterwards is what its own add made, never the word again: that was a race until January 2025.
//! Gets and puts run inside RCU sections, and the object's next life waits for a grace period.

use prim::{Arena, AtomicU32, Cpu, NoMemory, Table, smp_rmb};

use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

const ONEREF: u32 = 0;
const MAXREF: u32 = 0x7fff_ffff;
const SATURATED: u32 = 0xa000_0000;
const RELEASED: u32 = 0xc000_0000;
const DEAD: u32 = 0xe000_0000;
const NOREF: u32 = u32::MAX;

/// See the module.
#[derive(Debug)]
pub struct Rcuref(Table<AtomicU32>);

fn is_negative(word: u32) -> bool {
    word.cast_signed() < 0
}

/// `rcuref_get_slowpath`: what an add that came out negative means. `made` is what it made.
#[doc(alias = "rcuref_get_slowpath")]
#[cold]
#[inline(never)]
fn get_slowpath(count: &AtomicU32, made: u32) -> bool {
    if made >= RELEASED {
        // Puts the word back into the middle of its zone.
        count.set(DEAD);
        return false;
    }
    count.set(SATURATED);
    true
}

/// `rcuref_put_slowpath`. `made` is what the put's subtraction made.
#[doc(alias = "rcuref_put_slowpath")]
#[cold]
#[inline(never)]
fn put_slowpath(count: &AtomicU32, made: u32) -> Put {
    if made == NOREF {
        return match count.cmpxchg_release(NOREF, DEAD) {
            Ok(_) => {
                // Acquire: pairs with the release of every other put.
                smp_rmb();
                Put::Zero
            }
            // Somebody got it meanwhile, and will put it.
            Err(_) => Put::Live,
        };
    }
    count.set(if made >= RELEASED { DEAD } else { SATURATED });
    Put::Live
}

impl Scheme for Rcuref {
    const NAME: &'static str = "rcuref";
    const CAPS: Caps = Caps {
        zero: Learns::AtPut,
        try_get: Speculates::UnlessZero,
        freeze: false,
        needs: Needs::Grace,
    };
    type Count = AtomicU32;
    type Token = ();

    fn new(arena: &Arena, _cpus: usize, objects: usize) -> Result<Self, NoMemory> {
        arena.table("counts", objects).map(Self)
    }

    #[inline(always)]
    fn count(&self, object: usize) -> &AtomicU32 {
        &self.0[object]
    }

    fn init(&self, _cpu: &Cpu<'_>, count: &AtomicU32) {
        // Release: pairs with the acquire of a speculative get.
        count.set_release(ONEREF);
    }

    #[inline(always)]
    fn get(&self, _cpu: &Cpu<'_>, count: &AtomicU32) {
        let made = count.fetch_add_relaxed(1).wrapping_add(1);
        if is_negative(made) {
            let _ = get_slowpath(count, made);
        }
    }

    #[inline(always)]
    fn try_get(&self, _cpu: &Cpu<'_>, count: &AtomicU32) -> Option<()> {
        // Acquire: pairs with the release of init. (The kernel's is relaxed: a control dependency orders stores.)
        let made = count.fetch_add_acquire(1).wrapping_add(1);
        (!is_negative(made) || get_slowpath(count, made)).then_some(())
    }

    #[inline(always)]
    fn put(&self, _cpu: &Cpu<'_>, count: &AtomicU32, (): ()) -> Put {
        // Release: pairs with the fence of whoever puts last.
        let made = count.fetch_sub_release(1).wrapping_sub(1);
        if is_negative(made) { put_slowpath(count, made) } else { Put::Live }
    }

    fn sum(&self, count: &AtomicU32) -> i64 {
        match count.read() {
            refs @ ..=MAXREF => i64::from(refs) + 1,
            _ => 0,
        }
    }
}
