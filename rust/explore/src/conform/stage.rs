//! Where a recording is played: a machine of the real sizes, a world on it, and a task for each recorded worker.
//!
//! A worker waits until it is told a step, takes it, and waits again. Who tells it, and when, is the conductor's affair
//! (`replay`). Here a complaint of the model ends nothing: the kernel prints it and goes on, and so do we; only a task
//! that the kernel would kill takes no step any more.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

use pgmap_mm::warn::Complaint;
use pgmap_mm::world::{Party, Return, World};
use pgmap_prim::{Arena, Cpu, Entered, Lease, Machine, NoMemory, Stopped, TaskId, catch_abandon};
use pgmap_program::op::{Drain, FileRef, Pread, Pwrite, WorkerId};
use pgmap_program::recording::Asked;
use pgmap_program::{Geometry, Op, Recording, Rules};
use pgmap_sched::{
    Defect, Effect, Looks, Model, Object, Step, Task, Verb, Wait, WaitClass, point_when,
};

/// What a worker is told.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// A step of the recording, by its number.
    Step(u32),
    /// To leave, in this step: it was killed, or everybody is.
    Exit(u32),
}

impl Order {
    fn step(self) -> u32 {
        match self {
            Self::Step(n) | Self::Exit(n) => n,
        }
    }
}

/// A step came back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    pub(super) worker: WorkerId,
    pub(super) step: u32,
    pub(super) returned: Return,
    /// The byte that it read, where that is not what it returns.
    pub(super) byte: Option<u8>,
}

/// A worker that waits to be told something.
const IDLE: WaitClass = WaitClass::named("what it is told");
/// What it does then: no step of the protocol.
const TOLD: Verb = Verb(u8::MAX);

#[derive(Debug)]
pub(super) struct Stage {
    world: World,
    machine: Arc<Machine>,
    recording: Rc<Recording>,
    /// Workers in the order of their tasks, with what each is told and has not done yet.
    members: Vec<(WorkerId, RefCell<VecDeque<Order>>)>,
    came_back: RefCell<Vec<Done>>,
    _entered: Entered,
    _arena: Arena,
}

