//! A small world under the scheduler: operations run as tasks, executions are put back exactly, and
//! searching twice counts the same.

mod fixture;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use fixture::{FD, M, W0, lease, process, write};
use pgmap_mm_explored::region;
use pgmap_mm_explored::world::World;
use prim::{Arena, Entered, Machine, Snapshot, Subject};
use program::op::{
    Access, Advice, Align, Fork, Ftruncate, Layout, Longterm, Madvise, Munmap, Pin, Punch, Touch,
    Unpin, WorkerId,
};
use program::{Era, Geometry, Op};

use sched::{
    Control, Defect, Explorer, Failure, Judgement, Model, Outcome, Plan, Schedule, Task, Trace,
};

/// A world with one process that has a written file of four pages open and mapped, kept as it was
/// then. Each task executes its operations for that process.
struct OneProcess {
    world: World,
    machine: Arc<Machine>,
    arena: Arena,
    start: Snapshot,
    _entered: Entered,
    ops: Vec<Vec<Op>>,
    /// Compare every restore with the snapshot.
    suspicious: bool,
    /// Fingerprints of the worlds in which executions ended.
    ends: RefCell<BTreeSet<u64>>,
}

impl OneProcess {
    fn new(era: Era, ops: Vec<Vec<Op>>) -> Self {
        let geometry = Geometry::SMALL;
        let machine = Machine::new(geometry.cpus.into());
        let arena = Arena::new(World::reserve(&geometry)).expect("address space");
        let entered = arena.enter();
        let world = {
            let cpu = lease(&machine, 0);
            let world = World::new(&arena, &cpu, &geometry, era.rules()).expect("a world");
            process(&world, &cpu, 4, Layout::Contiguous, Align::Odd);
            write(&world, &cpu, 4);
            world
        };
        assert_eq!(machine.warnings(), []);
        let start = arena.snapshot();
        Self {
            world,
            machine,
            arena,
            start,
            _entered: entered,
            ops,
            suspicious: false,
            ends: RefCell::default(),
        }
    }

    fn search(&mut self, bound: u32) -> (Outcome, Explorer) {
        self.search_with(bound, Plan::default().cache_bytes)
    }

    fn search_with(&mut self, bound: u32, cache_bytes: usize) -> (Outcome, Explorer) {
        let mut explorer = Explorer::new();
        let plan = Plan { bound: Some(bound), cache_bytes, ..Plan::default() };
        let outcome =
            explorer.search(self, &plan, &mut |_, _| Judgement::Stop, &mut |_| Control::Go);
        (outcome, explorer)
    }
}

impl Model for OneProcess {
    fn tasks(&self) -> usize {
        self.ops.len()
    }

    fn reset(&mut self) {
        self.arena.restore(&self.start);
        self.machine.reset();
        if self.suspicious {
            assert_eq!(self.arena.differs(&self.start).map(|at| self.arena.locate(at)), None);
        }
    }

    fn run(&self, task: Task) {
        for op in &self.ops[usize::from(task.0)] {
            let cpu = lease(&self.machine, task.0.into());
            // What a call returns depends on the order; that it ends without complaint does not.
            let _ = self.world.execute(&cpu, W0, op);
        }
    }

    fn finish(&self) -> Result<(), Defect> {
        self.ends.borrow_mut().insert(self.arena.fingerprint());
        let defect = Defect { code: 0, object: 0, value: 0 };
        self.machine.warnings().is_empty().then_some(()).ok_or(defect)
    }
}

fn pin(page: u32) -> Vec<Op> {
    let pin =
        Op::Pin(Pin { map: M, page, pages: 1, longterm: Longterm::Short, access: Access::Read });
    vec![pin, Op::Unpin(Unpin { pin: None })]
}

fn truncate(pages: u32) -> Vec<Op> {
    vec![Op::Ftruncate(Ftruncate { file: FD, pages })]
}

fn read(page: u32) -> Vec<Op> {
    vec![Op::Touch(Touch { map: M, access: Access::Read, page, pages: 1 })]
}

#[test]
fn a_pin_and_a_truncation_are_explored_exhaustively_and_repeatably() {
    for bound in [0, 1] {
        let count = || {
            let mut model = OneProcess::new(Era::V6_15Sound, vec![pin(0), truncate(0)]);
            model.search(bound).0
        };
        let (first, second) = (count(), count());
        assert!(matches!(first, Outcome::Exhausted { .. }), "{first:?}");
        assert_eq!(first, second);
        let last = first.stats().last().expect("a bound");
        assert!(last.schedules > u64::from(bound), "{last:?}");
    }
}

