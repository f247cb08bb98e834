//! Classes of waits as the scheduler carries them: a name, and a number that says with what such a wait ends.

use pgmap_sched as sched;

use crate::{Ends, WaitClass};

const EVENT: u8 = 0;
const SECTIONS: u8 = 1;
/// That of the outermost lock; the others follow, ranks are below
/// [`LockClass::RANKS`](crate::LockClass::RANKS).
const LOCK: u8 = 2;

/// The class, for the scheduler.
pub(crate) fn number(class: WaitClass) -> sched::WaitClass {
    let number = match class.ends {
        Ends::WithEvent => EVENT,
        Ends::WithSections => SECTIONS,
        Ends::WithLock { rank } => LOCK + rank,
    };
    sched::WaitClass { name: class.name, number }
}

impl WaitClass {
    /// The class that a blocked task waits in. The scheduler's own, a busy-wait, waits for an event.
    #[must_use]
    pub fn of(class: sched::WaitClass) -> Self {
        let ends = match class.number {
            EVENT => Ends::WithEvent,
            SECTIONS => Ends::WithSections,
            lock => Ends::WithLock { rank: lock - LOCK },
        };
        Self { name: class.name, ends }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LockClass;

    #[test]
    fn a_class_comes_back_from_the_scheduler_as_it_was() {
        let locks = (0..LockClass::RANKS).map(|rank| LockClass::new("lock", rank).waits);
        let others = [WaitClass::event("event"), WaitClass::sections("sections")];
        for class in others.into_iter().chain(locks) {
            assert_eq!(WaitClass::of(number(class)), class);
        }
    }
}
