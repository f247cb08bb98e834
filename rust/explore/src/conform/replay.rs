//! The conductor: has a recording's steps taken one at a time, and writes down what the model does.
//!
//! Its account has the recording's own shape, so that comparing is comparing. What the kernel did is
//! looked at for two things only: which pages to look at, and the inputs named in the parent module.
//!
//! It is called whenever nobody can go on, and gives one *cue* each time. Those of a step:
//!
//! ```text
//!   tick        time passes
//!   perform     its worker is told to take it, unless that one still is in an earlier step
//!   complete    the device finishes what the recording says that it finished here
//!   look        what do the pages look like, who is still in the middle of something?
//! ```
//!
//! `kill` and `end` are signals: they end an interruptible sleep, and the worker exits when it can. One
//! that sleeps uninterruptibly cannot, and keeps what it has, as on the kernel. What a killed worker was
//! doing never returns to anybody, so it does not count as returned; nor does an `exit`, which may sleep, too.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use pgmap_mm::dax::PAGE_IDLE;
use pgmap_mm::page::Order;
use pgmap_mm::world::{Failure, Violation, World};
use pgmap_prim::{Cpu, NoMemory, OOPS, Stopped, WaitClass};
use pgmap_program::op::{
    DeviceMemory, DioRead, DioWrite, FileIdx, HmmLoad, HmmRelease, Wait, WorkerId,
};
use pgmap_program::recording::{Asked, Completion, DevDax};
use pgmap_program::{Died, Errno, Issue, Op, Recording, Rules, Step};
use pgmap_sched::failure::Blocked;
use pgmap_sched::{self as sched, Conductor, Control, Ended, Explorer, Task};

use crate::conform::course::{ModelStep, Ran};
use crate::conform::holds::Holds;
use crate::conform::pages::Tracked;
use crate::conform::stage::{Done, Stage, Workers};

/// Steps of the protocol in a whole replay: far more than any recording needs.
const LONGEST: u32 = 1 << 28;

/// Replays a recording; a driver whose pages are watched hands them out in this order. The inner error says why this
/// machine cannot even be set up for it.
pub(super) fn replay(
    recording: &Recording,
    rules: Rules,
    handed_out: &[u32],
) -> Result<Result<Ran, String>, NoMemory> {
    let recording = Rc::new(recording.clone());
    let stage = Rc::new(Stage::new(&recording, rules)?);
    let tracked = match set_up(&stage, &recording, handed_out) {
        Ok(tracked) => tracked,
        Err(reason) => return Ok(Err(reason)),
    };
    let conduct = Rc::new(Conduct {
        due: RefCell::new(device_times(&recording)),
        recording,
        stage: Rc::clone(&stage),
        tracked,
        cues: RefCell::default(),
        holds: RefCell::default(),
        returns_to_nobody: RefCell::default(),
        ran: RefCell::default(),
    });
    let led: Rc<dyn Conductor> = Rc::<Conduct>::clone(&conduct);
    let ended = Explorer::kept(|it| it.conduct(&mut Workers(Rc::clone(&stage)), led, LONGEST));
    match ended {
        Ended::Stopped => {}
        other => conduct.fail(format!("{other:?}")),
    }
    let mut ran = conduct.ran.take();
    let title = |v: Violation| format!("{}: {}", v.invariant.id(), v.title);
    let violations = stage.on_cpu(|world, cpu| {
        stage.machine().warnings().iter().map(|it| title(world.violation(cpu, it))).collect()
    });
    ran.complaints = violations.unwrap_or_default();
    Ok(Ok(ran))
}

/// Makes the files and gives their blocks what they carried over from an earlier life.
fn set_up(
    stage: &Stage,
    recording: &Recording,
    handed_out: &[u32],
) -> Result<Option<Tracked>, String> {
    let made = stage.on_cpu(|world, cpu| match recording.mirror {
        Some(memory) => plug_in(world, cpu, memory, handed_out).map(Some),
        None => make_files(world, cpu, recording),
    });
    let tracked = made.map_err(|stopped| stopped.to_string())??;
    if let (Some(tracked), Some((step, seen))) = (&tracked, recording.steps().next())
        && step.op == Op::Baseline
    {
        for (index, page) in &seen.expect.pages {
            let share = page.share.and_then(|share| u32::try_from(share).ok());
            let Some(pfn) = tracked.frame(*index) else { continue };
            if let Some(share) = share {
                stage.world().seed_share(pfn, share);
            }
            // What device-dax has mapped once stays so; of a file system's pages none begins in a file, but where somebody
            // held tasks before, the words of a folio that was gone may have been written.
            let carries = recording.dev_dax.is_some() || !recording.forced.is_empty();
            if page.mapping
                && carries
                && let Some(inode) = tracked.inode()
            {
                stage.world().seed_mapping(pfn, inode);
            }
        }
    }
    Ok(tracked)
}