#[test]
fn a_pin_that_is_kept_leaves_the_truncation_waiting_for_it() {
    let mut model = OneProcess::new(Era::V6_15Sound, vec![vec![pin(0)[0].clone()], truncate(0)]);
    let (outcome, _) = model.search(0);
    let Outcome::Found { failure: Failure::Deadlock { waits, .. }, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(
        (waits.len(), waits[0].task, waits[0].class.name),
        (1, Task(1), "page to become idle")
    );
}

#[test]
fn a_restore_of_what_was_written_is_a_restore_of_everything() {
    let ops = vec![truncate(0), vec![Op::Fork(Fork { child: WorkerId(1) })]];
    let mut model = OneProcess::new(Era::V6_15Sound, ops);
    model.suspicious = true;
    let (outcome, _) = model.search(1);
    assert!(matches!(outcome, Outcome::Exhausted { .. }), "{outcome:?}");
}

#[test]
fn executions_outside_a_run_find_the_world_as_it_was() {
    let mut model = OneProcess::new(Era::V6_15Sound, vec![truncate(0), read(1)]);
    let _ = model.search(1);
    model.reset();
    let cpu = lease(&model.machine, 0);
    assert_eq!(model.world.execute(&cpu, W0, &read(3)[0]), Ok(0));
    model.world.exit(&cpu, W0).expect("exit");
    assert_eq!(model.world.quiescence(&cpu), Vec::<String>::new());
}

#[test]
fn an_operation_needs_little_stack() {
    let mut model = OneProcess::new(Era::V6_15Sound, vec![pin(0), truncate(0)]);
    let (_, explorer) = model.search(0);
    assert!(explorer.stack_high_water() < 128 << 10, "{}", explorer.stack_high_water());
}

/// How executions of these tasks can end, and in how many executions that was found out.
fn ends(tasks: &[Vec<Op>], bound: u32, cache_bytes: usize) -> (BTreeSet<u64>, u64) {
    let mut model = OneProcess::new(Era::V6_15Sound, tasks.to_vec());
    let (outcome, _) = model.search_with(bound, cache_bytes);
    assert!(matches!(outcome, Outcome::Exhausted { .. }), "{tasks:?}: {outcome:?}");
    let points = outcome.stats().iter().map(|bound| bound.points).sum();
    (model.ends.take(), points)
}

#[test]
fn the_history_of_steps_tells_states_apart_so_pruning_loses_no_end() {
    let munmap = || vec![Op::Munmap(Munmap { map: M, range: None })];
    let punch = || vec![Op::Punch(Punch { file: FD, page: 1, pages: 2 })];
    let fork = || vec![Op::Fork(Fork { child: WorkerId(1) })];
    let drop_page = || {
        vec![Op::Madvise(Madvise { map: M, advice: Advice::DontNeed, page: 0 }), read(0).remove(0)]
    };
    let pairs = [
        [pin(0), truncate(0)],
        [pin(1), punch()],
        [pin(0), drop_page()],
        [fork(), truncate(0)],
        [fork(), munmap()],
        [read(1), punch()],
        [drop_page(), drop_page()],
        [truncate(1), truncate(3)],
    ];
    for tasks in pairs {
        let (pruned, fewer) = ends(&tasks, 1, Plan::default().cache_bytes);
        let (all, more) = ends(&tasks, 1, 0);
        assert_eq!(pruned, all, "{tasks:?}");
        assert!(fewer < more, "{tasks:?}");
    }
}

#[test]
fn every_word_of_a_trace_has_a_place_in_a_table() {
    let mut model = OneProcess::new(Era::V6_15Sound, vec![pin(0), truncate(0)]);
    let replayed =
        Explorer::new().replay(&mut model, &Schedule::default(), Trace::Keep, &mut || Control::Go);
    let subjects = replayed.trace.iter().map(|event| Subject::of(event.object));
    let words = subjects.filter_map(|subject| match subject {
        Subject::Word(offset) => model.arena.locate(offset as usize),
        other => {
            assert!(!matches!(other, Subject::Outside(_)), "not in the arena");
            None
        }
    });
    let pages = words.filter(|word| word.region.name == region::PAGE);
    let touched: BTreeSet<usize> = pages.map(|word| word.index).collect();
    assert!(touched.len() >= 4, "the four pages of the file: {touched:?}");
}
