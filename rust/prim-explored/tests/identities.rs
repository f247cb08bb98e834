//! A schedule that was found before memory was laid out otherwise still is one: its steps are known by table, entry and
//! field, and not by where these lie.
#![forbid(unsafe_code)]

mod common;

use std::sync::Arc;

use common::Count;
use pgmap_prim_explored::{
    Arena, AtomicI32, AtomicU32, Cpu, Entered, Lease, Machine, NoMemory, Slab, Snapshot, SpinLock,
    Table, TaskId, identity, wake_up_var, zeroed,
};
use pgmap_sched::{
    Control, Defect, Ended, Explorer, Failure, Identity, Judgement, Model, Outcome, Plan, Replayed,
    Schedule, Task, Trace,
};

/// What the tasks of all worlds work on, however it is laid out.
trait World: Sized {
    fn new(arena: &Arena) -> Result<Self, NoMemory>;
    fn refcount(&self, page: usize) -> &AtomicI32;
    fn cells(&self, page: usize) -> &[AtomicU32; 2];
    fn lock(&self) -> &SpinLock<Count>;
    fn slab(&self) -> &Slab<AtomicU32>;
    fn clear(&self, page: usize);
}

/// A world of pages with these fields, and with tables of these names before that of the pages.
macro_rules! world {
    ($name:ident, [$($before:literal),*], { $($field:ident: $ty:ty),* }) => {
        mod $name {
            use super::*;

            zeroed! { pub(super) struct Page { $(pub(super) $field: $ty),* } }

            pub(super) struct Shared {
                pages: Table<Page>,
                slab: Slab<AtomicU32>,
            }

            impl World for Shared {
                fn new(arena: &Arena) -> Result<Self, NoMemory> {
                    $(let _: Table<AtomicU32> = arena.table($before, 3)?;)*
                    Ok(Self { pages: arena.table("page", 3)?, slab: Slab::new(arena, 2, "slab")? })
                }
                fn refcount(&self, page: usize) -> &AtomicI32 {
                    &self.pages[page].refcount
                }
                fn cells(&self, page: usize) -> &[AtomicU32; 2] {
                    &self.pages[page].cells
                }
                fn lock(&self) -> &SpinLock<Count> {
                    &self.pages[0].lock
                }
                fn slab(&self) -> &Slab<AtomicU32> {
                    &self.slab
                }
                fn clear(&self, page: usize) {
                    self.pages.zero(page..page + 1);
                }
            }
        }
    };
}

world!(before, [], { refcount: AtomicI32, cells: [AtomicU32; 2], lock: SpinLock<Count> });
world!(grown, ["added"], {
    epoch: AtomicU32, refcount: AtomicI32, extra: [AtomicU32; 5], cells: [AtomicU32; 2], lock: SpinLock<Count>
});
// The same places as before, under other names.
world!(renamed, [], { cells: [AtomicU32; 2], refcount: AtomicI32, lock: SpinLock<Count> });

struct Toy<W> {
    machine: Arc<Machine>,
    arena: Arena,
    start: Snapshot,
    world: W,
    identity: Option<Identity>,
    /// Which page the last task counts on.
    page: usize,
    _entered: Entered,
}

impl<W: World> Toy<W> {
    fn new(page: usize) -> Self {
        let arena = Arena::new(1 << 16).expect("address space");
        let entered = arena.enter();
        let world = W::new(&arena).expect("room");
        let (machine, start) = (Machine::new(2), arena.snapshot());
        let identity = Some(identity as Identity);
        Self { machine, arena, start, world, identity, page, _entered: entered }
    }

    /// With steps known by where they are.
    fn by_place(self) -> Self {
        Self { identity: None, ..self }
    }
}

/// Names steps as models do that do not say how.
struct Numbered;

impl Model for Numbered {
    fn tasks(&self) -> usize {
        0
    }
    fn reset(&mut self) {}
    fn run(&self, _task: Task) {}
    fn finish(&self) -> Result<(), Defect> {
        Ok(())
    }
}

impl<W: World> Model for Toy<W> {
    fn tasks(&self) -> usize {
        2
    }

    fn identity(&self) -> Identity {
        self.identity.unwrap_or_else(|| Numbered.identity())
    }

    fn reset(&mut self) {
        self.arena.restore(&self.start);
        self.machine.reset();
    }

    /// A lost update of a page's count, among steps of all kinds that have an object.
    fn run(&self, task: Task) {
        let cpu: Cpu<'_> =
            self.machine.lease(Lease::of(TaskId(task.0.into()))).expect("a free CPU");
        let page = if task.0 == 0 { 1 } else { self.page };
        self.world.cells(page)[1].inc();
        self.world.lock().lock(&cpu).value += 1;
        let _ = self.world.slab().alloc(&cpu);
        wake_up_var(&cpu, self.world.refcount(page));
        let seen = self.world.refcount(page).read();
        self.world.refcount(page).set(seen + 1);
        self.world.clear(2);
    }

    fn finish(&self) -> Result<(), Defect> {
        match self.world.refcount(1).read() {
            2 => Ok(()),
            other => Err(Defect { code: 1, object: 0, value: other.into() }),
        }
    }
}

fn found(toy: &mut impl Model) -> Schedule {
    let plan = Plan { bound: Some(1), ..Plan::default() };
    let mut judge = |_: &Failure, _: &Schedule| Judgement::Stop;
    match Explorer::new().search(toy, &plan, &mut judge, &mut |_| Control::Go) {
        Outcome::Found { schedule, .. } => schedule,
        other => panic!("{other:?}"),
    }
}

fn again(toy: &mut impl Model, schedule: &Schedule) -> Replayed {
    Explorer::new().replay(toy, schedule, Trace::Skip, &mut || Control::Go)
}

#[test]
fn a_schedule_is_followed_after_words_and_tables_were_added_around_its_own() {
    let schedule = found(&mut Toy::<before::Shared>::new(1));
    assert!(!schedule.departures().is_empty());
    let same = again(&mut Toy::<before::Shared>::new(1), &schedule);
    let grown = again(&mut Toy::<grown::Shared>::new(1), &schedule);
    assert!(matches!(grown.end, Ended::Failed(_)), "{grown:?}");
    assert_eq!((grown.diverged, grown.end), (None, same.end));
    // It is the names that do it.
    let by_place = found(&mut Toy::<before::Shared>::new(1).by_place());
    let grown = again(&mut Toy::<grown::Shared>::new(1).by_place(), &by_place);
    assert!(grown.diverged.is_some());
}

#[test]
fn a_step_on_another_field_or_entry_is_noticed() {
    let schedule = found(&mut Toy::<before::Shared>::new(1));
    let elsewhere = again(&mut Toy::<before::Shared>::new(0), &schedule);
    assert!(elsewhere.diverged.is_some(), "another entry");
    let by_name = again(&mut Toy::<renamed::Shared>::new(1), &schedule);
    assert_eq!(by_name.diverged, None, "the same fields in other places");
}
