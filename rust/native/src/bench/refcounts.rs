//! Reference-count schemes against each other: gets and puts of one object, alone and on two threads.
//!
//! | suite | rows | floor |
//! |---|---|---|
//! | `refcount` | every scheme, on one thread | a load and a store each way |
//! | `refcount` | every scheme that may be shared, two threads on one object | one locked addition each way |
//! | `folio-try-get` | the four ways to `folio_try_get`, alone with 1 and with 17 references, and on two threads | the same |
//!
//! A get is speculative where the scheme has such a thing, because that is what the argument is about. Two threads start
//! together and keep their load on until both have finished; the figure is their mean. The null row is the
//! contended floor against itself, in the same rounds: where it is off, nothing here means anything.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicI32,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

use pgmap_prim::measure::{allowed_processors, opaque};
use pgmap_prim::{Arena, Lease, Machine, TaskId};
use pgmap_schemes::kinds::{
    self, Visit, add::Add, cas::Cas, frozen::Frozen, frozen_read::FrozenRead, guess::Guess,
    plain::Plain,
};
use pgmap_schemes::scheme::{Group, Scheme, Speculates};

use crate::bench::refs::{NULL, refused};
use crate::bench::together::together;
use crate::bench::workload::{BuildError, Limit, Row, Side, Workload, per_iteration};

/// Room for one object of any scheme.
const ROOM: usize = 1 << 16;
/// The most threads of a row.
const THREADS: usize = 2;
const UNIT: &str = "ns per pair";
/// References of a page that is mapped and pinned as shared ones are.
const SEVERAL: usize = 17;

/// What two ways are compared in.
#[derive(Clone, Copy)]
struct Shape {
    threads: usize,
    /// References out beside those of the pairs.
    held: usize,
}

const ALONE: Shape = Shape { threads: 1, held: 1 };
const ALONE_SEVERAL: Shape = Shape { threads: 1, held: SEVERAL };
const TOGETHER: Shape = Shape { threads: THREADS, held: 1 };

/// A way to get and put.
pub(super) trait Pairs: Send + Sync {
    /// So many pairs, on a thread of this number.
    fn run(&self, thread: usize, pairs: u64);
}

/// One object under a scheme.
struct Counted<S> {
    machine: Arc<Machine>,
    scheme: S,
}

impl<S: Scheme> Counted<S> {
    fn new(shape: Shape) -> Result<Self, BuildError> {
        let machine = Machine::new(THREADS);
        let arena = Arena::new(ROOM)?;
        let scheme = S::new(&arena, THREADS, 1)?;
        {
            let cpu =
                machine.lease(Lease::of(TaskId(0))).map_err(|none| BuildError(none.to_string()))?;
            let count = scheme.count(0);
            scheme.init(&cpu, count);
            for _ in 1..shape.held {
                scheme.get(&cpu, count);
            }
        }
        Ok(Self { machine, scheme })
    }
}

impl<S: Scheme> Pairs for Counted<S> {
    #[inline(never)]
    fn run(&self, thread: usize, pairs: u64) {
        let leased = self.machine.lease(Lease::of(TaskId(thread as u32)));
        let cpu = leased.unwrap_or_else(|_| refused("a CPU"));
        let speculative = S::CAPS.try_get != Speculates::Never;
        for _ in 0..pairs {
            let count = opaque(self.scheme.count(0));
            let token = if speculative {
                self.scheme.try_get(&cpu, count).unwrap_or_else(|| refused("a reference"))
            } else {
                self.scheme.get(&cpu, count)
            };
            let _ = self.scheme.put(&cpu, count, token);
        }
    }
}

/// `std::sync::Arc`, which is measured and not explored: it is not made of `prim`.
struct Arcs(Arc<u64>);

impl Pairs for Arcs {
    #[inline(never)]
    fn run(&self, _thread: usize, pairs: u64) {
        for _ in 0..pairs {
            drop(Arc::clone(opaque(&self.0)));
        }
    }
}

/// One locked addition each way, written down with `std` atomics: what the trait and `prim` must not add to.
struct ByHand(AtomicI32);

impl Pairs for ByHand {
    #[inline(never)]
    fn run(&self, _thread: usize, pairs: u64) {
        for _ in 0..pairs {
            let count = opaque(&self.0);
            count.fetch_add(1, Relaxed);
            if count.fetch_sub(1, Release) == 1 {
                fence(Acquire);
            }
        }
    }
}

/// Two ways on as many threads.
pub(super) struct Contest {
    subject: Box<dyn Pairs>,
    floor: Box<dyn Pairs>,
    threads: usize,
    processors: Vec<usize>,
}

impl Contest {
    pub(super) fn between(
        subject: Box<dyn Pairs>,
        floor: Box<dyn Pairs>,
        threads: usize,
    ) -> Result<Box<dyn Workload>, BuildError> {
        let processors = allowed_processors();
        if processors.len() < threads {
            return Err(BuildError("needs two processors".to_owned()));
        }
        Ok(Box::new(Self { subject, floor, threads, processors }))
    }

    fn against<F: Scheme>(
        subject: Box<dyn Pairs>,
        shape: Shape,
    ) -> Result<Box<dyn Workload>, BuildError> {
        Self::between(subject, Box::new(Counted::<F>::new(shape)?), shape.threads)
    }

    fn of<S: Scheme, F: Scheme>(shape: Shape) -> Result<Box<dyn Workload>, BuildError> {
        Self::against::<F>(Box::new(Counted::<S>::new(shape)?), shape)
    }
}

