//! Killing a percpu ref (K§1.4): no reference is lost between its per-CPU counters and its shared count,
//! the release comes exactly once, after the last put, and sees everything that was done under a reference.

use std::sync::Arc;

use pgmap_mm_weak::percpu_ref::{Confirm, Init, PercpuRefs, Put, RefId, Switched};
use prim::model::Model;
use prim::{Arena, AtomicU32, Cpu, Strength};
use program::Rules;
use program::rules::Barrier;

use crate::rig::Happened;

/// Task 0 kills the ref and finishes the switch; task 1 takes a reference, uses the object, and puts.
pub(crate) struct KillAndUse {
    pub(crate) rules: Rules,
}

pub(crate) struct State {
    refs: PercpuRefs,
    id: RefId,
    /// What the ref protects.
    object: AtomicU32,
    used: Happened,
    put: Happened,
    released: Arc<Happened>,
}

impl State {
    fn release(&self) {
        assert_eq!(self.used.times(), self.put.times(), "released under a reference");
        assert_eq!(self.object.read(), self.used.times(), "released before a use was seen");
        self.released.now();
    }
}

impl Model for KillAndUse {
    type State = State;
    const TASKS: u32 = 2;

    fn start(&self, cpu: &Cpu<'_>) -> State {
        let arena = Arena::new(0).expect("no limit");
        let how = Strength::relaxed_if(|| self.rules.percpu_put == Barrier::Relaxed);
        let refs = PercpuRefs::new(&arena, Self::TASKS as usize, 1).expect("no limit").putting(how);
        let id = refs.init(cpu, Init::Percpu).expect("room");
        let object = AtomicU32::new(0);
        State {
            refs,
            id,
            object,
            used: Happened::default(),
            put: Happened::default(),
            released: Arc::default(),
        }
    }

    fn run(&self, state: &State, cpu: &Cpu<'_>, task: u32) {
        let State { refs, id, object, used, put, .. } = state;
        if task == 0 {
            assert_eq!(refs.kill_and_confirm(cpu, *id, Confirm::NONE), Put::Alive);
            refs.run_switches(cpu, |switched| {
                assert_eq!(switched, Switched::Released(*id));
                state.release();
            });
        } else if refs.tryget_live(cpu, *id) {
            object.set(1);
            used.now();
            put.now();
            if refs.put_many(cpu, *id, 1) == Put::Zero {
                state.release();
            }
        }
    }

    fn finish(&self, state: &State, cpu: &Cpu<'_>) {
        assert_eq!(state.released.times(), 1);
        assert_eq!(state.refs.ledger(state.id), 0);
        assert!(!state.refs.tryget_many(cpu, state.id, 1), "zero is the end");
    }
}