impl Stage {
    /// # Errors
    /// [`NoMemory`] when address space for it cannot be reserved.
    pub(super) fn new(recording: &Rc<Recording>, rules: Rules) -> Result<Self, NoMemory> {
        let workers = recording.program().workers().into_iter();
        let members: Vec<_> = workers.map(|it| (it, RefCell::default())).collect();
        // Every worker has a CPU of its own, and who looks at the world has one too.
        let cpus = Geometry::REAL.cpus.max(members.len() as u16 + 1);
        // A file may be asked to take whatever is left of the device.
        let file_pages_max = Geometry::REAL.pages;
        let geometry = Geometry { cpus, file_pages_max, ..Geometry::REAL };
        let machine = Machine::new(cpus.into());
        machine.go_on_after_warnings(|code| {
            Complaint::from_code(code).is_some_and(Complaint::is_an_oops)
        });
        machine.reset();
        let arena = Arena::new(World::reserve(&geometry))?;
        let entered = arena.enter();
        let world = {
            let cpu = machine.lease(Lease::of(TaskId(0))).map_err(|_| NoMemory)?;
            World::new(&arena, &cpu, &geometry, rules)?
        };
        Ok(Self {
            world,
            machine,
            recording: Rc::clone(recording),
            members,
            came_back: RefCell::default(),
            _entered: entered,
            _arena: arena,
        })
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Looks at the world, or does something to it, while no task takes a step.
    ///
    /// # Errors
    /// [`Stopped`] where that would have to wait for a task.
    pub(super) fn on_cpu<R>(&self, call: impl FnOnce(&World, &Cpu<'_>) -> R) -> Result<R, Stopped> {
        catch_abandon(|| call(&self.world, &self.cpu(self.members.len(), 0)))
    }

    fn cpu(&self, slot: usize, party: u32) -> Cpu<'_> {
        self.machine.lease_at(slot, Lease::of(TaskId(party))).expect("a CPU for each worker")
    }

    /// The worker that a task is.
    pub(super) fn worker(&self, task: Task) -> Option<WorkerId> {
        self.members.get(usize::from(task.0)).map(|member| member.0)
    }

    /// Tells a worker a step, after what it has to do before.
    pub(super) fn issue(&self, worker: WorkerId, step: u32) {
        self.tell(worker, Order::Step(step));
    }

    /// Tells a worker to leave, after what it has to do before.
    pub(super) fn dismiss(&self, worker: WorkerId, step: u32) {
        self.tell(worker, Order::Exit(step));
    }

    fn tell(&self, worker: WorkerId, order: Order) {
        if let Some(orders) = self.orders(worker) {
            orders.borrow_mut().push_back(order);
        }
    }

    fn orders(&self, worker: WorkerId) -> Option<&RefCell<VecDeque<Order>>> {
        self.members.iter().find(|member| member.0 == worker).map(|member| &member.1)
    }

    /// The step a worker still is in.
    pub(super) fn busy(&self, worker: WorkerId) -> Option<u32> {
        self.orders(worker)?.borrow().front().map(|order| order.step())
    }

    /// Workers in the middle of something.
    pub(super) fn all_busy(&self) -> BTreeMap<WorkerId, u32> {
        let busy = |member: &(WorkerId, _)| Some((member.0, self.busy(member.0)?));
        self.members.iter().filter_map(busy).collect()
    }

    /// Sends a signal to whatever the worker is doing.
    pub(super) fn signal(&self, worker: WorkerId) {
        let Some(order) = self.orders(worker).and_then(|it| it.borrow().front().copied()) else {
            return;
        };
        self.machine.signal(TaskId(self.party(worker, order)));
    }

    /// What came back since this was asked last, in order.
    pub(super) fn take_came_back(&self) -> Vec<Done> {
        self.came_back.take()
    }

    fn op(&self, order: Order) -> &Op {
        match order {
            Order::Step(n) => {
                self.recording.program().steps.get(n as usize).map_or(&Op::Nop, |step| &step.op)
            }
            Order::Exit(_) => &Op::Exit,
        }
    }

    fn party(&self, worker: WorkerId, order: Order) -> u32 {
        Party::task(worker, self.op(order).call_number())
    }

    /// What a worker does with an order; the byte that it read, where it looks at one.
    fn obey(&self, cpu: &Cpu<'_>, worker: WorkerId, order: Order) -> (Return, Option<u8>) {
        let asked = match order {
            Order::Step(n) => {
                self.recording.observed.get(n as usize).and_then(|it| it.asked.as_ref())
            }
            Order::Exit(_) => None,
        };
        let Some(asked) = asked else {
            return (self.world.execute(cpu, worker, self.op(order)), None);
        };
        let mut byte = None;
        // The lowest byte stands for all of a page.
        let look = |word: u64| byte = Some(word as u8);
        let returned = match *asked {
            // The conductor's affair.
            Asked::Hold { .. } | Asked::Held { .. } | Asked::Release { .. } => Ok(0),
            Asked::Fill { fd, value, page, pages } => {
                let op = Pwrite { file: FileRef::Fd(fd), page, pages };
                self.world.pwrite_each(cpu, worker, &op, |_| value.into())
            }
            Asked::Fallocate { fd, pages } => self.world.fallocate(cpu, worker, fd, pages),
            Asked::Hog { fd } => self.world.hog(cpu, worker, fd),
            Asked::FilePeek { fd, page } => {
                let op = Pread { file: FileRef::Fd(fd), page, pages: 1 };
                let read = self.world.pread_each(cpu, worker, &op, look);
                return (read.map(|_| byte.map_or(0, i64::from)), None);
            }
            Asked::DrainPeek { pipe } => {
                let op = Drain { pipe, pages: Geometry::REAL.pipe_slots.into() };
                self.world.drain_each(cpu, worker, &op, look)
            }
        };
        (returned, byte)
    }
}

/// The workers as tasks of the scheduler.
pub(super) struct Workers(pub(super) Rc<Stage>);

impl Model for Workers {
    fn tasks(&self) -> usize {
        self.0.members.len()
    }

    /// A stage is played on once.
    fn reset(&mut self) {}

    fn state(&self) -> Option<Vec<u64>> {
        let mut words = Vec::new();
        self.0._arena.write_state(&mut words);
        self.0.machine.write_state(&mut words);
        Some(words)
    }

    fn run(&self, task: Task) {
        let stage = &*self.0;
        let slot = usize::from(task.0);
        let (worker, orders) = (stage.members[slot].0, &stage.members[slot].1);
        loop {
            wait_for(task, orders);
            let Some(order) = orders.borrow().front().copied() else { continue };
            let (returned, byte) = {
                let cpu = stage.cpu(slot, stage.party(worker, order));
                stage.obey(&cpu, worker, order)
            };
            orders.borrow_mut().pop_front();
            let done = Done { worker, step: order.step(), returned, byte };
            stage.came_back.borrow_mut().push(done);
        }
    }

    fn finish(&self) -> Result<(), Defect> {
        Ok(())
    }
}

fn wait_for(task: Task, orders: &RefCell<VecDeque<Order>>) {
    let object = u64::MAX - u64::from(task.0);
    let (effect, site) = (Effect::Write, Location::caller());
    let step = Step { verb: TOLD, object: Object(object), effect, site };
    let wait = Wait::unowned(IDLE, object, Looks::Anywhere);
    point_when(step, wait, &|| !orders.borrow().is_empty());
}
