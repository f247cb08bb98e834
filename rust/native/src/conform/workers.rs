//! The worker threads of a replay, and waiting until they are settled.
//!
//! The conductor hands each worker operations through a channel; outcomes come back through one common
//! channel. A worker has *outstanding* operations from the moment the conductor issues one until it
//! receives the outcome. They are settled when nothing will happen by itself any more:
//!
//! 1. no slot of the machine runs;
//! 2. every worker with something outstanding is asleep, in the operation it was told first;
//! 3. the slots did not move meanwhile.
//!
//! Epochs only grow and move at every change of state, so 3 makes 1 and 2 true of one moment. At that
//! moment each worker is idle with its outcome received, or asleep; and only a running task ends a
//! sleep. A worker that was told something but has no CPU yet, or has just given it back, is not asleep,
//! so neither is mistaken for rest.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pgmap_mm::world::{Party, Return};
use pgmap_prim::{Poison, SlotState, Stopped, TaskId, TaskState, smp_mb};
use pgmap_program::Op;
use pgmap_program::op::WorkerId;

use crate::threaded::{Patience, ThreadedWorld};

/// Between two looks at the machine; outcomes end it early. Its length decides nothing.
const GLANCE: Duration = Duration::from_micros(200);

/// An operation came back.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) worker: WorkerId,
    pub(super) step: u32,
    pub(super) outcome: Result<Return, Stopped>,
}

/// A worker that neither finishes nor sleeps.
#[derive(Debug)]
pub(super) struct Stuck {
    pub(super) worker: WorkerId,
    pub(super) step: u32,
}

#[derive(Debug)]
struct Issued {
    step: u32,
    task: TaskId,
}

#[derive(Debug)]
struct Member {
    orders: Sender<(u32, Op)>,
    outstanding: VecDeque<Issued>,
    thread: JoinHandle<()>,
}

/// One thread for each worker of a program.
#[derive(Debug)]
pub(super) struct Workers {
    threaded: Arc<ThreadedWorld>,
    members: BTreeMap<WorkerId, Member>,
    outcomes: Receiver<Done>,
}

impl Workers {
    pub(super) fn new(
        threaded: &Arc<ThreadedWorld>,
        workers: impl IntoIterator<Item = WorkerId>,
    ) -> Self {
        let (report, outcomes) = channel();
        let member = |worker| {
            let (orders, told) = channel();
            let (threaded, report) = (Arc::clone(threaded), report.clone());
            let thread = std::thread::spawn(move || work(&threaded, worker, &told, &report));
            (worker, Member { orders, outstanding: VecDeque::new(), thread })
        };
        let members = workers.into_iter().map(member).collect();
        Self { threaded: Arc::clone(threaded), members, outcomes }
    }

    /// Tells a worker to do something after what it has outstanding.
    pub(super) fn issue(&mut self, worker: WorkerId, step: u32, op: &Op) {
        let Some(member) = self.members.get_mut(&worker) else { return };
        let task = TaskId(Party::task(worker, op.call_number()));
        member.outstanding.push_back(Issued { step, task });
        // The thread ends only when this sender goes.
        let _ = member.orders.send((step, op.clone()));
    }

    /// The step a worker still is in.
    pub(super) fn busy(&self, worker: WorkerId) -> Option<u32> {
        self.members.get(&worker)?.outstanding.front().map(|issued| issued.step)
    }

    /// Workers in the middle of something.
    pub(super) fn all_busy(&self) -> impl Iterator<Item = (WorkerId, u32)> {
        self.members.keys().filter_map(|worker| Some((*worker, self.busy(*worker)?)))
    }

    /// Sends a signal to whatever the worker is doing.
    pub(super) fn signal(&self, worker: WorkerId) {
        if let Some(issued) = self.members.get(&worker).and_then(|m| m.outstanding.front()) {
            self.threaded.machine().signal(issued.task);
        }
    }

    /// Waits until nothing will happen by itself; returns what came back on the way, in order.
    ///
    /// # Errors
    /// [`Stuck`] when the deadline passes first.
    pub(super) fn settle(&mut self, deadline: Duration) -> Result<Vec<Done>, Stuck> {
        let mut finished = Vec::new();
        let begun = Instant::now();
        loop {
            while let Ok(done) = self.outcomes.try_recv() {
                finished.push(self.receive(done));
            }
            if self.is_settled() {
                return Ok(finished);
            }
            if begun.elapsed() > deadline
                && let Some((worker, step)) = self.awake().or_else(|| self.all_busy().next())
            {
                return Err(Stuck { worker, step });
            }
            if let Ok(done) = self.outcomes.recv_timeout(GLANCE) {
                finished.push(self.receive(done));
            }
        }
    }

    fn receive(&mut self, done: Done) -> Done {
        if let Some(member) = self.members.get_mut(&done.worker) {
            member.outstanding.pop_front();
        }
        done
    }

    /// See the module's introduction.
    fn is_settled(&self) -> bool {
        if self.all_busy().next().is_none() {
            return true;
        }
        at_rest(|| self.threaded.machine().scan(), || self.awake().is_none())
    }

