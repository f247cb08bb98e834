//! Schemes that owe their safety to a grace period, without it, and a slow path that looked again.

use prim::{Arena, AtomicU32, Cpu, NoMemory, Table};

use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

/// A scheme whose surroundings do not give it what it needs.
pub(crate) struct Ungraceful<S>(S);

impl<S: Scheme> Scheme for Ungraceful<S> {
    const NAME: &'static str = S::NAME;
    const CAPS: Caps = Caps { needs: Needs::Nothing, ..S::CAPS };
    type Count = S::Count;
    type Token = S::Token;

    fn new(arena: &Arena, cpus: usize, objects: usize) -> Result<Self, NoMemory> {
        S::new(arena, cpus, objects).map(Self)
    }

    fn count(&self, object: usize) -> &S::Count {
        self.0.count(object)
    }

    fn init(&self, cpu: &Cpu<'_>, count: &S::Count) -> S::Token {
        self.0.init(cpu, count)
    }

    fn get(&self, cpu: &Cpu<'_>, count: &S::Count) -> S::Token {
        self.0.get(cpu, count)
    }

    fn try_get(&self, cpu: &Cpu<'_>, count: &S::Count) -> Option<S::Token> {
        self.0.try_get(cpu, count)
    }

    fn put(&self, cpu: &Cpu<'_>, count: &S::Count, token: S::Token) -> Put {
        self.0.put(cpu, count, token)
    }

    fn sum(&self, count: &S::Count) -> i64 {
        self.0.sum(count)
    }
}

const RELEASED: u32 = 0xc000_0000;
const DEAD: u32 = 0xe000_0000;
const NOREF: u32 = u32::MAX;

/// `rcuref_put` as it was from 6.4 on: the slow path read the word again, so two puts could both find "no reference".
pub(crate) struct Reread(Table<AtomicU32>);

impl Scheme for Reread {
    const NAME: &'static str = "rcuref, word read again";
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

    fn count(&self, object: usize) -> &AtomicU32 {
        &self.0[object]
    }

    fn init(&self, _cpu: &Cpu<'_>, count: &AtomicU32) {
        count.set_release(0);
    }

    fn get(&self, _cpu: &Cpu<'_>, count: &AtomicU32) {
        count.inc();
    }

    fn try_get(&self, _cpu: &Cpu<'_>, count: &AtomicU32) -> Option<()> {
        (count.add_return(1) < RELEASED).then_some(())
    }

    fn put(&self, cpu: &Cpu<'_>, count: &AtomicU32, (): ()) -> Put {
        if count.sub_return(1) < RELEASED {
            return Put::Live;
        }
        let found = count.read();
        if found == NOREF {
            let last = count.cmpxchg(NOREF, DEAD).is_ok();
            return if last { Put::Zero } else { Put::Live };
        }
        if found >= RELEASED {
            // "rcuref - imbalanced put()".
            cpu.warn(prim::Warn { code: 1, object: 0, value: found.into() });
            count.set(DEAD);
        }
        Put::Live
    }

    fn sum(&self, count: &AtomicU32) -> i64 {
        let word = count.read();
        if word < RELEASED { i64::from(word) + 1 } else { 0 }
    }
}