fn make_files(
    world: &World,
    cpu: &Cpu<'_>,
    recording: &Recording,
) -> Result<Option<Tracked>, String> {
    let files = &recording.program().files;
    if let (Some(align), Some(device)) = (recording.dev_dax, files.first()) {
        let order = match align {
            DevDax::Page => Order::PAGE,
            DevDax::Pmd => world.dax.vm.pmd_order(),
        };
        let inode = world.make_dev_dax(cpu, order).map_err(|errno| errno.name().to_owned())?;
        return Ok(Some(Tracked::new(world, inode, device.pages)));
    }
    world.dax.set_allocation_groups(recording.allocation_groups());
    for (file, number) in files.iter().zip(0..) {
        world
            .create_file(cpu, FileIdx(number), file.pages, Some(file.state), file.layout)
            .map_err(|_| format!("a file of {} pages: not supported yet", file.pages))?;
    }
    let Some(first) = files.first() else { return Ok(None) };
    let inode = world.name_lookup(cpu, FileIdx(0)).map_err(|errno| errno.name().to_owned())?;
    Ok(Some(Tracked::new(world, inode, first.pages)))
}

/// The driver's own memory becomes of this kind.
fn plug_in(
    world: &World,
    cpu: &Cpu<'_>,
    memory: DeviceMemory,
    handed_out: &[u32],
) -> Result<Tracked, String> {
    let by = WorkerId(0);
    let plugged = match memory {
        DeviceMemory::Private => Ok(0),
        DeviceMemory::Coherent => world
            .hmm_release(cpu, by, &HmmRelease { device: 0 })
            .and_then(|_| world.hmm_load(cpu, by, &HmmLoad { memory })),
    };
    plugged.map_err(|failure| format!("the memory of the mirror device: {failure:?}"))?;
    Ok(Tracked::mirror(world, handed_out))
}

/// When the slow device was done with what each step gave it: an input. `completed_now` says it where
/// it happened; a step that nobody reports as completed says it itself.
fn device_times(recording: &Recording) -> BTreeMap<u32, Vec<WorkerId>> {
    let mut due: BTreeMap<u32, Vec<WorkerId>> = BTreeMap::new();
    for (step, seen) in recording.steps() {
        let (
            Op::DioWrite(DioWrite { ticks: None, .. }) | Op::DioRead(DioRead { ticks: None, .. }),
            Some(worker),
        ) = (&step.op, step.who)
        else {
            continue;
        };
        let reported = recording
            .steps()
            .find(|(_, later)| later.expect.completed_now.iter().any(|c| c.step == step.n))
            .map(|(later, _)| later.n);
        let at_once = !seen.expect.in_flight && !seen.expect.blocked;
        let own = seen.expect.completes_at.or(at_once.then_some(step.n));
        if let Some(at) = reported.or(own) {
            due.entry(at.max(step.n)).or_default().push(worker);
        }
    }
    due
}

/// What there is to do in a step.
#[derive(Clone, Copy, Debug)]
enum Cue {
    Tick,
    Perform,
    Kill(WorkerId),
    Complete(WorkerId),
    Look,
}

/// The replay cannot go on; the last step says why.
struct Failed;

struct Conduct {
    recording: Rc<Recording>,
    stage: Rc<Stage>,
    tracked: Option<Tracked>,
    /// What is left to do in the step at hand.
    cues: RefCell<VecDeque<Cue>>,
    due: RefCell<BTreeMap<u32, Vec<WorkerId>>>,
    holds: RefCell<Holds>,
    /// Steps that return to nobody: their worker was killed in the middle, or left.
    returns_to_nobody: RefCell<BTreeSet<u32>>,
    ran: RefCell<Ran>,
}

impl Conductor for Conduct {
    fn holds(&self, task: Task, step: &sched::Step) -> bool {
        let worker = self.stage.worker(task);
        worker.is_some_and(|worker| self.holds.borrow_mut().stop(worker, step))
    }

    fn at_rest(&self, waiting: &[Blocked]) -> Control {
        match self.go_on(waiting) {
            Ok(true) => Control::Go,
            Ok(false) | Err(Failed) => Control::Stop,
        }
    }
}

