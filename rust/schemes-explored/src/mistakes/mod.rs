//! Schemes with a planted mistake, and for each the promise that it breaks and the fewest preemptions that show it.
//!
//! They are what somebody could write: a look and a change that are not one step, a repair that is too eager, a
//! grace period left out, a race that the kernel once had. That the explorer finds each says what its silence
//! about the right ones is worth; that it finds none below its bound, that the bound is the least.

mod cells;
mod frozen;
mod pins;
mod tables;
mod ungraceful;
mod words;

use crate::kinds::refcache::Patient;
use crate::kinds::word::OneWord;
use crate::promise::{
    Borrowed, Destroys, Frozen, Killed, LastPut, NextLife, Promise, Retired, Reviewed, Speculators,
    Summed,
};
use crate::scheme::Scheme;
use crate::search::{Memory, Verdict, keeps, keeps_on};

use cells::{BlindKill, LateSweep, NoBarrier, NoGrace, SumAtPut, TakenBack};
use frozen::{BareZero, BlindRepair, BoldPut, EarlyUnfreeze, PlainZero};
use pins::{LooksFirst, Pinned, Unfenced, WaitsFirst};
use tables::{SaidLate, Wandering};
use ungraceful::{Reread, Ungraceful};
use words::{BoldGuess, HalfInit, LookFirst, LookThenAdd, OnTheAdd, StoredPut};

/// What a scheme is called that nobody is to use.
const A_MISTAKE: &str = "a planted mistake";

/// A planted mistake.
#[derive(Clone, Copy, Debug)]
pub struct Mistake {
    /// What is wrong, in a few words.
    pub what: &'static str,
    /// The fewest preemptions of an order that shows it.
    pub preemptions: u32,
    /// What is seen.
    pub why: &'static str,
    /// Searches it.
    pub search: fn(u32) -> Verdict,
}

fn of<S: Scheme>(promise: impl Promise, bound: u32) -> Verdict {
    keeps::<S, _>(promise, bound)
}

/// Where stores wait as on x86: no order of sequentially consistent memory shows it.
fn buffered<S: Scheme>(promise: impl Promise, bound: u32) -> Verdict {
    keeps_on::<S, _>(Memory::Buffered, promise, bound)
}

const PAGE: NextLife = NextLife { destroys: Destroys::AsThePageSays };
const CALLER: NextLife = NextLife { destroys: Destroys::AsTheCallerKnew };

