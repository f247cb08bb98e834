//! What is done with references besides one thread's or two threads' pairs on one object.
//!
//! | load | what an iteration is | threads |
//! |---|---|---|
//! | `private` | a pair on an object of the thread's own | 2 |
//! | `zipf` | a get of an object drawn by rank, a put of the one got sixteen gets ago | 2 |
//! | `gup` | a page of 512 that are got one after the other, from a random one on, and then put | 2 |
//! | `handed` | a get on one thread, and its put on another | 2 |
//! | `pause` | a pair on one object, with up to 64 turns of nothing between get and put | 2 |
//! | `freeze` | of one thread a freeze and an unfreeze, of the other a pair | 2 |
//! | `churn` | of both a pair; of one the owner's put besides; whoever puts last begins the next life as something else | 2 |
//! | `kill` | a pair, and every hundredth time a kill, the last put and a new life | 1 |
//!
//! A get is speculative where the scheme has such a thing. What a load cannot be done with is left out of it: only one
//! object at a time is pinned, only pages are frozen.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Mutex;

use pgmap_prim::measure::opaque;
use pgmap_prim::{AtomicU32, Cpu};
use pgmap_schemes::kinds::{self, Visit, add::Add, cas::Cas};
use pgmap_schemes::scheme::{Caps, Group, Learns, Needs, Put, Scheme};

use crate::bench::contest::{Contest, Pairs};
use crate::bench::draws::{Draws, draws};
use crate::bench::kills::Kill;
use crate::bench::load::{Load, Objects, THREADS, lock};
use crate::bench::refcounts::{null, row};
use crate::bench::stats::Dice;
use crate::bench::workload::{BuildError, Row, Workload};

fn counts(caps: Caps) -> bool {
    caps.zero != Learns::AtKill && caps.is_shared()
}