impl Conduct {
    /// Gives the next cue; false after the last one.
    fn go_on(&self, waiting: &[Blocked]) -> Result<bool, Failed> {
        self.stage.take_came_back().into_iter().for_each(|done| self.note(done));
        let left = self.cues.borrow_mut().pop_front();
        let Some(cue) = left.or_else(|| self.begin()) else { return Ok(false) };
        let step = self.step();
        match cue {
            Cue::Tick => self.on_cpu(|world, cpu| world.advance_clock(cpu))?,
            Cue::Perform => self.perform(step),
            Cue::Kill(worker) => self.kill(step, worker),
            Cue::Complete(worker) => self.on_cpu(|world, cpu| world.complete_io_of(cpu, worker))?,
            Cue::Look => self.look(step, waiting)?,
        }
        Ok(true)
    }

    /// The next step begins, with this.
    fn begin(&self) -> Option<Cue> {
        let n = self.ran.borrow().steps.len() as u32;
        self.recording.program().steps.get(n as usize)?;
        self.ran.borrow_mut().steps.push(ModelStep::default());
        let due = self.due.borrow_mut().remove(&n).unwrap_or_default();
        let mut cues = self.cues.borrow_mut();
        cues.push_back(Cue::Perform);
        cues.extend(due.into_iter().map(Cue::Complete));
        cues.push_back(Cue::Look);
        Some(Cue::Tick)
    }

    /// The step at hand.
    fn step(&self) -> &Step {
        let at = self.ran.borrow().steps.len().saturating_sub(1);
        &self.recording.program().steps[at]
    }

    fn perform(&self, step: &Step) {
        let asked = self.recording.observed.get(step.n as usize).and_then(|it| it.asked.as_ref());
        match (asked, &step.op, step.who) {
            (Some(Asked::Hold { hold, place, worker }), ..) => {
                self.holds.borrow_mut().add(*hold, place, *worker);
            }
            (Some(Asked::Release { hold }), ..) => self.holds.borrow_mut().release(*hold),
            (Some(Asked::Held { hold }), ..) => {
                let reached = self.holds.borrow().is_reached(*hold);
                self.now(|now| now.held = Some(reached));
            }
            // A program without a worker for it has nobody to do it.
            (_, Op::Baseline | Op::Start | Op::Sleep | Op::Retrack | Op::Wait(_), _) => {}
            (_, Op::End, _) => {
                let running: BTreeSet<WorkerId> = self.stage.world().running().collect();
                let mut cues = self.cues.borrow_mut();
                running.into_iter().rev().for_each(|worker| cues.push_front(Cue::Kill(worker)));
            }
            (_, Op::Kill, Some(worker)) => {
                self.now(|now| now.did.ret = Some(0));
                self.kill(step, worker);
            }
            (_, op, Some(worker)) => {
                let busy_in = self.stage.busy(worker);
                self.now(|now| now.busy_in = busy_in);
                match op {
                    _ if busy_in.is_some() => {}
                    Op::Exit => {
                        self.now(|now| now.did.ret = Some(0));
                        self.leave(step, worker);
                    }
                    _ => {
                        if let Some(tracked) = &self.tracked {
                            tracked.hears(worker, op);
                        }
                        self.stage.issue(worker, step.n);
                    }
                }
            }
            (_, _, None) => {}
        }
    }

    fn kill(&self, step: &Step, worker: WorkerId) {
        self.returns_to_nobody.borrow_mut().extend(self.stage.busy(worker));
        self.stage.signal(worker);
        self.leave(step, worker);
    }

    fn leave(&self, step: &Step, worker: WorkerId) {
        self.returns_to_nobody.borrow_mut().insert(step.n);
        self.stage.dismiss(worker, step.n);
    }

    /// Something came back during the step at hand.
    fn note(&self, Done { worker, step: issued, returned, byte }: Done) {
        let n = self.step().n;
        let touched = self.recording.program().steps.get(issued as usize);
        let ret = match returned {
            // How many pages went, or what the first one holds, an ioctl of the mirror device writes where it is told.
            Ok(_) if touched.is_some_and(|step| is_ioctl(&step.op)) => 0,
            Ok(value) => value,
            // What a shell makes of a command that failed.
            Err(_) if touched.is_some_and(|step| step.op == Op::HmmUnload) => 1 << 8,
            // Where a mapping was refused there is nothing: a process that touches it dies.
            Err(Failure::Errno(Errno::EINVAL))
                if touched.is_some_and(|step| matches!(step.op, Op::Touch(_))) =>
            {
                Died::Sigsegv.as_return()
            }
            Err(failure) => failure.as_return(),
        };
        if self.returns_to_nobody.borrow().contains(&issued) {
            return;
        }
        let mut ran = self.ran.borrow_mut();
        if let Some(step) = ran.steps.get_mut(issued as usize) {
            (step.did.ret, step.byte) = (Some(ret), byte);
            if issued != n {
                step.did.completes_at = Some(n);
                let completion = Completion { step: issued, actor: worker, ret };
                if let Some(now) = ran.steps.last_mut() {
                    now.did.completed_now.push(completion);
                }
            }
        }
    }

