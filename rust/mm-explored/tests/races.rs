//! Races that no program of the language reaches: threads of one process, calls below the system calls,
//! and what a call may see of another in its middle. Every interleaving with one preemption is run.

mod fixture;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use fixture::{F, FD, M, W0, lease, process};
use pgmap_mm_explored::page::Span;
use pgmap_mm_explored::world::World;
use prim::{Arena, Cpu, Entered, Machine, Snapshot, catch_abandon};
use program::op::{
    Align, Close, DioWrite, FdNo, FileRef, Fork, Layout, Load, Munmap, Open, OpenMode, Pwrite,
    Target, Unlink, WorkerId,
};
use program::{Era, Geometry};
use sched::{Control, Defect, Explorer, Failure, Judgement, Model, Outcome, Plan, Schedule, Task};

const W1: WorkerId = WorkerId(1);
const W2: WorkerId = WorkerId(2);

type Call = Box<dyn Fn(&World, &Cpu<'_>)>;

/// A world as its set-up left it, and calls that run in it at the same time.
struct Race {
    world: World,
    machine: Arc<Machine>,
    arena: Arena,
    start: Snapshot,
    _entered: Entered,
    calls: Vec<Call>,
    /// What must hold when all calls have returned.
    at_end: Call,
    /// What a call may wait for although nobody is left to end it.
    excused: &'static str,
    /// An assertion of the race's own did not hold.
    wrong: Rc<Cell<bool>>,
}

impl Race {
    fn new(set_up: impl Fn(&World, &Cpu<'_>)) -> Self {
        let geometry = Geometry::SMALL;
        let machine = Machine::new(geometry.cpus.into());
        let arena = Arena::new(World::reserve(&geometry)).expect("address space");
        let entered = arena.enter();
        let world = {
            let cpu = lease(&machine, 0);
            let rules = Era::V6_15Sound.rules();
            let world = World::new(&arena, &cpu, &geometry, rules).expect("a world");
            set_up(&world, &cpu);
            world
        };
        assert_eq!(machine.warnings(), []);
        let start = arena.snapshot();
        let (calls, at_end, wrong) =
            (Vec::new(), Box::new(|_: &World, _: &Cpu<'_>| {}), Rc::default());
        Self { world, machine, arena, start, _entered: entered, calls, at_end, excused: "", wrong }
    }

    fn call(mut self, call: impl Fn(&World, &Cpu<'_>) + 'static) -> Self {
        self.calls.push(Box::new(call));
        self
    }

    fn at_end(self, call: impl Fn(&World, &Cpu<'_>) + 'static) -> Self {
        Self { at_end: Box::new(call), ..self }
    }

    fn may_wait_for(self, excused: &'static str) -> Self {
        Self { excused, ..self }
    }

    /// For calls to note that something does not hold.
    fn holds(&self) -> impl Fn(bool) + use<> {
        let wrong = Rc::clone(&self.wrong);
        move |holds| wrong.set(wrong.get() | !holds)
    }

    /// Everybody leaves, and the books balance.
    fn assert_exhausted(mut self) {
        let plan = Plan { bound: Some(1), ..Plan::default() };
        let excused = self.excused;
        let mut judge = |failure: &Failure, _: &Schedule| match failure {
            Failure::Deadlock { waits, .. } if waits.iter().all(|it| it.class.name == excused) => {
                Judgement::Continue
            }
            _ => Judgement::Stop,
        };
        let outcome = Explorer::new().search(&mut self, &plan, &mut judge, &mut |_| Control::Go);
        assert!(matches!(outcome, Outcome::Exhausted { .. }), "{outcome:?}");
    }
}

impl Model for Race {
    fn tasks(&self) -> usize {
        self.calls.len()
    }

    fn reset(&mut self) {
        self.arena.restore(&self.start);
        self.machine.reset();
        self.wrong.set(false);
    }

    fn run(&self, task: Task) {
        let cpu = lease(&self.machine, task.0.into());
        self.calls[usize::from(task.0)](&self.world, &cpu);
    }

    fn finish(&self) -> Result<(), Defect> {
        let balance = catch_abandon(|| {
            let cpu = lease(&self.machine, 0);
            (self.at_end)(&self.world, &cpu);
            let running: Vec<WorkerId> = self.world.running().collect();
            running.into_iter().for_each(|worker| {
                let _ = self.world.exit(&cpu, worker);
            });
            self.world.audit(&cpu);
            self.world.quiescence(&cpu).is_empty()
        });
        let quiet = self.machine.warnings().is_empty() && !self.wrong.get();
        let defect = Defect { code: 0, object: 0, value: 0 };
        (quiet && balance == Ok(true)).then_some(()).ok_or(defect)
    }
}

#[test]
fn claims_that_meet_in_their_last_region_are_granted_to_one() {
    let claim = |first: u32| {
        move |world: &World, cpu: &Cpu<'_>| {
            let id = world.dev_pagemap().expect("bound");
            let start = world.devmem.span().start.add(first);
            // Granted to whoever is first; the other is told that it is busy.
            let _ = world.dax.vm.pagemaps.alloc_folios(cpu, id, start, 4);
        }
    };
    let race = Race::new(|_, _| {});
    let holds = race.holds();
    // Regions of four pages: one claim starts in the first and reaches into the second.
    race.call(claim(2))
        .call(claim(4))
        .at_end(move |world, cpu| {
            let pagemaps = &world.dax.vm.pagemaps;
            let base = world.devmem.span().start;
            let held = |at: u32| pagemaps.memmap.is_held(base.add(at));
            let held: Vec<u32> = (0..8).filter(|at| held(*at)).collect();
            holds(held == [2, 3, 4, 5] || held == [4, 5, 6, 7]);
            let first = if held.contains(&2) { 2 } else { 4 };
            let span = Span { start: base.add(first), pages: 4 };
            let folios: Vec<_> = pagemaps.folios(span).collect();
            folios.into_iter().for_each(|folio| pagemaps.folio_put_refs(cpu, folio, 1));
        })
        .assert_exhausted();
}

#[test]
fn threads_that_fault_into_one_table_leave_one_table() {
    Race::new(|world, cpu| {
        process(world, cpu, 2, Layout::Contiguous, Align::Natural);
        world.clone_thread(cpu, W0, W1).expect("a thread");
    })
    .call(|world, cpu| {
        let _ = world.load(cpu, W0, &Load { map: M, page: 0 });
    })
    .call(|world, cpu| {
        let _ = world.load(cpu, W1, &Load { map: M, page: 1 });
    })
    .assert_exhausted();
}

#[test]
fn whoever_is_told_that_its_io_is_done_has_its_pages_back() {
    let race = Race::new(|world, cpu| {
        process(world, cpu, 1, Layout::Contiguous, Align::Natural);
        let (device, mode) = (Target::SlowBlock, OpenMode::ReadWriteDirect);
        world.open(cpu, W0, &Open { fd: FdNo(1), target: device, mode }).expect("a device");
        world.load(cpu, W0, &Load { map: M, page: 0 }).expect("a page");
    });
    let holds = race.holds();
    race.call(move |world, cpu| {
        let io = DioWrite { device: FdNo(1), map: M, page: 0, pages: 1, ticks: None };
        let done = world.dio_write(cpu, W0, &io);
        let inode = world.name_lookup(cpu, F).expect("an inode");
        let page = world.dax.extent(inode, 0).block().expect("a block");
        holds(done == Ok(4096) && world.observe(page).refcount == 1);
    })
    .call(|world, cpu| world.complete_io(cpu))
    .may_wait_for("I/O in flight")
    .assert_exhausted();
}

#[test]
fn a_thread_that_comes_too_late_for_its_process_does_not_run() {
    let race = Race::new(|world, cpu| process(world, cpu, 1, Layout::Contiguous, Align::Natural));
    let holds = race.holds();
    race.call(|world, cpu| assert_eq!(world.exit(cpu, W0), Ok(0)))
        .call(move |world, cpu| {
            let cloned = world.clone_thread(cpu, W0, W1);
            holds(cloned.is_ok() == world.proc_of(W1).is_ok());
        })
        .assert_exhausted();
}

#[test]
fn a_child_can_unmap_what_a_thread_of_its_parent_was_unmapping() {
    let race = Race::new(|world, cpu| {
        process(world, cpu, 1, Layout::Contiguous, Align::Natural);
        world.clone_thread(cpu, W0, W1).expect("a thread");
    });
    let holds = race.holds();
    race.call(|world, cpu| {
        assert_eq!(world.munmap(cpu, W0, &Munmap { map: M, range: None }), Ok(0))
    })
    .call(|world, cpu| assert_eq!(world.fork(cpu, W1, &Fork { child: W2 }), Ok(0)))
    .at_end(move |world, cpu| {
        let has = world.load(cpu, W2, &Load { map: M, page: 0 }).is_ok();
        holds(!has || world.munmap(cpu, W2, &Munmap { map: M, range: None }) == Ok(0));
    })
    .assert_exhausted();
}

#[test]
fn a_child_of_a_fork_has_only_files_that_were_open_when_it_got_them() {
    Race::new(|world, cpu| {
        process(world, cpu, 1, Layout::Contiguous, Align::Natural);
        world.clone_thread(cpu, W0, W1).expect("a thread");
        world
            .munmap(cpu, W0, &Munmap { map: M, range: None })
            .expect("the mapping goes, and its use of the file");
        world.unlink(cpu, W0, &Unlink { file: F }).expect("a file that lives while it is open");
    })
    .call(|world, cpu| assert_eq!(world.fork(cpu, W0, &Fork { child: W2 }), Ok(0)))
    .call(|world, cpu| assert_eq!(world.close(cpu, W1, &Close { fd: FdNo(0) }), Ok(0)))
    .at_end(|world, cpu| {
        // Its own, if it has one.
        let _ = world.pwrite_each(cpu, W2, &Pwrite { file: FD, page: 0, pages: 1 }, |_| 9);
    })
    .assert_exhausted();
}

#[test]
fn a_page_can_be_touched_only_below_the_end_of_its_file() {
    let race = Race::new(|world, cpu| process(world, cpu, 3, Layout::Huge, Align::Natural));
    let holds = race.holds();
    race.call(move |world, cpu| {
        let inode = world.name_lookup(cpu, F).expect("an inode");
        let touched = world.load(cpu, W0, &Load { map: M, page: 3 }).is_ok();
        holds(!touched || world.dax.inode(inode).size() > 3);
    })
    .call(|world, cpu| {
        assert_eq!(
            world.pwrite_each(
                cpu,
                W0,
                &Pwrite { file: FileRef::File(F), page: 3, pages: 1 },
                |_| 9
            ),
            Ok(4096)
        );
    })
    .assert_exhausted();
}
