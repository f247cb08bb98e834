//! What each primitive costs, as a ratio to a floor measured in the same round.
//!
//! Absolute times mean little on a shared machine: the same loop is 1.5 times slower a minute later. So
//! a row is a quotient. Its floor is the bare atomics (or loads and stores) that no implementation of the
//! same thing can do without, written down with `std` atomics and nothing of ours.
//!
//! * **Rounds.** In each round every row, in a fresh random order, is measured as floor, subject,
//!   subject, floor (or the mirror image): a drift during the row hits both alike. The row's ratio in
//!   that round is the quotient of the two sums; the report is the median of the ratios with quartiles,
//!   over at least [`ROUNDS_MIN`] rounds.
//! * **Slices** last a fraction of a millisecond, shorter than a scheduler's time slice, so that a
//!   preempted one is an outlier that the median drops.
//! * **Memory** is touched before it is measured and every object has cache lines of its own.
//! * **The compiler** knows nothing about what it is given ([`pgmap_prim::measure::opaque`]); subject and floor
//!   are opaque at the same places.
//! * **Threads** are bound to processors while they measure.
//! * **Null rows**, floors measured against themselves, say how far the quotients can be trusted.
//!
//! | file | holds |
//! |---|---|
//! | `workload` | what a row is made of |
//! | `words` | the floors: padded words, and the loops over them |
//! | `refs` | page references, percpu references |
//! | `gup` | taking pages by address, on one and on two threads |
//! | `alloc` | `pgmap_alloc_folios` |
//! | `pools`, `peers` | the same beside allocators of the usual shapes |
//! | `contest` | two ways on threads, at many places in memory |
//! | `refcounts` | reference-count schemes against each other |
//! | `loads`, `draws`, `kills` | the same under other loads than pairs on one object |
//! | `memory` | bytes of a count |
//! | `policy` | how many page references to one pagemap reference |
//! | `latency` | how long kills take |
//! | `checks` | the same operations with and without the oracle |
//! | `counted` | the hottest operations alone, for counting instructions |
//! | `stats` | medians, quartiles, the order of a round |
//! | `run` | rounds in a thread of their own, watched from outside |
//! | `host` | what this machine is |

mod alloc;
mod checks;
mod contest;
mod counted;
mod draws;
mod gup;
mod host;
mod kills;
mod latency;
mod load;
mod loads;
mod memory;
mod peers;
mod policy;
mod pools;
mod refcounts;
mod refs;
mod run;
mod stats;
mod together;
mod words;
mod workload;

pub use counted::Counted;
pub use host::Host;
pub use latency::{Kills, Percentiles, kills, timer_floor};
pub use memory::{Bytes, Footprint, footprints};
pub use refcounts::{RunPairs, against_add, counted_pairs};
pub use run::{BenchRun, Config, Glance, ROUNDS_MIN, Report, RowReport, Suite, rows};
pub use stats::Spread;
pub use workload::{BuildError, Limit, Row, Sense, Side, Workload};
