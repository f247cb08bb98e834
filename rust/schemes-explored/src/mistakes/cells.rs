//! Mistakes in counts that are spread over CPUs.

use prim::{Arena, AtomicI64, Cpu, NoMemory, Table};

use crate::kinds::rows::Rows;
use crate::scheme::{Caps, Learns, Needs, Put, Scheme, Speculates};

const BIAS: i64 = 1 << 61;
const CLOSED: i64 = i64::MIN / 2;

/// What a killed percpu_ref says in its shared word.
const DYING: i64 = 1 << 60;

const KILLS: Caps = Caps {
    zero: Learns::AfterKill,
    try_get: Speculates::UnlessDying,
    freeze: false,
    needs: Needs::Rows,
};

const TELLS: Caps = Caps { zero: Learns::AtPut, try_get: Speculates::Never, ..KILLS };

/// A shared word and a cell for each CPU, with the functions of a mistake over them.
macro_rules! spread {
    ($(#[$doc:meta])* $name:ident, $caps:expr, [$counts:ident, $cell:ident, $cells:ident]
        get: $get:expr, put: $put:expr, kill: $kill:expr) => {
        $(#[$doc])*
        pub(crate) struct $name(Table<AtomicI64>, Rows<AtomicI64>);

        impl Scheme for $name {
            const NAME: &'static str = "a planted mistake";
            const CAPS: Caps = $caps;
            type Count = AtomicI64;
            type Token = ();

            fn new(arena: &Arena, cpus: usize, objects: usize) -> Result<Self, NoMemory> {
                Ok(Self(arena.table("counts", objects)?, Rows::new(arena, cpus, objects)?))
            }

            fn count(&self, object: usize) -> &AtomicI64 {
                &self.0[object]
            }

            fn init(&self, _cpu: &Cpu<'_>, count: &AtomicI64) {
                self.1.each_from(0).for_each(|cell| cell.set(0));
                count.set(if $caps.zero == Learns::AfterKill { BIAS + 1 } else { 1 });
            }

            fn get(&self, cpu: &Cpu<'_>, count: &AtomicI64) {
                let _ = self.try_get(cpu, count);
            }

            fn try_get(&self, cpu: &Cpu<'_>, $counts: &AtomicI64) -> Option<()> {
                let $cell = self.1.at(cpu, 0);
                let get: bool = $get;
                get.then_some(())
            }

            fn put(&self, cpu: &Cpu<'_>, $counts: &AtomicI64, (): ()) -> Put {
                let $cell = self.1.at(cpu, 0);
                let $cells = || self.1.each_from(0);
                let _ = $cells;
                $put
            }

            fn kill(&self, _cpu: &Cpu<'_>, $counts: &AtomicI64) -> Option<i64> {
                let $cells = || self.1.each_from(0);
                $kill
            }

            fn sum(&self, count: &AtomicI64) -> i64 {
                let cells = if $caps.zero == Learns::AtPut {
                    self.1.each_from(0).map(AtomicI64::read).sum::<i64>()
                } else {
                    0
                };
                (count.read() & !DYING) + cells
            }
        }
    };
}

/// What a put after the kill does.
fn shared_put(shared: &AtomicI64) -> Put {
    if shared.dec_and_test() { Put::Zero } else { Put::Live }
}

spread! {
    /// A sum is not one look: two puts both find that nothing is left, or neither does.
    SumAtPut, TELLS, [count, cell, cells]
    get: { let _ = count; cell.inc(); true },
    put: {
        cell.dec();
        let sum = count.read() + cells().map(AtomicI64::read).sum::<i64>();
        if sum == 0 { Put::Zero } else { Put::Live }
    },
    kill: { let _ = (count, cells); None }
}

spread! {
    /// What is added between the look and the store is lost.
    LateSweep, KILLS, [count, cell, cells]
    get: { let _ = count; cell.add_return(1) > CLOSED / 2 },
    put: if cell.sub_return(1) > CLOSED / 2 { Put::Unknown } else { shared_put(count) },
    kill: {
        let sum: i64 = cells().map(|cell| { let found = cell.read(); cell.set(CLOSED); found }).sum();
        Some(count.add_return(sum - BIAS))
    }
}

spread! {
    /// Cell by cell, with the bias gone first: the count passes through zero.
    BlindKill, KILLS, [count, cell, cells]
    get: { let _ = count; cell.add_return(1) > CLOSED / 2 },
    put: if cell.sub_return(1) > CLOSED / 2 { Put::Unknown } else { shared_put(count) },
    kill: {
        count.sub(BIAS);
        cells().for_each(|cell| count.add(cell.xchg(CLOSED)));
        Some(count.read())
    }
}

spread! {
    /// The sum is taken while somebody who saw the object alive is about to add.
    NoGrace, KILLS, [count, cell, cells]
    get: { let alive = count.read() & DYING == 0; if alive { cell.inc() } alive },
    put: if count.read() & DYING == 0 {
        cell.dec();
        Put::Unknown
    } else if count.sub_return(1) == DYING {
        Put::Zero
    } else {
        Put::Live
    },
    kill: {
        count.or(DYING);
        let sum: i64 = cells().map(AtomicI64::read).sum();
        Some(count.add_return(sum - BIAS) - DYING)
    }
}

/// A load and a store to the cell of this CPU, then a look whether it was killed.
fn store_then_look(count: &AtomicI64, cell: &AtomicI64, n: i64) -> bool {
    cell.set(cell.read() + n);
    count.read() & DYING == 0
}

/// Takes what was stored off again, if the killer has not counted it; whether it has.
fn was_counted(cell: &AtomicI64, n: i64) -> bool {
    let found = cell.read();
    found == CLOSED || cell.cmpxchg(found, found - n).is_err()
}

/// Says that it is killed, lets stores drain, and closes every cell.
fn close<'a>(count: &AtomicI64, cells: impl Iterator<Item = &'a AtomicI64>) -> i64 {
    count.or(DYING);
    let sum: i64 = cells.map(|cell| cell.xchg(CLOSED)).sum();
    count.add_return(sum - BIAS) - DYING
}

fn dying_put(count: &AtomicI64) -> Put {
    if count.sub_return(1) == DYING { Put::Zero } else { Put::Live }
}

spread! {
    /// One writer: a kill may have counted already what is taken off again.
    TakenBack, KILLS, [count, cell, cells]
    get: {
        let counts = store_then_look(count, cell, 1);
        if !counts { cell.dec() }
        counts
    },
    put: {
        if store_then_look(count, cell, -1) { return Put::Unknown }
        cell.inc();
        dying_put(count)
    },
    kill: Some(close(count, cells()))
}

spread! {
    /// One writer: the look at the mode passes the store to the cell, and the kill sees neither.
    NoBarrier, KILLS, [count, cell, cells]
    get: store_then_look(count, cell, 1) || was_counted(cell, 1),
    put: if store_then_look(count, cell, -1) || was_counted(cell, -1) {
        Put::Unknown
    } else {
        dying_put(count)
    },
    kill: Some(close(count, cells()))
}
