//! Locks that were waited for in the wrong order, as a search met them: told beside its verdict.
//!
//! A wrong order is no failure of an execution: nobody has to be stuck, and what two tasks would need to get stuck
//! may be more than the search was asked for. It is a statement about two places of the protocol.

use std::collections::BTreeMap;

use pgmap_mm::world::Party;
use pgmap_prim::{Nesting, TaskId};
use serde::Serialize;

use crate::names;

/// One class of locks was waited for under another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Taken {
    /// What was held.
    pub outer: &'static str,
    /// The function that took it.
    pub outer_in: &'static str,
    /// What was waited for.
    pub inner: &'static str,
    /// The function that waited.
    pub inner_in: &'static str,
    /// Who: `w1 write`.
    pub by: String,
}

/// Two classes of locks that are taken against the order of `pgmap_mm::lock_order`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct WrongOrder {
    /// Against the order.
    pub wrong: Taken,
    /// In it, if the search met that, too.
    pub right: Option<Taken>,
}

impl Taken {
    fn of(nesting: &Nesting) -> Self {
        let Nesting { outer, outer_site, inner, inner_site, task: TaskId(task) } = nesting;
        let function = |site| names::function(site).unwrap_or("the set-up");
        Self {
            outer: outer.name(),
            outer_in: function(outer_site),
            inner: inner.name(),
            inner_in: function(inner_site),
            by: Party::of(*task).to_string(),
        }
    }

    fn classes(&self) -> (&'static str, &'static str) {
        (self.outer, self.inner)
    }
}

/// The wrong ones among what a machine has seen.
pub(crate) fn wrong_orders(nestings: &[Nesting]) -> Vec<WrongOrder> {
    let all: BTreeMap<_, _> = nestings
        .iter()
        .map(|nesting| ((nesting.outer.rank, nesting.inner.rank), nesting))
        .collect();
    let wrong = all.iter().filter(|(_, nesting)| nesting.is_wrong());
    let told = wrong.map(|(&(outer, inner), nesting)| WrongOrder {
        wrong: Taken::of(nesting),
        right: all.get(&(inner, outer)).map(|nesting| Taken::of(nesting)),
    });
    told.collect()
}

/// What two searches of one scenario met: each pair of classes once.
pub(crate) fn join(mine: &mut Vec<WrongOrder>, theirs: Vec<WrongOrder>) {
    for order in theirs {
        match mine.iter_mut().find(|known| known.wrong.classes() == order.wrong.classes()) {
            Some(known) => known.right = known.right.take().or(order.right),
            None => mine.push(order),
        }
    }
}
