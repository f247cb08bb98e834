//! The conductor: issues a recording's steps one at a time and writes down what the model does.
//!
//! Its account has the recording's own shape, so that comparing is comparing. What the kernel did is
//! looked at for two things only: which pages to look at, and the inputs named in the parent module.
//!
//! `kill` and `end` are signals: they end an interruptible sleep, and the worker exits when it can. One
//! that sleeps uninterruptibly cannot, and keeps what it has, as on the kernel. What a killed worker was
//! doing never returns to anybody, so it does not count as returned; nor does an `exit`, which may sleep, too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use pgmap_mm::dax::PAGE_IDLE;
use pgmap_mm::page::Order;
use pgmap_mm::world::{Failure, Party, Violation, World};
use pgmap_prim::{Cpu, Stopped};
use pgmap_program::op::{DioRead, DioWrite, FileIdx, Wait, WorkerId};
use pgmap_program::recording::{Completion, DevDax, Expect};
use pgmap_program::{Died, Errno, Geometry, Issue, Op, Recording, Rules, Step};

use crate::conform::course::{ModelStep, Ran};
use crate::conform::pages::Tracked;
use crate::conform::workers::{Done, Stuck, Workers};
use crate::threaded::{Patience, ThreadedWorld, ThreadedWorldError};

/// Replays a recording. The inner error says why this machine cannot even be set up for it.
pub(super) fn replay(
    recording: &Recording,
    rules: Rules,
    deadline: Duration,
) -> Result<Result<Ran, String>, ThreadedWorldError> {
    let workers = recording.program().workers();
    // Every worker may sleep on a CPU of its own, and the conductor needs one too.
    let cpus = Geometry::REAL.cpus.max(workers.len() as u16 + 2);
    let threaded = Arc::new(ThreadedWorld::new(&Geometry { cpus, ..Geometry::REAL }, rules)?);
    let tracked = match set_up(&threaded, recording) {
        Ok(tracked) => tracked,
        Err(reason) => return Ok(Err(reason)),
    };
    let workers = Workers::new(&threaded, workers);
    let (due, ran) = (device_times(recording), Ran::default());
    let returns_to_nobody = BTreeSet::new();
    let mut conductor =
        Conductor { recording, threaded, tracked, workers, deadline, due, returns_to_nobody, ran };
    let failed = conductor.run().is_err();
    let Conductor { threaded, workers, mut ran, .. } = conductor;
    if failed {
        workers.desert();
    } else {
        let title = |v: &Violation| format!("{}: {}", v.invariant.id(), v.title);
        ran.complaints = threaded.violations().unwrap_or_default().iter().map(title).collect();
        workers.dismiss();
    }
    Ok(Ok(ran))
}