/// Each with what shows it.
pub const MISTAKES: &[Mistake] = &[
    Mistake {
        what: "plain loads and stores on a shared object",
        preemptions: 2,
        why: "a reference was lost",
        search: |bound| of::<OneWord<StoredPut>>(Summed, bound),
    },
    Mistake {
        what: "a put that looks for the last reference before it subtracts",
        preemptions: 1,
        why: "nobody was told of the last put",
        search: |bound| of::<OneWord<LookFirst>>(LastPut, bound),
    },
    Mistake {
        what: "a speculative get that adds without asking",
        preemptions: 0,
        why: "a reference on a freed object",
        search: |bound| of::<OneWord<OnTheAdd>>(Speculators, bound),
    },
    Mistake {
        what: "a speculative get that looks and then adds",
        preemptions: 1,
        why: "a reference on a freed object",
        search: |bound| of::<OneWord<LookThenAdd>>(Speculators, bound),
    },
    Mistake {
        what: "a guess of one that goes on from a zero that it found",
        preemptions: 0,
        why: "a reference on a freed object",
        search: |bound| of::<OneWord<BoldGuess>>(Speculators, bound),
    },
    Mistake {
        what: "a new life that is opened before it has its reference",
        preemptions: 1,
        why: "a reference on a freed object",
        search: |bound| of::<OneWord<HalfInit>>(PAGE, bound),
    },
    Mistake {
        what: "frozen bit: the type to destroy is what the caller knew (June 2026)",
        preemptions: 2,
        why: "destroyed as what it no longer is",
        search: |bound| of::<crate::kinds::frozen::Frozen>(CALLER, bound),
    },
    Mistake {
        what: "frozen bit: a refused get takes its one off again",
        preemptions: 2,
        why: "a count that is not zero at the end",
        search: |bound| of::<OneWord<BlindRepair>>(PAGE, bound),
    },
    Mistake {
        what: "frozen bit: the last put does not ask whether it still is",
        preemptions: 1,
        why: "freed twice",
        search: |bound| of::<OneWord<BoldPut>>(Speculators, bound),
    },
    Mistake {
        what: "frozen bit: the last put leaves zero behind",
        preemptions: 0,
        why: "a reference on a freed object",
        search: |bound| of::<OneWord<BareZero>>(Speculators, bound),
    },
    Mistake {
        what: "frozen bit: a free path stores a plain zero",
        preemptions: 0,
        why: "a reference on a freed object",
        search: |bound| of::<OneWord<PlainZero>>(PAGE, bound),
    },
    Mistake {
        what: "frozen bit: cleared before the count is stored",
        preemptions: 1,
        why: "freed under a reference",
        search: |bound| of::<OneWord<EarlyUnfreeze>>(Frozen, bound),
    },
    Mistake {
        what: "rcuref: a put that reads the word again (before January 2025)",
        preemptions: 1,
        why: "a warning",
        search: |bound| of::<Reread>(Speculators, bound),
    },
    Mistake {
        what: "rcuref without a grace period before the next life",
        preemptions: 3,
        why: "a life did not end",
        search: |bound| of::<Ungraceful<crate::kinds::rcuref::Rcuref>>(PAGE, bound),
    },
    Mistake {
        what: "lockref without a grace period before the next life",
        preemptions: 4,
        why: "a life did not end",
        search: |bound| of::<Ungraceful<crate::kinds::lockref::Lockref>>(PAGE, bound),
    },
    Mistake {
        what: "percpu counts that are added up at a put",
        preemptions: 1,
        why: "freed twice",
        search: |bound| of::<SumAtPut>(LastPut, bound),
    },
    Mistake {
        what: "a kill that reads a cell and then closes it",
        preemptions: 1,
        why: "nobody was told of the last put",
        search: |bound| of::<LateSweep>(Killed, bound),
    },
    Mistake {
        what: "a kill that takes the bias out before all cells are in",
        preemptions: 2,
        why: "freed under a reference",
        search: |bound| of::<BlindKill>(Killed, bound),
    },
    Mistake {
        what: "percpu_ref without its grace period",
        preemptions: 1,
        why: "nobody was told of the last put",
        search: |bound| of::<NoGrace>(Killed, bound),
    },
    Mistake {
        what: "one writer: what a kill has counted is taken back",
        preemptions: 1,
        why: "a count that is not zero at the end",
        search: |bound| of::<TakenBack>(Killed, bound),
    },
    Mistake {
        what: "one writer: no barrier between the cell and the look (x86)",
        preemptions: 1,
        why: "nobody was told of the last put",
        search: |bound| buffered::<NoBarrier>(Killed, bound),
    },
    Mistake {
        what: "paygo: a put counts where it is, not where the get did",
        preemptions: 0,
        why: "nobody was told of the last put",
        search: |bound| of::<Wandering>(Killed, bound),
    },
    Mistake {
        what: "biased: the owner adds up, and then says so",
        preemptions: 2,
        why: "no review found the end",
        search: |bound| of::<SaidLate>(Borrowed, bound),
    },
    Mistake {
        what: "refcache: a zero is believed at once",
        preemptions: 0,
        why: "freed under a reference",
        search: |bound| of::<Patient<0>>(Reviewed, bound),
    },
    Mistake {
        what: "refcache: a zero is believed after one epoch",
        preemptions: 1,
        why: "freed under a reference",
        search: |bound| of::<Patient<1>>(Borrowed, bound),
    },
    Mistake {
        what: "a hazard pointer that is set after the look",
        preemptions: 1,
        why: "a reference on a freed object",
        search: |bound| of::<Pinned<LooksFirst>>(Retired, bound),
    },
    Mistake {
        what: "a hazard pointer without a barrier before the look (x86)",
        preemptions: 1,
        why: "freed before a use of it was seen",
        search: |bound| buffered::<Pinned<Unfenced>>(Retired, bound),
    },
    Mistake {
        what: "epochs: a kill that waits before it says that the object is gone",
        preemptions: 2,
        why: "a kill left a user behind",
        search: |bound| of::<Pinned<WaitsFirst>>(Retired, bound),
    },
];
