//! Every outcome of a few lines.
#![allow(dead_code, reason = "each test uses some of it")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use pgmap_prim_weak::Cpu;
use pgmap_prim_weak::model::{Model, Verdict, explore};

/// What is there at first, and what each of two tasks does and returns.
pub(crate) struct Litmus<S> {
    pub(crate) start: fn() -> S,
    pub(crate) tasks: [fn(&S) -> u32; 2],
}

type Seen = Arc<Mutex<BTreeSet<[u32; 2]>>>;

struct Watched<S> {
    litmus: Litmus<S>,
    seen: Seen,
}

impl<S: Send + Sync + 'static> Model for Watched<S> {
    type State = (S, Mutex<[u32; 2]>);
    const TASKS: u32 = 2;

    fn start(&self, _: &Cpu<'_>) -> Self::State {
        ((self.litmus.start)(), Mutex::default())
    }

    fn run(&self, (state, returned): &Self::State, _: &Cpu<'_>, task: u32) {
        let value = (self.litmus.tasks[task as usize])(state);
        returned.lock().unwrap_or_else(PoisonError::into_inner)[task as usize] = value;
    }

    fn finish(&self, (_, returned): &Self::State, _: &Cpu<'_>) {
        let returned = *returned.lock().unwrap_or_else(PoisonError::into_inner);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(returned);
    }
}

/// What the two tasks return, over every execution, in order.
pub(crate) fn outcomes<S: Send + Sync + 'static>(litmus: Litmus<S>) -> Vec<[u32; 2]> {
    let seen = Seen::default();
    let verdict = explore(Watched { litmus, seen: Arc::clone(&seen) }, None);
    assert!(matches!(verdict, Verdict::Held { .. }), "{verdict:?}");
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.iter().copied().collect()
}