    /// What does the machine at rest look like?
    fn look(&self, step: &Step, waiting: &[Blocked]) -> Result<(), Failed> {
        let seen = self.recording.observed.get(step.n as usize).map(|it| &it.expect);
        let indices: Vec<u32> = seen.into_iter().flat_map(|it| it.pages.keys().copied()).collect();
        let pages = match &self.tracked {
            Some(tracked) => self.on_cpu(|world, cpu| tracked.look(world, cpu, &indices))?,
            None => BTreeMap::new(),
        };
        let unfinished = self.stage.all_busy();
        let goes_on = step.who.and_then(|worker| unfinished.get(&worker)) == Some(&step.n);
        let asleep = waiting.iter().filter_map(|it| self.asleep(it, &unfinished)).collect();
        let dead = |it: &&Blocked| WaitClass::of(it.class) == OOPS;
        let dead: Vec<_> =
            waiting.iter().filter(dead).map(|it| self.stage.worker(it.task)).collect();
        let died = goes_on && dead.contains(&step.who) && !keeps_mmap_lock(&step.op);
        let kept = goes_on && !died && !self.returns_to_nobody.borrow().contains(&step.n);
        self.now(|now| {
            now.did.pages = pages;
            now.did.completed_now.sort_by_key(|completion| completion.step);
            now.asleep = asleep;
            now.did.died = died;
            now.did.asynchronous = step.issue == Issue::Async;
            if kept {
                match step.issue {
                    Issue::Wait => now.did.blocked = true,
                    Issue::Async => now.did.in_flight = true,
                }
            }
            if let Op::Wait(Wait { worker }) = step.op {
                let asked = |other: &WorkerId| worker.is_none_or(|one| one == *other);
                // Nobody waits for the dead.
                let alive = |other: &WorkerId| !dead.contains(&Some(*other));
                now.still_blocked = unfinished.into_keys().filter(asked).filter(alive).collect();
            }
        });
        Ok(())
    }

    /// Who waits for what, of those that are in the middle of something.
    fn asleep(&self, it: &Blocked, unfinished: &BTreeMap<WorkerId, u32>) -> Option<String> {
        let worker = self.stage.worker(it.task)?;
        let in_step = unfinished.get(&worker)?;
        let page = self.tracked.as_ref().and_then(|tracked| tracked.page_of(it.object));
        let what = match (it.step, page) {
            (None, _) => "a change in what it looks at again and again".to_owned(),
            (_, Some(index)) if WaitClass::of(it.class) == PAGE_IDLE => {
                format!("page {index} to become idle")
            }
            (Some(_), _) => format!("{} {:#x}", it.class, it.object),
        };
        Some(format!("{worker} in step {in_step} waits for {what}"))
    }

    fn now<R>(&self, change: impl FnOnce(&mut ModelStep) -> R) -> R {
        let steps = &mut self.ran.borrow_mut().steps;
        if steps.is_empty() {
            steps.push(ModelStep::default());
        }
        let last = steps.len() - 1;
        change(&mut steps[last])
    }

    fn on_cpu<R>(&self, call: impl FnOnce(&World, &Cpu<'_>) -> R) -> Result<R, Failed> {
        self.stage.on_cpu(call).map_err(|stopped: Stopped| {
            self.fail(stopped.to_string());
            Failed
        })
    }

    fn fail(&self, why: String) {
        self.now(|now| now.failure = Some(why));
    }
}

/// Whether an operation is an ioctl of the mirror device.
fn is_ioctl(op: &Op) -> bool {
    matches!(op, Op::HmmTodev(_) | Op::HmmTosys(_) | Op::HmmRead(_) | Op::HmmRelease(_))
}

/// Whether an oops in the midst of it leaves the caller's `mmap_lock` taken. The exit of the dead waits for that, and so
/// they are never gone.
fn keeps_mmap_lock(op: &Op) -> bool {
    matches!(
        op,
        Op::Touch(_) | Op::Load(_) | Op::Store(_) | Op::Munmap(_) | Op::Mremap(_) | Op::Madvise(_)
    )
}
