//! Killing a percpu ref (K§1.4): no reference is lost between its per-CPU counters and its shared count,
//! the release comes exactly once, after the last put, and sees everything that was done under a reference.

use pgmap_mm_weak::percpu_ref::{Confirm, Init, PercpuRefs, Put, RefId, Switched};
use prim::model::Model;
use prim::{Arena, AtomicU32, Cpu, Strength};
use program::Rules;
use program::rules::Barrier;

use crate::fixture::Happened;

/// Three tasks: all orders are too many.
pub(crate) const PREEMPTIONS: usize = 2;

/// Task 0 kills the ref and finishes the switch; task 1 takes a reference, uses the object, and puts; task 2
/// uses the object under a reference that was taken on the CPU of task 0, and puts it on its own.
pub(crate) struct KillAndUse {
    pub(crate) rules: Rules,
}

pub(crate) struct State {
    refs: PercpuRefs,
    id: RefId,
    /// What the ref protects, a word for each user.
    object: [AtomicU32; 2],
    held: Happened,
    put: Happened,
    released: Happened,
}

impl State {
    fn use_and_put(&self, cpu: &Cpu<'_>, user: usize) {
        assert!(!self.released.yet(), "released under a reference");
        self.object[user].set(1);
        self.put.now();
        if self.refs.put_many(cpu, self.id, 1) == Put::Zero {
            self.release();
        }
    }

    fn release(&self) {
        assert_eq!(self.held.times(), self.put.times(), "released under a reference");
        let seen: u32 = self.object.iter().map(AtomicU32::read).sum();
        assert_eq!(self.held.times(), seen, "released before a use was seen");
        self.released.now();
    }
}

impl Model for KillAndUse {
    type State = State;
    const TASKS: u32 = 3;

    fn start(&self, cpu: &Cpu<'_>) -> State {
        let arena = Arena::new(0).expect("no limit");
        let how = Strength::relaxed_if(|| self.rules.percpu_put == Barrier::Relaxed);
        let refs = PercpuRefs::new(&arena, Self::TASKS as usize, 1).expect("no limit").putting(how);
        let id = refs.init(cpu, Init::Percpu).expect("room");
        refs.get_many(cpu, id, 1);
        let object = [AtomicU32::new(0), AtomicU32::new(0)];
        let (held, put, released) = Default::default();
        let state = State { refs, id, object, held, put, released };
        state.held.now();
        state
    }

    fn run(&self, state: &State, cpu: &Cpu<'_>, task: u32) {
        let State { refs, id, .. } = state;
        match task {
            0 => {
                assert_eq!(refs.kill_and_confirm(cpu, *id, Confirm::NONE), Put::Alive);
                refs.run_switches(cpu, |switched| {
                    assert_eq!(switched, Switched::Released(*id));
                    state.release();
                });
            }
            1 if refs.tryget_live(cpu, *id) => {
                state.held.now();
                state.use_and_put(cpu, 0);
            }
            1 => {}
            _ => state.use_and_put(cpu, 1),
        }
    }

    fn finish(&self, state: &State, cpu: &Cpu<'_>) {
        assert_eq!(state.released.times(), 1);
        assert_eq!(state.refs.ledger(state.id), 0);
        assert!(!state.refs.tryget_many(cpu, state.id, 1), "zero is the end");
    }
}
