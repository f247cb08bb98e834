//! Nobody can go on: who could end each wait, and whose doing it is.
//!
//! Each sleeper needs some things to be let go: a lock, an entry, every reference on a page. Each of them is let go
//! by whoever holds it, in the call it is in or in a step it has still to run; so a task's remaining steps decide,
//! not what kind of holder it is. What no step of anybody who is left gives back is held past the end of the
//! program, and a wait for that is the program's own doing.
//!
//! ```text
//!   free      all that it needs is held past the end, or is given back by somebody who is free
//!   stuck     anybody else: in a ring, behind one, or asleep for what nobody holds
//! ```
//!
//! So a ring stays one beside a wait of the program's own, and whoever waits behind such a wait is in no ring.

use pgmap_mm::dax::PAGE_IDLE;
use pgmap_mm::lock_order::is_of_changes;
use pgmap_mm::page::Pfn;
use pgmap_mm::pagemap::{PagemapId, REFERENCES};
use pgmap_mm::world::{HeldBy, Holder, IN_FLIGHT, RELEASED, World};
use pgmap_prim::{Cpu, Ends, WaitClass};
use pgmap_program::Op;
use pgmap_program::op::{Drain, PipeNo, RefKill, RefPut, Unpin, WorkerId};
use pgmap_sched::{Blocked, Task};

use crate::explored::{ExploredWorld, Standing};

/// What a task waits for, as far as who can end it depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    /// A page without references, by a layout break. Its object is a frame.
    Page,
    /// A pagemap without references, by unbind.
    Pagemap,
    /// A ref of the program's own without references.
    Reference,
    /// The device, by direct I/O.
    Device,
    /// The end of sections that others are in; nobody notes who they are.
    Sections,
    /// A lock of those who change a file or the device.
    Changes,
    /// What its owner gives back, and nobody else can: any other lock.
    Owner,
}

impl For {
    fn of(class: WaitClass) -> Self {
        match (class, class.ends) {
            (PAGE_IDLE, _) => Self::Page,
            (REFERENCES, _) => Self::Pagemap,
            (RELEASED, _) => Self::Reference,
            (IN_FLIGHT, _) => Self::Device,
            (_, Ends::WithSections) => Self::Sections,
            (_, Ends::WithLock { .. }) if is_of_changes(class) => Self::Changes,
            (_, Ends::WithLock { .. } | Ends::WithEvent) => Self::Owner,
        }
    }
}

/// Something that a sleeper needs to be let go.
pub(crate) struct Need {
    /// What holds it, where that is more than a task.
    pub(crate) by: Option<HeldBy>,
    /// Who lets it go: in the call it is in (none), or with a step it has still to run.
    pub(crate) given_back: Vec<(Task, Option<u32>)>,
    /// Who holds it between its calls, if anybody does: a worker, or the threads of a process.
    pub(crate) kept_by: Vec<WorkerId>,
}

/// A blocked task.
pub(crate) struct Sleeper<'a> {
    pub(crate) wait: &'a Blocked,
    what: For,
    /// The page it waits for, when it does; of a pagemap, the first in use.
    pub(crate) page: Option<Pfn>,
    pub(crate) needs: Vec<Need>,
    /// See the module's introduction.
    pub(crate) free: bool,
}

impl Sleeper<'_> {
    /// Whether it waits for references on pages.
    pub(crate) fn is_for_pages(&self) -> bool {
        match self.what {
            For::Page | For::Pagemap => true,
            For::Reference | For::Device | For::Sections | For::Changes | For::Owner => false,
        }
    }

    /// The page that its layout break waits for.
    pub(crate) fn awaited(&self) -> Option<Pfn> {
        self.page.filter(|_| self.what == For::Page)
    }

    /// Whom it waits for.
    pub(crate) fn others(&self) -> impl Iterator<Item = Task> + '_ {
        self.needs.iter().flat_map(|need| need.given_back.iter().map(|(task, _)| *task))
    }
}

/// Everybody who sleeps, with what they need, and whether they are free.
pub(crate) fn sleepers<'a>(explored: &ExploredWorld, waits: &'a [Blocked]) -> Vec<Sleeper<'a>> {
    let mut all: Vec<Sleeper<'_>> =
        waits.iter().map(|wait| sleeper(explored, wait, waits)).collect();
    loop {
        let is_free = |task: &Task| all.iter().any(|one| one.wait.task == *task && one.free);
        let met = |need: &Need| {
            need.given_back.is_empty() || need.given_back.iter().any(|(task, _)| is_free(task))
        };
        let next = all
            .iter()
            .position(|one| !one.free && !one.needs.is_empty() && one.needs.iter().all(met));
        match next {
            Some(at) => all[at].free = true,
            None => return all,
        }
    }
}