    /// A worker that has something outstanding and does not sleep.
    fn awake(&self) -> Option<(WorkerId, u32)> {
        let machine = self.threaded.machine();
        self.members.iter().find_map(|(worker, member)| {
            let issued = member.outstanding.front()?;
            let asleep = matches!(machine.task_state(issued.task), TaskState::Asleep(_));
            (!asleep).then_some((*worker, issued.step))
        })
    }

    /// Ends workers that are settled. Whoever sleeps is abandoned where it is.
    pub(super) fn dismiss(self) {
        if self.all_busy().next().is_some() {
            self.threaded.machine().poison(Poison::Requested("the replay is over".to_owned()));
        }
        for member in self.members.into_values() {
            drop(member.orders);
            // An operation's panic was caught and reported; the loop around it has none.
            let _ = member.thread.join();
        }
    }

    /// Ends workers of which one runs wild: it cannot be waited for.
    pub(super) fn desert(self) {
        self.threaded.machine().poison(Poison::Requested("a worker ran wild".to_owned()));
    }
}

/// Whether no slot runs and everybody sleeps, at one and the same moment.
fn at_rest<Epoch: PartialEq>(
    scan: impl Fn() -> Vec<(SlotState, Epoch)>,
    all_asleep: impl FnOnce() -> bool,
) -> bool {
    let before = scan();
    if before.iter().any(|(state, _)| *state == SlotState::Running) || !all_asleep() {
        return false;
    }
    // Orders the second scan after everything above.
    smp_mb();
    scan() == before
}

fn work(
    threaded: &ThreadedWorld,
    worker: WorkerId,
    orders: &Receiver<(u32, Op)>,
    report: &Sender<Done>,
) {
    while let Ok((step, op)) = orders.recv() {
        let outcome = threaded.execute(worker, &op, Patience::default());
        if report.send(Done { worker, step, outcome }).is_err() {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgmap_program::{Era, Geometry, Program};

    const LONG: Duration = Duration::from_secs(60);
    const W0: WorkerId = WorkerId(0);

    /// Workers of which w0 sleeps in direct I/O, which nothing but the device ends.
    fn asleep_in_io() -> (Arc<ThreadedWorld>, Workers) {
        let threaded =
            Arc::new(ThreadedWorld::new(&Geometry::REAL, Era::V6_15.rules()).expect("a machine"));
        let program = Program::parse(
            "file f 16 written\nw0 spawn\nw0 open 0 f rw\nw0 open 1 /dev/nullb0 rw,direct\n\
             w0 mmap 0 0 0 16 rw shared\nw0 dio_write 1 0 0 1",
        )
        .expect("a program");
        let file = &program.files[0];
        let made = threaded.enter(0, Patience::default(), |cpu| {
            let name = pgmap_program::op::FileIdx(0);
            threaded.world().create_file(cpu, name, file.pages, Some(file.state), file.layout)
        });
        assert_eq!(made.expect("a CPU"), Ok(0));
        let mut workers = Workers::new(&threaded, program.workers());
        for step in &program.steps {
            workers.issue(W0, step.n, &step.op);
        }
        let returned = workers.settle(LONG).expect("settled").len();
        assert_eq!(returned, program.steps.len() - 1);
        (threaded, workers)
    }

    #[test]
    fn what_moved_between_two_looks_was_not_at_rest() {
        use std::cell::Cell;
        let slot = Cell::new((SlotState::Asleep, 2_u32));
        let scan = || vec![slot.get(), (SlotState::Idle, 0)];
        assert!(at_rest(scan, || true));
        assert!(!at_rest(scan, || false), "somebody is not asleep");
        // Each look sees it asleep; in between it ran, and woke somebody.
        let woken_meanwhile = || {
            slot.set((SlotState::Asleep, 4));
            true
        };
        assert!(!at_rest(scan, woken_meanwhile));
        slot.set((SlotState::Running, 5));
        assert!(!at_rest(scan, || true));
    }

    #[test]
    fn a_crew_settles_when_its_last_worker_falls_asleep() {
        let (threaded, mut workers) = asleep_in_io();
        assert_eq!(workers.all_busy().collect::<Vec<_>>(), [(W0, 4)]);
        threaded
            .enter(0, Patience::default(), |cpu| threaded.world().complete_io_of(cpu, W0))
            .expect("a CPU");
        let done = workers.settle(LONG).expect("settled");
        assert!(matches!(done[..], [Done { step: 4, outcome: Ok(Ok(4096)), .. }]), "{done:?}");
        workers.dismiss();
    }

    #[test]
    fn a_sleeper_nobody_wakes_does_not_outlive_its_crew() {
        asleep_in_io().1.dismiss();
    }

    #[test]
    fn a_machine_that_never_comes_to_rest_is_reported_not_waited_for() {
        let (threaded, mut workers) = asleep_in_io();
        let stuck = threaded.enter(0, Patience::default(), |_running| {
            workers.settle(Duration::ZERO).map(drop).map_err(|stuck| (stuck.worker, stuck.step))
        });
        assert_eq!(stuck.expect("a CPU"), Err((W0, 4)));
        workers.dismiss();
    }
}
