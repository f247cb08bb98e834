//! The schemes, one idea a file, and a way to do something with each of them.
//!
//! | file | idea |
//! |---|---|
//! | [`word`] | what schemes of one word share |
//! | [`plain`] | a load and a store: what no count is cheaper than |
//! | [`add`] | one locked instruction each way |
//! | [`cas`] | `folio_try_get` today: look, then compare and exchange |
//! | [`guess`] | the same, and the first look is a guess: one |
//! | [`frozen`], [`frozen_read`] | add, and ask afterwards: a bit says that the page is frozen |
//! | [`refcount`] | `refcount_t`: leaks rather than wraps |
//! | [`rcuref`] | zones of one word, a sign decides |
//! | [`lockref`] | a lock and a count in one word |
//! | [`snzi`] | a tree of counts of which only the root knows zero |
//! | [`striped`] | a count for each CPU, nobody sees zero |
//! | [`closed`] | a count for each CPU that can be closed |
//! | [`percpu`] | a plain count for each CPU, closed by a grace period: `percpu_ref` |
//! | [`one_writer`] | a plain count for each CPU, whose writer looks afterwards |
//! | [`paygo`] | a table of counts for each CPU, and an anchor |
//! | [`biased`] | a plain count for the owner, a shared one for everybody else |
//! | [`refcache`] | differences that each CPU keeps to itself for a while |
//! | [`epoch`], [`hazard`] | no count at all: users are waited for ([`pinned`] is what they share) |

pub mod add;
pub mod biased;
pub mod cas;
pub mod closed;
pub mod epoch;
pub mod frozen;
pub mod frozen_read;
pub mod guess;
pub mod hazard;
pub mod lockref;
pub mod one_writer;
pub mod paygo;
pub mod percpu;
pub mod pinned;
pub mod plain;
pub mod rcuref;
pub mod refcache;
pub mod refcount;
pub(crate) mod rows;
pub mod snzi;
pub mod striped;
pub mod word;

use crate::scheme::Scheme;

/// Something to do with a scheme, whichever it is.
pub trait Visit {
    /// Does it.
    fn visit<S: Scheme>(&mut self);
}

/// Visits every scheme, in the order of reports.
pub fn each(visit: &mut impl Visit) {
    visit.visit::<plain::Plain>();
    visit.visit::<add::Add>();
    visit.visit::<cas::Cas>();
    visit.visit::<guess::Guess>();
    visit.visit::<frozen_read::FrozenRead>();
    visit.visit::<frozen::Frozen>();
    visit.visit::<refcount::Refcount>();
    visit.visit::<rcuref::Rcuref>();
    visit.visit::<lockref::Lockref>();
    visit.visit::<snzi::Snzi>();
    visit.visit::<striped::Striped>();
    visit.visit::<closed::Closed>();
    visit.visit::<percpu::Percpu>();
    visit.visit::<one_writer::OneWriter>();
    visit.visit::<paygo::Paygo>();
    visit.visit::<biased::Biased>();
    visit.visit::<refcache::Refcache>();
    visit.visit::<epoch::Epoch>();
    visit.visit::<hazard::Hazard>();
}