/// Declares loads whose state is the objects and something besides.
macro_rules! loads {
    ($($(#[$doc:meta])* $name:ident $title:literal, floor $floor:ty, fits $fits:expr,
        $objects:expr, $besides:ty = $new:expr;
        |$it:ident, $cpu:ident, $thread:ident, $pairs:ident| $run:block)+) => {$(
        $(#[$doc])*
        pub(super) struct $name<S: Scheme>(Objects<S>, $besides);

        impl<S: Scheme> Pairs for $name<S> {
            #[inline(never)]
            fn run(&self, $thread: usize, $pairs: u64) {
                let ($it, $cpu) = (self, &self.0.cpu($thread));
                $run
            }
        }

        impl Load for $name<Add> {
            const NAME: &'static str = $title;
            const ONE_OBJECT: bool = $objects == 1;
            type Floor = $floor;
            type Of<S: Scheme> = $name<S>;

            fn fits(caps: Caps) -> bool {
                let fits: fn(Caps) -> bool = $fits;
                fits(caps)
            }

            fn of<S: Scheme>() -> Result<$name<S>, BuildError> {
                Ok($name(Objects::new($objects)?, $new))
            }
        }
    )+};
}

/// Objects that are far from each other whatever a scheme's words are.
const APART: usize = 64;
/// From an object to the next: a line and a bit for the smallest count, as in an array of struct page, and no power of
/// two, which the tables of some schemes would take for one place.
const STRIDE: usize = 17;
const PAGES: usize = 512;
const HELD: usize = 16;
const FEW: usize = 16;
const MANY: usize = 4096;
/// Tokens that change threads at a time.
const LETTER: u64 = 64;
/// Turns of the longest pause.
const PAUSE: usize = 64;

loads! {
    /// See the module.
    Private "private objects", floor Add, fits Caps::is_shared, THREADS * APART, () = ();
    |it, cpu, thread, pairs| {
        for _ in 0..pairs {
            let token = it.0.get(cpu, thread * APART);
            let _ = it.0.put(cpu, thread * APART, token);
        }
    }

    /// See the module.
    ZipfFew "zipf 0.99 of 16", floor Add, fits counts, FEW * STRIDE, [Draws; THREADS] = draws(FEW);
    |it, cpu, thread, pairs| { held(&it.0, &it.1[thread], cpu, pairs); }

    /// See the module.
    ZipfMany "zipf 0.99 of 4096", floor Add, fits counts, MANY * STRIDE, [Draws; THREADS] = draws(MANY);
    |it, cpu, thread, pairs| { held(&it.0, &it.1[thread], cpu, pairs); }

    /// See the module.
    Gup "gup of 512 pages", floor Add, fits counts, PAGES * STRIDE, [Mutex<Dice>; THREADS] = dice();
    |it, cpu, thread, pairs| {
        let phase = lock(&it.1[thread]).below(PAGES);
        let mut tokens = Vec::with_capacity(PAGES);
        let mut left = pairs as usize;
        while left > 0 {
            let pages = left.min(PAGES);
            tokens.extend((0..pages).map(|page| it.0.get(cpu, (phase + page) % PAGES * STRIDE)));
            for (page, token) in tokens.drain(..).enumerate() {
                let _ = it.0.put(cpu, (phase + page) % PAGES * STRIDE, token);
            }
            left -= pages;
        }
    }

    /// See the module.
    Handed "got here, put there", floor Add, fits counts, 1, [Mutex<Vec<S::Token>>; THREADS] = Default::default();
    |it, cpu, thread, pairs| {
        let mut left = pairs;
        while left > 0 {
            let letter = left.min(LETTER);
            let tokens: Vec<_> = (0..letter).map(|_| it.0.get(cpu, 0)).collect();
            // What lay there was got by the other thread, or by this one if the other is late.
            let others = std::mem::replace(&mut *lock(&it.1[1 - thread]), tokens);
            let mine = std::mem::take(&mut *lock(&it.1[thread]));
            for token in others.into_iter().chain(mine) {
                let _ = it.0.put(cpu, 0, token);
            }
            left -= letter;
        }
    }

    /// See the module.
    Pause "a pause in between", floor Add, fits Caps::is_shared, 1, [Mutex<Dice>; THREADS] = dice();
    |it, cpu, thread, pairs| {
        let mut dice = lock(&it.1[thread]);
        for _ in 0..pairs {
            let token = it.0.get(cpu, 0);
            (0..dice.below(PAUSE)).for_each(|_| std::hint::spin_loop());
            let _ = it.0.put(cpu, 0, token);
        }
    }

    /// See the module.
    Freeze "frozen against readers", floor Cas, fits |caps| caps.freeze, 1, () = ();
    |it, cpu, thread, pairs| {
        let (scheme, count) = (&it.0.scheme, opaque(it.0.scheme.count(0)));
        for _ in 0..pairs {
            if thread == 0 {
                if scheme.freeze(count, 1) {
                    scheme.unfreeze(count, 1);
                }
            } else if let Some(token) = scheme.try_get(cpu, count) {
                let _ = scheme.put(cpu, count, token);
            }
        }
    }

    /// See the module.
    Churn "lives that end", floor Cas, fits |caps| caps.is_speculative() && caps.needs == Needs::Nothing,
        1, Life = Life::new();
    |it, cpu, thread, pairs| {
        let (scheme, count, life) = (&it.0.scheme, opaque(it.0.scheme.count(0)), &it.1);
        let put = |token| {
            if scheme.put(cpu, count, token) == Put::Zero {
                life.kind.inc();
                let _ = scheme.init(cpu, count);
                // Release: pairs with the exchange of whoever takes the owner's part.
                life.owned.set_release(1);
            }
        };
        for _ in 0..pairs {
            if let Some(token) = scheme.try_get(cpu, count) {
                put(token);
            }
            if thread == 0 && life.owned.xchg(0) == 1 {
                put(it.0.owners[0]);
            }
        }
    }
}

/// Whose the churned object is.
pub(super) struct Life {
    kind: AtomicU32,
    /// 1 while nobody has put the owner's reference.
    owned: AtomicU32,
}

impl Life {
    fn new() -> Self {
        Self { kind: AtomicU32::new(0), owned: AtomicU32::new(1) }
    }
}

fn dice() -> [Mutex<Dice>; THREADS] {
    std::array::from_fn(|thread| Mutex::new(Dice::of_thread(thread)))
}

/// Gets of what was drawn, with a window of references held.
#[inline(always)]
fn held<S: Scheme>(objects: &Objects<S>, draws: &Draws, cpu: &Cpu<'_>, pairs: u64) {
    let mut window: [Option<(usize, S::Token)>; HELD] = [None; HELD];
    for pair in 0..pairs as usize {
        let object = draws.nth(pair) * STRIDE;
        let oldest = window[pair % HELD].replace((object, objects.get(cpu, object)));
        if let Some((object, token)) = oldest {
            let _ = objects.put(cpu, object, token);
        }
    }
    for (object, token) in window.into_iter().flatten() {
        let _ = objects.put(cpu, object, token);
    }
}

/// A load under a scheme, against the same load under its floor.
fn contest<L: Load, S: Scheme>() -> Result<Box<dyn Workload>, BuildError> {
    fn boxed<L: Load, S: Scheme>() -> Result<Box<dyn Pairs>, BuildError> {
        Ok(Box::new(L::of::<S>()?))
    }
    let places = if L::ONE_OBJECT { Contest::on_one_object } else { Contest::between };
    places(&boxed::<L, S>, &boxed::<L, L::Floor>, L::THREADS)
}

fn floor_of<L: Load>() -> Cow<'static, str> {
    format!("{}: {}", L::NAME, L::Floor::NAME).into()
}

/// Rows of a load, group by group.
fn rows_of<L: Load>() -> Vec<Row> {
    struct Each<L>(Vec<(Group, Row)>, PhantomData<L>);
    impl<L: Load> Visit for Each<L> {
        fn visit<S: Scheme>(&mut self) {
            if !L::fits(S::CAPS) || S::NAME == L::Floor::NAME {
                return;
            }
            let group = S::CAPS.group();
            let name: Cow<'static, str> =
                format!("{}: {}: {}", L::NAME, group.name(), S::NAME).into();
            self.0.push((group, row(name, floor_of::<L>(), contest::<L, S>)));
        }
    }
    let mut each = Each::<L>(Vec::new(), PhantomData);
    kinds::each(&mut each);
    each.0.sort_by_key(|(group, _)| *group);
    each.0.into_iter().map(|(_, row)| row).collect()
}

fn null_of<L: Load>() -> Vec<Row> {
    vec![null(floor_of::<L>(), contest::<L, L::Floor>)]
}

/// Calls something for every load, and joins what it says.
macro_rules! each_load {
    ($of:ident) => {
        [
            $of::<Private<Add>>(),
            $of::<ZipfFew<Add>>(),
            $of::<ZipfMany<Add>>(),
            $of::<Gup<Add>>(),
            $of::<Handed<Add>>(),
            $of::<Pause<Add>>(),
            $of::<Freeze<Add>>(),
            $of::<Churn<Add>>(),
            $of::<Kill<Add>>(),
        ]
        .concat()
    };
}

/// Every load under every scheme that it fits.
pub(super) fn loads() -> Vec<Row> {
    each_load!(rows_of)
}

/// The floor of each load.
pub(super) fn controls() -> Vec<Row> {
    each_load!(null_of)
}