/// Makes the files and gives their blocks what they carried over from an earlier life.
fn set_up(threaded: &ThreadedWorld, recording: &Recording) -> Result<Option<Tracked>, String> {
    let made =
        threaded.enter(0, Patience::default(), |cpu| make_files(threaded.world(), cpu, recording));
    let tracked = made.map_err(|stopped| stopped.to_string())??;
    if let (Some(tracked), Some((step, seen))) = (&tracked, recording.steps().next())
        && step.op == Op::Baseline
    {
        for (index, page) in &seen.expect.pages {
            let share = page.share.and_then(|share| u32::try_from(share).ok());
            let Some(pfn) = tracked.frame(*index) else { continue };
            if let Some(share) = share {
                threaded.world().seed_share(pfn, share);
            }
            // What device-dax has mapped once stays so; of a file system's pages none begins in a file.
            if page.mapping && recording.dev_dax.is_some() {
                threaded.world().seed_mapping(pfn, tracked.inode());
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
    for (file, number) in files.iter().zip(0..) {
        world
            .create_file(cpu, FileIdx(number), file.pages, Some(file.state), file.layout)
            .map_err(|_| format!("a file of {} pages: not supported yet", file.pages))?;
    }
    let Some(first) = files.first() else { return Ok(None) };
    let inode = world.name_lookup(cpu, FileIdx(0)).map_err(|errno| errno.name().to_owned())?;
    Ok(Some(Tracked::new(world, inode, first.pages)))
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

/// The replay cannot go on; the last step says why.
struct Failed;

struct Conductor<'a> {
    recording: &'a Recording,
    threaded: Arc<ThreadedWorld>,
    tracked: Option<Tracked>,
    workers: Workers,
    deadline: Duration,
    due: BTreeMap<u32, Vec<WorkerId>>,
    /// Steps that return to nobody: their worker was killed in the middle, or left.
    returns_to_nobody: BTreeSet<u32>,
    ran: Ran,
}

impl Conductor<'_> {
    fn run(&mut self) -> Result<(), Failed> {
        for (step, seen) in self.recording.steps() {
            self.ran.steps.push(ModelStep::default());
            self.on_cpu(|threaded, cpu| threaded.world().advance_clock(cpu))?;
            self.settle(step)?;
            self.perform(step)?;
            for worker in self.due.remove(&step.n).unwrap_or_default() {
                self.on_cpu(|threaded, cpu| threaded.world().complete_io_of(cpu, worker))?;
                self.settle(step)?;
            }
            self.look(step, &seen.expect)?;
        }
        Ok(())
    }

    /// The step itself, until the machine is settled.
    fn perform(&mut self, step: &Step) -> Result<(), Failed> {
        match (&step.op, step.who) {
            // A program without a worker for it has nobody to do it.
            (Op::Baseline | Op::Start | Op::Sleep | Op::Retrack | Op::Wait(_), _) => Ok(()),
            (Op::End, _) => {
                let running: BTreeSet<WorkerId> = self.threaded.world().running().collect();
                running.into_iter().try_for_each(|worker| self.kill(step, worker))
            }
            (Op::Kill, Some(worker)) => {
                self.now().did.ret = Some(0);
                self.kill(step, worker)
            }
            (op, Some(worker)) => {
                self.now().busy_in = self.workers.busy(worker);
                match op {
                    _ if self.now().busy_in.is_some() => self.settle(step),
                    Op::Exit => {
                        self.now().did.ret = Some(0);
                        self.leave(step, worker)
                    }
                    _ => {
                        self.workers.issue(worker, step.n, op);
                        self.settle(step)
                    }
                }
            }
            (_, None) => Ok(()),
        }
    }

    fn kill(&mut self, step: &Step, worker: WorkerId) -> Result<(), Failed> {
        self.returns_to_nobody.extend(self.workers.busy(worker));
        self.workers.signal(worker);
        self.leave(step, worker)
    }

    fn leave(&mut self, step: &Step, worker: WorkerId) -> Result<(), Failed> {
        self.returns_to_nobody.insert(step.n);
        self.workers.issue(worker, step.n, &Op::Exit);
        self.settle(step)
    }

    fn settle(&mut self, step: &Step) -> Result<(), Failed> {
        match self.workers.settle(self.deadline) {
            Ok(finished) => finished.into_iter().try_for_each(|done| self.note(step, done)),
            Err(Stuck { worker, step }) => {
                self.fail(format!("{worker} neither finished step {step} nor slept"))
            }
        }
    }

    /// Something came back during `step`.
    fn note(&mut self, step: &Step, done: Done) -> Result<(), Failed> {
        let touched = self.recording.program().steps.get(done.step as usize);
        let ret = match done.outcome {
            Ok(Ok(value)) => value,
            // Where a mapping was refused there is nothing: a process that touches it dies.
            Ok(Err(Failure::Errno(Errno::EINVAL)))
                if touched.is_some_and(|step| matches!(step.op, Op::Touch(_))) =>
            {
                Died::Sigsegv.as_return()
            }
            Ok(Err(failure)) => failure.as_return(),
            Err(Stopped::Poisoned(poison)) => return self.fail(poison.to_string()),
            Err(Stopped::Panic(message)) => {
                return self.fail(format!("{} panicked: {message}", done.worker));
            }
        };
        if self.returns_to_nobody.contains(&done.step) {
            return Ok(());
        }
        if let Some(issued) = self.ran.steps.get_mut(done.step as usize) {
            issued.did.ret = Some(ret);
            if done.step != step.n {
                issued.did.completes_at = Some(step.n);
                let completion = Completion { step: done.step, actor: done.worker, ret };
                self.now().did.completed_now.push(completion);
            }
        }
        Ok(())
    }

    /// The machine is at rest: what does it look like?
    fn look(&mut self, step: &Step, seen: &Expect) -> Result<(), Failed> {
        let tracked = self.tracked.take();
        let pages = match &tracked {
            Some(tracked) => {
                self.on_cpu(|threaded, cpu| tracked.look(threaded.world(), cpu, seen.pages.keys()))
            }
            None => Ok(BTreeMap::new()),
        };
        let waiters = self.threaded.machine().waiters();
        let asleep = waiters.iter().map(|waiter| {
            let page = tracked.as_ref().and_then(|tracked| tracked.page_of(waiter.object));
            let what = match page {
                Some(index) if waiter.class == PAGE_IDLE => format!("page {index} to become idle"),
                Some(_) | None => format!("{} {:#x}", waiter.class, waiter.object),
            };
            format!("{} sleeps, waiting for {what}", Party::of(waiter.task.0))
        });
        let asleep = asleep.collect();
        self.tracked = tracked;
        let pages = pages?;
        let unfinished: BTreeMap<WorkerId, u32> = self.workers.all_busy().collect();
        let goes_on = step.who.and_then(|worker| unfinished.get(&worker)) == Some(&step.n);
        let kept = goes_on && !self.returns_to_nobody.contains(&step.n);
        let now = self.now();
        now.did.pages = pages;
        now.did.completed_now.sort_by_key(|completion| completion.step);
        now.asleep = asleep;
        now.did.asynchronous = step.issue == Issue::Async;
        if kept {
            match step.issue {
                Issue::Wait => now.did.blocked = true,
                Issue::Async => now.did.in_flight = true,
            }
        }
        if let Op::Wait(Wait { worker }) = step.op {
            let asked = |other: &WorkerId| worker.is_none_or(|one| one == *other);
            now.still_blocked = unfinished.into_keys().filter(asked).collect();
        }
        Ok(())
    }

    fn now(&mut self) -> &mut ModelStep {
        if self.ran.steps.is_empty() {
            self.ran.steps.push(ModelStep::default());
        }
        let last = self.ran.steps.len() - 1;
        &mut self.ran.steps[last]
    }

    fn on_cpu<R>(&mut self, call: impl FnOnce(&ThreadedWorld, &Cpu<'_>) -> R) -> Result<R, Failed> {
        let threaded = Arc::clone(&self.threaded);
        // A lock that a sleeper holds is a failure of the model, not a reason to wait with it.
        let patience = Patience { deadline: Some(self.deadline), poll: None };
        match threaded.enter(0, patience, |cpu| call(&threaded, cpu)) {
            Ok(value) => Ok(value),
            Err(stopped) => self.fail(stopped.to_string()).and(Err(Failed)),
        }
    }

    fn fail(&mut self, why: String) -> Result<(), Failed> {
        self.now().failure = Some(why);
        Err(Failed)
    }
}
