//! Reference-count schemes against each other: gets and puts of one object, alone and on two threads.
//!
//! | suite | rows | floor |
//! |---|---|---|
//! | `refcount` | every scheme, on one thread | a load and a store each way |
//! | `refcount` | every scheme that may be shared, two threads on one object | one locked addition each way |
//! | `folio-try-get` | the four ways to `folio_try_get`, alone with 1 and with 17 references, and on two threads | the same |
//!
//! A get is speculative where the scheme has such a thing, because that is what the argument is about. Two threads start
//! together and keep their load on until both have finished; the figure is their mean. The null rows are
//! the floors against themselves, in the same rounds: where one is off, what is measured against that floor means
//! nothing.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicI32,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

use pgmap_prim::measure::opaque;
use pgmap_prim::{Arena, Lease, Machine, TaskId};
use pgmap_schemes::kinds::{
    self, Visit, add::Add, cas::Cas, frozen::Frozen, frozen_read::FrozenRead, guess::Guess,
    plain::Plain,
};
use pgmap_schemes::scheme::{Group, Scheme, Speculates};

use crate::bench::contest::{Contest, Make, Pairs};
use crate::bench::refs::{ITSELF, NULL, refused};
use crate::bench::workload::{BuildError, Limit, Row, Workload};

/// Room for one object of any scheme.
const ROOM: usize = 1 << 12;
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

    fn boxed(shape: Shape) -> Result<Box<dyn Pairs>, BuildError> {
        Ok(Box::new(Self::new(shape)?))
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
struct Arcs(Arc<Line>);

/// What is counted, on a page of its own, so that no two of them lie close to each other.
#[repr(align(4096))]
struct Line;

impl Arcs {
    fn new() -> Self {
        Self(Arc::new(Line))
    }
}

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

/// Something against a floor.
fn against<F: Scheme>(subject: Make<'_>, shape: Shape) -> Result<Box<dyn Workload>, BuildError> {
    Contest::on_one_object(subject, &|| Counted::<F>::boxed(shape), shape.threads)
}

/// A scheme against a floor.
fn contest<S: Scheme, F: Scheme>(shape: Shape) -> Result<Box<dyn Workload>, BuildError> {
    against::<F>(&|| Counted::<S>::boxed(shape), shape)
}

pub(super) fn row(
    name: impl Into<Cow<'static, str>>,
    floor: impl Into<Cow<'static, str>>,
    build: fn() -> Result<Box<dyn Workload>, BuildError>,
) -> Row {
    Row { name: name.into(), floor: floor.into(), unit: UNIT, limit: Limit::at_most(&[]), build }
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
        row(name, T::FLOOR, || contest::<S, T::Floor>(T::SHAPE))
    }

    /// All but what is a floor, those that may be ranked together side by side.
    fn all() -> Vec<Row> {
        let mut rows = Self(Vec::new(), PhantomData);
        kinds::each(&mut rows);
        let name = format!("{}: std Arc, {}", Group::ZeroAtPut.name(), T::HOW);
        let arc =
            row(name, T::FLOOR, || against::<T::Floor>(&|| Ok(Box::new(Arcs::new())), T::SHAPE));
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
    row(S::NAME, "one locked addition each way, 2 threads", || contest::<S, Add>(TOGETHER))
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
        Arcs::new().run(0, times.into());
        Ok(())
    }));
    pairs.push(("get+put, atomic add by hand".to_owned(), |times| {
        ByHand(AtomicI32::new(1)).run(0, times.into());
        Ok(())
    }));
    pairs
}

/// A floor against itself.
pub(super) fn null(
    floor: impl Into<Cow<'static, str>>,
    build: fn() -> Result<Box<dyn Workload>, BuildError>,
) -> Row {
    row(NULL, floor, build)
}

fn null_of<T: Setting>() -> Row {
    null(T::FLOOR, || contest::<T::Floor, T::Floor>(T::SHAPE))
}

/// The floors of every scheme's rows.
pub(super) fn controls() -> Vec<Row> {
    vec![null_of::<Least>(), null_of::<Contended>()]
}

/// The floors of the argument's rows.
pub(super) fn controls_of_the_argument() -> Vec<Row> {
    vec![null_of::<Single>(), null_of::<Contended>()]
}

/// One thread's locked additions, for rows whose floors have no null row of their own.
pub(super) fn general_control() -> Vec<Row> {
    vec![null(ITSELF, || contest::<Add, Add>(ALONE))]
}
