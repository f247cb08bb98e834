//! `struct lockref` (`lib/lockref.c`): a spin lock and a count in one word, so that most gets and puts exchange
//! the word while the lock is free and never take it.
//!
//! ```text
//!   bit 0           the lock
//!   bits 32 ..      the count; DEAD once the last reference went
//! ```
//!
//! The last put takes the lock (`lockref_put_or_lock`) and marks the object dead under it. Whoever holds the lock is
//! the only one who writes the word. A speculative get may take the lock of an object that has died meanwhile, and its
//! unlock is a plain store: so the object's next life waits for a grace period.

use prim::{Arena, AtomicU64, Cpu, NoMemory, Table};

use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

const LOCKED: u64 = 1;
const ONE: u64 = 1 << 32;
const DEAD: u64 = 0xffff_ff80 << 32;

/// See the module.
#[derive(Debug)]
pub struct Lockref(Table<AtomicU64>);

fn refs(word: u64) -> u64 {
    word >> 32
}

fn is_dead(word: u64) -> bool {
    word >= DEAD
}

/// Changes the word: by an exchange while the lock is free, or under it if the change asks for that. None if there is
/// nothing to change it to.
fn change(
    cpu: &Cpu<'_>,
    count: &AtomicU64,
    next: impl Fn(u64) -> Option<u64>,
    wants_lock: impl Fn(u64) -> bool,
) -> Option<u64> {
    let mut seen = count.read();
    while seen & LOCKED == 0 && !wants_lock(seen) {
        let new = next(seen)?;
        // Full on success: pairs with the release of an unlock, and with itself.
        match count.cmpxchg(seen, new) {
            Ok(_) => return Some(new),
            Err(found) => seen = found,
        }
    }
    let held = lock(cpu, count);
    let new = next(held);
    // Release: pairs with the acquire of the next lock.
    count.set_release(new.unwrap_or(held));
    new
}

/// Takes the lock; the word without it.
fn lock(cpu: &Cpu<'_>, count: &AtomicU64) -> u64 {
    loop {
        let seen = count.read();
        // Acquire: pairs with the release of an unlock.
        if seen & LOCKED == 0 && count.cmpxchg_acquire(seen, seen | LOCKED).is_ok() {
            return seen;
        }
        cpu.relax();
    }
}

impl Scheme for Lockref {
    const NAME: &'static str = "lockref";
    const CAPS: Caps = Caps {
        zero: Learns::AtPut,
        try_get: Speculates::UnlessZero,
        freeze: false,
        needs: Needs::Grace,
    };
    type Count = AtomicU64;
    type Token = ();

    fn new(arena: &Arena, _cpus: usize, objects: usize) -> Result<Self, NoMemory> {
        arena.table("counts", objects).map(Self)
    }

    #[inline(always)]
    fn count(&self, object: usize) -> &AtomicU64 {
        &self.0[object]
    }

    fn init(&self, _cpu: &Cpu<'_>, count: &AtomicU64) {
        // Release: pairs with the exchange of a speculative get.
        count.set_release(ONE);
    }

    #[inline(always)]
    fn get(&self, cpu: &Cpu<'_>, count: &AtomicU64) {
        change(cpu, count, |word| Some(word.wrapping_add(ONE)), |_| false);
    }

    /// `lockref_get_not_dead`.
    #[inline(always)]
    fn try_get(&self, cpu: &Cpu<'_>, count: &AtomicU64) -> Option<()> {
        let one_more = |word: u64| (!is_dead(word)).then(|| word.wrapping_add(ONE));
        change(cpu, count, one_more, |_| false).map(|_| ())
    }

    #[inline(always)]
    fn put(&self, cpu: &Cpu<'_>, count: &AtomicU64, (): ()) -> Put {
        let one_less =
            |word: u64| Some(if refs(word) == 1 { DEAD } else { word.wrapping_sub(ONE) });
        let dead = change(cpu, count, one_less, |word| refs(word) == 1).is_some_and(is_dead);
        if dead { Put::Zero } else { Put::Live }
    }

    fn sum(&self, count: &AtomicU64) -> i64 {
        let word = count.read();
        if is_dead(word) { 0 } else { refs(word).cast_signed() }
    }
}