impl Workload for Contest {
    fn measure(&mut self, side: Side, iterations: u64) -> f64 {
        let pairs = match side {
            Side::Subject => &*self.subject,
            Side::Floor => &*self.floor,
        };
        let work = |thread, iterations| pairs.run(thread, iterations);
        let times = together(self.threads, &self.processors, iterations, work);
        let total: f64 = times.iter().map(|elapsed| per_iteration(*elapsed, iterations)).sum();
        total / self.threads as f64
    }
}

pub(super) fn row(
    name: impl Into<Cow<'static, str>>,
    floor: &'static str,
    build: fn() -> Result<Box<dyn Workload>, BuildError>,
) -> Row {
    Row { name: name.into(), floor, unit: UNIT, limit: Limit::at_most(&[]), build }
}

/// A shape with the floor that belongs to it.
trait Setting: 'static {
    type Floor: Scheme;
    const SHAPE: Shape;
    const HOW: &'static str;
    const FLOOR: &'static str;
}

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident $shape:ident, $how:literal: $floor:ty, $words:literal;)+) => {$(
        $(#[$doc])*
        enum $name {}

        impl Setting for $name {
            type Floor = $floor;
            const SHAPE: Shape = $shape;
            const HOW: &'static str = $how;
            const FLOOR: &'static str = $words;
        }
    )+};
}

settings! {
    /// What a count costs at least, to one thread.
    Least ALONE, "1 thread": Plain, "a load and a store each way";
    /// What is argued about, to one thread that finds one reference.
    Single ALONE, "count 1, 1 thread": Add, "one locked addition each way";
    /// The same, where many are out.
    Several ALONE_SEVERAL, "count 17, 1 thread": Add, "one locked addition each way";
    /// Two threads on one object.
    Contended TOGETHER, "2 threads": Add, "one locked addition each way, 2 threads";
}

/// Rows of schemes in one setting.
struct Rows<T>(Vec<(Group, Row)>, PhantomData<T>);

impl<T: Setting> Rows<T> {
    fn scheme<S: Scheme>(group: &str) -> Row {
        let name = format!("{group}{}, {}", S::NAME, T::HOW);
        row(name, T::FLOOR, || Contest::of::<S, T::Floor>(T::SHAPE))
    }

    /// All but what is a floor, those that may be ranked together side by side.
    fn all() -> Vec<Row> {
        let mut rows = Self(Vec::new(), PhantomData);
        kinds::each(&mut rows);
        let name = format!("{}: std Arc, {}", Group::ZeroAtPut.name(), T::HOW);
        let arc = row(name, T::FLOOR, || {
            Contest::against::<T::Floor>(Box::new(Arcs(Arc::new(0))), T::SHAPE)
        });
        rows.0.push((Group::ZeroAtPut, arc));
        rows.0.sort_by_key(|(group, _)| *group);
        rows.0.into_iter().map(|(_, row)| row).collect()
    }

    /// The four variants of the argument.
    fn of_the_argument() -> [Row; 4] {
        [
            Self::scheme::<Cas>(""),
            Self::scheme::<Guess>(""),
            Self::scheme::<FrozenRead>(""),
            Self::scheme::<Frozen>(""),
        ]
    }
}

impl<T: Setting> Visit for Rows<T> {
    fn visit<S: Scheme>(&mut self) {
        let group = S::CAPS.group();
        if S::CAPS.is_shared() && S::NAME != T::Floor::NAME {
            self.0.push((group, Self::scheme::<S>(&format!("{}: ", group.name()))));
        }
    }
}

/// Every scheme.
pub(super) fn refcounts() -> Vec<Row> {
    [Rows::<Least>::all(), Rows::<Contended>::all()].concat()
}

/// The four variants of the argument.
pub(super) fn folio_try_get() -> Vec<Row> {
    let variants = [
        Rows::<Single>::of_the_argument(),
        Rows::<Several>::of_the_argument(),
        Rows::<Contended>::of_the_argument(),
    ];
    variants.concat()
}

/// A row for a scheme of the caller's own: two threads on one object, against one locked addition each way.
#[must_use]
pub fn against_add<S: Scheme>() -> Row {
    row(S::NAME, "one locked addition each way, 2 threads", || Contest::of::<S, Add>(TOGETHER))
}

/// Runs so many pairs on one thread.
pub type RunPairs = fn(u16) -> Result<(), BuildError>;

/// Every scheme's pair, for counting its instructions, and one written by hand.
#[must_use]
pub fn counted_pairs() -> Vec<(String, RunPairs)> {
    struct Each(Vec<(String, RunPairs)>);
    impl Visit for Each {
        fn visit<S: Scheme>(&mut self) {
            let run: RunPairs = |times| {
                Counted::<S>::new(ALONE)?.run(0, times.into());
                Ok(())
            };
            self.0.push((format!("get+put, {}", S::NAME), run));
        }
    }
    let mut each = Each(Vec::new());
    kinds::each(&mut each);
    let Each(mut pairs) = each;
    pairs.push(("get+put, std Arc".to_owned(), |times| {
        Arcs(Arc::new(0)).run(0, times.into());
        Ok(())
    }));
    pairs.push(("get+put, atomic add by hand".to_owned(), |times| {
        ByHand(AtomicI32::new(1)).run(0, times.into());
        Ok(())
    }));
    pairs
}

/// The contended floor against itself; uncontended where there is one processor.
pub(super) fn controls() -> Vec<Row> {
    vec![row(NULL, "itself", || {
        Contest::of::<Add, Add>(TOGETHER).or_else(|_| Contest::of::<Add, Add>(ALONE))
    })]
}
