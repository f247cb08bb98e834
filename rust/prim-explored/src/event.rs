//! Whether steps count here, and events that nobody decides on.

use core::panic::Location;

use pgmap_sched::{self as sched, Effect, Object, Step, Verb};

pub(crate) type Site = &'static Location<'static>;

/// Is this code of a task whose steps count?
#[inline]
pub(crate) fn in_task() -> bool {
    sched::running() && !std::thread::panicking()
}

/// An event without a decision. Caller: [`in_task`].
pub(crate) fn record(verb: Verb, effect: Effect, object: Object, site: Site) {
    sched::record(Step { verb, object, effect, site });
}