/// Whether those who are stuck are so because somebody who holds a page between two calls asks for what waits for
/// pages, or for a lock that is held during such a wait. Any rules do that.
pub(crate) fn is_asked_for(explored: &ExploredWorld, all: &[Sleeper<'_>]) -> bool {
    let asks = |worker: WorkerId| {
        all.iter().any(|one| {
            explored.role(one.wait.task).worker == Some(worker)
                && (one.is_for_pages() || one.what == For::Changes)
        })
    };
    let stuck = all.iter().filter(|one| !one.free);
    stuck.flat_map(|one| &one.needs).flat_map(|need| &need.kept_by).copied().any(asks)
}

fn sleeper<'a>(explored: &ExploredWorld, wait: &'a Blocked, waits: &[Blocked]) -> Sleeper<'a> {
    let what = For::of(WaitClass::of(wait.class));
    let look = |pages: fn(&World, &Blocked) -> Vec<Pfn>| {
        let held = explored.look(|world, cpu| {
            let pages = pages(world, wait);
            let needs = pages.iter().flat_map(|pfn| needs(explored, world, cpu, *pfn, waits, what));
            (pages.first().copied(), needs.collect::<Vec<_>>())
        });
        held.unwrap_or_default()
    };
    let (page, needs) = match what {
        For::Page => look(|_, wait| vec![Pfn(u32::try_from(wait.object).unwrap_or(u32::MAX))]),
        For::Pagemap => look(|world, wait| {
            let in_use = |pfn: &Pfn| world.observe(*pfn).refcount != 0;
            let id = u32::try_from(wait.object).map_or(PagemapId(u32::MAX), PagemapId);
            world.dax.vm.pagemaps.span(id).iter().filter(in_use).collect()
        }),
        For::Reference => {
            let number = u8::try_from(wait.object).unwrap_or(u8::MAX);
            let is_held = explored.look(|world, _| world.ref_is_held(number)).unwrap_or_default();
            let puts = |op: &Op| match op {
                Op::RefPut(RefPut { reference }) | Op::RefKill(RefKill { reference }) => {
                    *reference == number
                }
                _ => false,
            };
            let given_back = waits.iter().filter_map(|other| {
                let step = step(explored, other.task, puts)?;
                Some((other.task, Some(step)))
            });
            let need = Need { by: None, given_back: given_back.collect(), kept_by: Vec::new() };
            (None, is_held.then_some(need).into_iter().collect())
        }
        For::Device => {
            let given_back = waits.iter().filter_map(|other| {
                let step = step(explored, other.task, |op| matches!(op, Op::Sleep))?;
                Some((other.task, Some(step)))
            });
            let given_back = given_back.collect();
            (None, vec![Need { by: None, given_back, kept_by: Vec::new() }])
        }
        For::Sections | For::Changes | For::Owner => {
            let blocked = |task: &Task| waits.iter().any(|wait| wait.task == *task);
            let others = waits.iter().map(|other| other.task).filter(|task| *task != wait.task);
            let holds: Vec<_> = match wait.owner {
                Some(owner) => [owner].into_iter().filter(blocked).collect(),
                None if what == For::Sections => others.collect(),
                None => Vec::new(),
            };
            let given_back: Vec<_> = holds.into_iter().map(|task| (task, None)).collect();
            let need = (!given_back.is_empty()).then_some(Need {
                by: None,
                given_back,
                kept_by: Vec::new(),
            });
            (None, need.into_iter().collect())
        }
    };
    Sleeper { wait, what, page, needs, free: false }
}

/// Who holds references on a page, and who gives them back. A layout break has unmapped the page and asks no more of its
/// mappings; a pagemap goes when those have gone, too.
fn needs(
    explored: &ExploredWorld,
    world: &World,
    cpu: &Cpu<'_>,
    pfn: Pfn,
    waits: &[Blocked],
    what: For,
) -> Vec<Need> {
    let holders = world.holders(cpu, pfn).into_iter().chain(world.calls_holding(pfn));
    let need = |holder: Holder| {
        let given_back =
            |wait: &Blocked| gives_back(explored, world, cpu, (wait.task, waits), holder.by);
        let given_back: Vec<_> = waits.iter().filter_map(given_back).collect();
        let kept_by = match holder.by {
            HeldBy::Pin { worker, .. } | HeldBy::Registered { worker } => vec![worker],
            HeldBy::Pipe { pipe, .. } => {
                let first = world.running().find(|worker| world.has_pipe(cpu, *worker, pipe));
                first.map_or_else(Vec::new, |first| threads(world, first))
            }
            HeldBy::InFlight { .. } | HeldBy::Call(_) => Vec::new(),
            HeldBy::Mappings(_) if what == For::Pagemap => {
                let first = given_back.first().and_then(|(task, _)| explored.role(*task).worker);
                first.into_iter().collect()
            }
            HeldBy::Mappings(_) => return None,
        };
        Some(Need { by: Some(holder.by), given_back, kept_by })
    };
    holders.filter_map(need).collect()
}

