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

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

use pgmap_prim::measure::{allowed_processors, opaque, pin_thread};
use pgmap_prim::{Arena, Lease, Machine, TaskId};
use pgmap_schemes::kinds::{
    add::Add, cas::Cas, closed::Closed, frozen::Frozen, frozen_read::FrozenRead, guess::Guess,
    lockref::Lockref, percpu::Percpu, plain::Plain, rcuref::Rcuref, refcount::Refcount, snzi::Snzi,
    striped::Striped,
};
use pgmap_schemes::scheme::{Scheme, Speculates};

use crate::bench::refs::{NULL, refused};
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

/// A way to get and put one object.
trait Pairs: Send + Sync {
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

/// Two ways in one shape.
struct Contest {
    subject: Box<dyn Pairs>,
    floor: Box<dyn Pairs>,
    shape: Shape,
    processors: Vec<usize>,
}

impl Contest {
    fn against<F: Scheme>(
        subject: Box<dyn Pairs>,
        shape: Shape,
    ) -> Result<Box<dyn Workload>, BuildError> {
        let processors = allowed_processors();
        if processors.len() < shape.threads {
            return Err(BuildError("needs two processors".to_owned()));
        }
        let floor = Box::new(Counted::<F>::new(shape)?);
        Ok(Box::new(Self { subject, floor, shape, processors }))
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
        let threads = self.shape.threads;
        let (ready, finished) = (&AtomicUsize::new(0), &AtomicUsize::new(0));
        let one = |thread: usize| {
            ready.fetch_add(1, SeqCst);
            while ready.load(SeqCst) < threads {
                core::hint::spin_loop();
            }
            let start = Instant::now();
            pairs.run(thread, iterations);
            let elapsed = start.elapsed();
            finished.fetch_add(1, SeqCst);
            // Who ended first would leave the other in peace.
            while finished.load(SeqCst) < threads {
                pairs.run(thread, 64);
            }
            per_iteration(elapsed, iterations)
        };
        let total: f64 = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads)
                .map(|thread| {
                    let (one, processor) = (&one, self.processors[thread]);
                    scope.spawn(move || {
                        // Unbound threads measure too, with more noise.
                        pin_thread(processor);
                        one(thread)
                    })
                })
                .collect();
            let mine = one(0);
            mine + others.into_iter().filter_map(|other| other.join().ok()).sum::<f64>()
        });
        total / threads as f64
    }
}

const fn row(
    name: &'static str,
    floor: &'static str,
    build: fn() -> Result<Box<dyn Workload>, BuildError>,
) -> Row {
    Row { name, floor, unit: UNIT, limit: Limit::at_most(&[]), build }
}

/// A row for each scheme, called as it calls itself.
macro_rules! rows {
    ($group:literal, $how:literal, $floor:literal, $against:ty, $shape:ident: $($name:literal $scheme:ty),* $(,)?) => {
        [$({
            const { assert!(is_same($name, <$scheme as Scheme>::NAME)) };
            row(concat!($group, $name, $how), $floor, || Contest::of::<$scheme, $against>($shape))
        }),*]
    };
}

const fn is_same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// Every scheme.
pub(super) fn refcounts() -> Vec<Row> {
    let mut all = Vec::new();
    all.extend(rows! {
        "zero at put: ", ", 1 thread", "a load and a store each way", Plain, ALONE:
        "atomic add" Add, "cas unless zero" Cas, "cas, guess 1" Guess, "frozen bit, look first" FrozenRead,
        "frozen bit" Frozen, "refcount_t" Refcount, "rcuref" Rcuref, "lockref" Lockref, "snzi" Snzi,
    });
    all.push(row("zero at put: std Arc, 1 thread", "a load and a store each way", || {
        Contest::against::<Plain>(Box::new(Arcs(Arc::new(0))), ALONE)
    }));
    all.extend(rows! {
        "kill, then count: ", ", 1 thread", "a load and a store each way", Plain, ALONE:
        "percpu, closed cells" Closed, "percpu, grace period" Percpu,
    });
    all.extend(rows! {
        "count only: ", ", 1 thread", "a load and a store each way", Plain, ALONE:
        "striped counter" Striped,
    });
    all.extend(rows! {
        "zero at put: ", ", 2 threads", "one locked addition each way, 2 threads", Add, TOGETHER:
        "cas unless zero" Cas, "cas, guess 1" Guess, "frozen bit, look first" FrozenRead,
        "frozen bit" Frozen, "refcount_t" Refcount, "rcuref" Rcuref, "lockref" Lockref, "snzi" Snzi,
    });
    all.push(row(
        "zero at put: std Arc, 2 threads",
        "one locked addition each way, 2 threads",
        || Contest::against::<Add>(Box::new(Arcs(Arc::new(0))), TOGETHER),
    ));
    all.extend(rows! {
        "kill, then count: ", ", 2 threads", "one locked addition each way, 2 threads", Add, TOGETHER:
        "percpu, closed cells" Closed, "percpu, grace period" Percpu,
    });
    all.extend(rows! {
        "count only: ", ", 2 threads", "one locked addition each way, 2 threads", Add, TOGETHER:
        "striped counter" Striped,
    });
    all
}

/// The four variants of the argument.
pub(super) fn folio_try_get() -> Vec<Row> {
    [
        rows! {
            "", ", count 1, 1 thread", "one locked addition each way", Add, ALONE:
            "cas unless zero" Cas, "cas, guess 1" Guess, "frozen bit, look first" FrozenRead, "frozen bit" Frozen,
        },
        rows! {
            "", ", count 17, 1 thread", "one locked addition each way", Add, ALONE_SEVERAL:
            "cas unless zero" Cas, "cas, guess 1" Guess, "frozen bit, look first" FrozenRead, "frozen bit" Frozen,
        },
        rows! {
            "", ", 2 threads", "one locked addition each way, 2 threads", Add, TOGETHER:
            "cas unless zero" Cas, "cas, guess 1" Guess, "frozen bit, look first" FrozenRead, "frozen bit" Frozen,
        },
    ]
    .concat()
}

/// A row for a scheme of the caller's own: two threads on one object, against one locked addition each way.
#[must_use]
pub fn against_add<S: Scheme>() -> Row {
    row(S::NAME, "one locked addition each way, 2 threads", || Contest::of::<S, Add>(TOGETHER))
}

/// The contended floor against itself; uncontended where there is one processor.
pub(super) fn controls() -> Vec<Row> {
    vec![row(NULL, "itself", || {
        Contest::of::<Add, Add>(TOGETHER).or_else(|_| Contest::of::<Add, Add>(ALONE))
    })]
}