/// The workers that run in a worker's process, itself among them.
fn threads(world: &World, worker: WorkerId) -> Vec<WorkerId> {
    let process = world.proc_of(worker);
    world.running().filter(|other| world.proc_of(*other) == process).collect()
}

/// Whether a blocked task gives this back, and with which step; none is the call it is in.
fn gives_back(
    explored: &ExploredWorld,
    world: &World,
    cpu: &Cpu<'_>,
    (task, waits): (Task, &[Blocked]),
    held: HeldBy,
) -> Option<(Task, Option<u32>)> {
    let worker = explored.role(task).worker;
    let leaves = |op: &Op| matches!(op, Op::Exit | Op::Kill);
    let next = match held {
        HeldBy::Call(party) => return (party.worker == worker).then_some((task, None)),
        HeldBy::InFlight { .. } => step(explored, task, |op| matches!(op, Op::Sleep)),
        HeldBy::Registered { worker: theirs } if worker == Some(theirs) => {
            step(explored, task, |op| leaves(op) || matches!(op, Op::UringUnreg))
        }
        HeldBy::Pin { worker: theirs, number } if worker == Some(theirs) => {
            unpins(explored, world, cpu, task, theirs, number)
        }
        HeldBy::Pipe { pipe, before } => {
            drains(explored, world, cpu, (task, waits), worker?, (pipe, before))
        }
        HeldBy::Mappings(_) => {
            step(explored, task, |op| leaves(op) || matches!(op, Op::Munmap(_) | Op::Madvise(_)))
        }
        HeldBy::Registered { .. } | HeldBy::Pin { .. } => None,
    };
    next.map(|step| (task, Some(step)))
}

/// The first of a task's remaining steps like this.
fn step(explored: &ExploredWorld, task: Task, is: impl Fn(&Op) -> bool) -> Option<u32> {
    explored.standing(task).rest.iter().find(|(_, op)| is(op)).map(|(step, _)| *step)
}

/// The step with which a worker gives a pin back. A pin it has still to take is taken to succeed.
fn unpins(
    explored: &ExploredWorld,
    world: &World,
    cpu: &Cpu<'_>,
    task: Task,
    worker: WorkerId,
    number: u32,
) -> Option<u32> {
    let mut pins = world.pin_numbers(cpu, worker);
    for (step, op) in explored.standing(task).rest {
        match op {
            Op::Exit | Op::Kill => return Some(*step),
            Op::Pin(_) | Op::Get(_) | Op::TryGet(_) => {
                pins.held.push(pins.next);
                pins.next += 1;
            }
            Op::Unpin(Unpin { pin }) => {
                let latest = pins.held.iter().max().copied();
                let gone = pin.map_or(latest, |pin| Some(pin.0.into()));
                if gone == Some(number) {
                    return Some(*step);
                }
                pins.held.retain(|held| Some(*held) != gone);
            }
            _ => {}
        }
    }
    None
}

/// The step, or the exit it is in, with which a worker empties a pipe as far as a buffer that has so many before it.
fn drains(
    explored: &ExploredWorld,
    world: &World,
    cpu: &Cpu<'_>,
    (task, waits): (Task, &[Blocked]),
    worker: WorkerId,
    (pipe, before): (u32, u32),
) -> Option<u32> {
    let Standing { now, rest } = explored.standing(task);
    let leaves = |op: &Op| matches!(op, Op::Exit | Op::Kill);
    let reads = |number: &PipeNo| world.pipe_of(cpu, worker, *number) == Some(pipe);
    let number = (0..world.geometry().pipes_max).map(PipeNo).find(reads);
    // Who leaves has no descriptors any more, and drops in the end what nobody else has.
    let drops_now = now.is_some_and(|(_, op)| leaves(op))
        && !world.running().any(|worker| world.has_pipe(cpu, worker, pipe));
    let is_mine = world.has_pipe(cpu, worker, pipe) && !world.pipe_is_shared(pipe);
    // The descriptors of a process go with its last thread.
    let is_last = || {
        let goes = |other: &WorkerId| {
            let task = waits.iter().map(|wait| wait.task);
            let mut tasks = task.filter(|task| explored.role(*task).worker == Some(*other));
            tasks.any(|task| step(explored, task, leaves).is_some())
        };
        threads(world, worker).iter().filter(|other| **other != worker).all(goes)
    };
    let alone = drops_now || is_mine && is_last();
    let mut drained = 0_u32;
    for (step, op) in now.into_iter().chain(rest) {
        match op {
            op if leaves(op) && alone => return Some(*step),
            Op::Drain(Drain { pipe, pages }) if number == Some(*pipe) => {
                drained = drained.saturating_add(*pages);
                if drained > before {
                    return Some(*step);
                }
            }
            _ => {}
        }
    }
    None
}
