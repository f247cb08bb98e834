//! A world under the scheduler: set up once, put back before every execution, its workers as tasks.
//!
//! The program's set-up runs outside the scheduler; what memory holds then is the start of every execution.
//! Each worker that has steps after `start` is a task, and so is the environment; with store buffers, the
//! draining of each of theirs is a task, too. At the end of an execution,
//! outside the scheduler again, every process leaves and the books must balance.

use std::cell::{Cell, Ref, RefCell};
use std::sync::Arc;

use pgmap_mm::world::{Failure as Return, Party, World};
use pgmap_prim::{
    Arena, Cpu, Entered, Lease, Machine, NoMemory, Snapshot, Stopped, TaskId, catch_abandon,
    store_buffer,
};
use pgmap_program::op::{DevPut, DriverIdx, Thread, Unpin, WorkerId};
use pgmap_program::{Memory, Op, Outcome, Step, TlbRefill};
use pgmap_sched::{Control, Defect, Identity, Model, Object, Task};

use crate::audited::Audited;
use crate::scenario::{Role, Scenario, ScenarioError, Unfinished};
use crate::sharing::is_shared;
use crate::step_results::StepResults;

/// Faults of our own, above the protocol's complaints and below prim's.
pub mod code {
    /// The books do not balance when everybody has left.
    pub const NOT_AT_REST: u32 = 0xfe00;
    /// A process could not leave: something it waits for will never happen.
    pub const CANNOT_LEAVE: u32 = 0xfe01;
    /// What the program expects of its steps does not hold; the object is the expectation's place.
    pub const UNEXPECTED: u32 = 0xfe02;
}

/// Remarks in a trace: `a` is the index of the program's step.
pub mod remark {
    /// The step begins.
    pub const BEGIN: u32 = 1;
    /// The step ends; `b` is what it returned.
    pub const END: u32 = 2;
}

/// Steps of a set-up between two looks whether it goes on.
const APART: usize = 256;

/// The step a task is in, and those it has still to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing<'a> {
    pub(crate) now: Option<&'a (u32, Op)>,
    pub(crate) rest: &'a [(u32, Op)],
}

/// See the module's introduction.
#[derive(Debug)]
pub struct ExploredWorld {
    world: World,
    machine: Arc<Machine>,
    /// Borrowed for a moment only, so that a judge may look at the world between executions.
    arena: RefCell<Arena>,
    start: Snapshot,
    roles: Vec<Role>,
    /// Tasks after those, one to empty the store buffer of each; none where memory has no store buffers.
    drainers: usize,
    /// The operation each task is in, or was in last, for whoever asks after an execution.
    doing: Box<[Cell<u8>]>,
    /// How many steps of its role each task has begun.
    begun: Box<[Cell<usize>]>,
    /// What steps come to.
    step_results: StepResults,
    /// What each step of the set-up returned.
    set_up: Vec<(u32, Outcome)>,
    /// Something was complained of in some execution.
    complained: Cell<bool>,
    audited: Audited,
    _entered: Entered,
}

impl ExploredWorld {
    /// Builds the machine and runs the set-up; in a long one `control` is asked every few hundred steps.
    ///
    /// # Errors
    /// Why it cannot, or that `control` said stop.
    pub fn new(
        scenario: &Scenario,
        control: &mut dyn FnMut() -> Control,
    ) -> Result<Self, Unfinished> {
        scenario.validate()?;
        let Scenario { program, rules, geometry, memory, tlb, without, .. } = scenario;
        let no_memory = |_: NoMemory| ScenarioError::NoMemory;
        let machine = Machine::new(geometry.cpus.into());
        machine.leave_out(without.iter().map(|it| it.step().edit).collect());
        let arena = Arena::new(World::reserve(geometry)).map_err(no_memory)?;
        let entered = arena.enter();
        let world = {
            let cpu = lease(&machine, 0, 0);
            World::new(&arena, &cpu, geometry, *rules).map_err(no_memory)?
        };
        let roles = scenario.roles();
        let setting = Setting { world: &world, machine: &machine, scenario, roles: &roles };
        setting.files()?;
        setting.drivers()?;
        setting.workers()?;
        let mut set_up = Vec::new();
        for some in program.halves().0.chunks(APART) {
            if control() == Control::Stop {
                return Err(Unfinished::Stopped);
            }
            for step in some {
                set_up.push((step.n, setting.step(step)?));
            }
        }
        let drainers = match memory {
            Memory::Sc => 0,
            Memory::Tso => roles.len(),
        };
        machine.buffer_stores(drainers);
        if *tlb == TlbRefill::Speculative {
            machine.speculate();
        }
        machine.reset();
        let start = arena.snapshot();
        let arena = RefCell::new(arena);
        let doing = roles.iter().map(|_| Cell::new(0)).collect();
        let begun = roles.iter().map(|_| Cell::new(0)).collect();
        let step_results = StepResults::new(program, &roles);
        let _entered = entered;
        Ok(Self {
            world,
            machine,
            arena,
            start,
            roles,
            drainers,
            doing,
            begun,
            step_results,
            set_up,
            complained: Cell::new(false),
            audited: Audited::default(),
            _entered,
        })
    }

    /// What the steps of this execution have come to, and of those before it.
    #[must_use]
    pub fn step_results(&self) -> &StepResults {
        &self.step_results
    }

    /// What the steps of the set-up returned, by their numbers.
    #[must_use]
    pub fn set_up(&self) -> &[(u32, Outcome)] {
        &self.set_up
    }

    /// The world, as the last execution left it.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    #[must_use]
    pub fn arena(&self) -> Ref<'_, Arena> {
        self.arena.borrow()
    }

    /// Who a task is, or whose store buffer it empties.
    #[must_use]
    pub fn role(&self, task: Task) -> &Role {
        &self.roles[usize::from(task.0) % self.roles.len()]
    }

    /// A task in the middle of what it did last.
    #[must_use]
    pub fn party(&self, task: Task) -> u32 {
        let code = self.doing[usize::from(task.0) % self.doing.len()].get();
        match self.role(task).worker {
            Some(worker) => Party::task(worker, code),
            None => u32::from(code) << 8,
        }
    }

    /// Where the last execution left a task that did not end.
    pub(crate) fn standing(&self, task: Task) -> Standing<'_> {
        let steps = &self.role(task).steps;
        let (begun, rest) =
            steps.split_at(self.begun[usize::from(task.0) % self.begun.len()].get());
        Standing { now: begun.last(), rest }
    }

    /// Looks into the world between executions.
    ///
    /// # Errors
    /// When the state that an execution left behind cannot be looked at: a lock is held.
    pub fn look<R>(&self, look: impl FnOnce(&World, &Cpu<'_>) -> R) -> Result<R, Stopped> {
        catch_abandon(|| {
            // Abandoned tasks still lease theirs.
            self.machine.reset();
            look(&self.world, &lease(&self.machine, 0, 0))
        })
    }

    /// Gives back what a worker holds on purpose, and keeps past the end of the program: its leaving is ours, not a
    /// step of the program, and could wait for what somebody holds whose turn comes later. A process that leaves with a
    /// page of a nameless file in its own pipe waits for itself where `exit-fput` says so (B57): that is found when the
    /// program has it `exit`, and would hide everything else here.
    fn let_go(&self, cpu: &Cpu<'_>, worker: WorkerId) {
        let ok = |op: &Op| self.world.execute(cpu, worker, op).is_ok();
        while ok(&Op::Unpin(Unpin { pin: None })) {}
        ok(&Op::UringUnreg);
        self.world.empty_pipes(cpu, worker);
    }

    /// The driver drops what the program allocated and did not put.
    fn empty_driver(&self, cpu: &Cpu<'_>) {
        self.world.empty_drivers(cpu);
        let span = self.world.devmem.span();
        for page in 0..span.pages {
            while self.world.dev_put(cpu, WorkerId(0), &DevPut { page }).is_ok() {}
        }
    }

    /// Compares the books at the end of an operation, unless that has been done: where an execution repeats one
    /// before it and nothing was ever found, and where memory holds what it held then.
    fn audit(&self, cpu: &Cpu<'_>) {
        if self.complained.get() || !pgmap_sched::repeats() {
            let now = self.arena.borrow().digest(&self.start, &[]);
            self.audited.operation(now, || {
                self.world.audit(cpu);
                self.complained.set(self.complained.get() || !self.machine.warnings().is_empty());
            });
        }
    }

    /// Makes every audit from here on, also those that are known to find nothing: what others are compared with.
    pub fn audit_all(&self) {
        self.audited.make_all();
    }

    /// How many audits were not made because they were known to find nothing.
    #[must_use]
    pub fn audits_left_out(&self) -> u64 {
        self.audited.left_out()
    }

    /// All that the end of an execution goes by.
    fn left_behind(&self) -> Option<u128> {
        let mut machine = Vec::new();
        self.machine.write_state(&mut machine);
        self.arena.borrow().digest(&self.start, &machine)
    }

    /// What is wrong when everybody has left.
    fn at_rest(&self) -> Result<(), Defect> {
        let defect = |code, value| Defect { code, object: 0, value };
        match self.imbalance() {
            Err(_) => return Err(defect(code::CANNOT_LEAVE, 0)),
            Ok(wrong) if !wrong.is_empty() => {
                return Err(defect(code::NOT_AT_REST, wrong.len() as i64));
            }
            Ok(_) => {}
        }
        match self.machine.warnings().first() {
            Some(record) => Err(Defect {
                code: record.warn.code.into(),
                object: record.warn.object,
                value: record.warn.value,
            }),
            None => Ok(()),
        }
    }

    /// What does not balance when everybody has left.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    pub fn imbalance(&self) -> Result<Vec<String>, Stopped> {
        catch_abandon(|| {
            let cpu = lease(&self.machine, 0, 0);
            self.world.complete_io(&cpu);
            let running: Vec<WorkerId> = self.world.running().collect();
            running.iter().for_each(|&worker| self.let_go(&cpu, worker));
            for worker in running {
                // A process that left already is no error.
                let _ = self.world.exit(&cpu, worker);
            }
            self.empty_driver(&cpu);
            self.world.quiescence(&cpu)
        })
    }
}

impl Model for &ExploredWorld {
    fn tasks(&self) -> usize {
        self.roles.len() + self.drainers
    }

    fn daemons(&self) -> usize {
        self.drainers
    }

    fn puts_off(&self) -> bool {
        self.drainers > 0
    }

    fn identity(&self) -> Identity {
        pgmap_prim::identity
    }

    fn reset(&mut self) {
        self.arena.borrow_mut().restore(&self.start);
        self.machine.reset();
        self.begun.iter().for_each(|begun| begun.set(0));
        self.step_results.reset();
    }

    fn state(&self) -> Option<Vec<u64>> {
        let mut words = Vec::new();
        self.arena.borrow().write_state(&mut words);
        self.machine.write_state(&mut words);
        Some(words)
    }

    fn run(&self, task: Task) {
        if let Some(owner) = usize::from(task.0).checked_sub(self.roles.len()) {
            return store_buffer::drain(Task(owner as u8));
        }
        let Role { worker, steps } = self.role(task);
        // The environment's calls need somebody to make them; nobody's handles are touched.
        let who = worker.unwrap_or(WorkerId(0));
        for (nth, (n, op)) in steps.iter().enumerate() {
            self.begun[usize::from(task.0)].set(nth + 1);
            self.doing[usize::from(task.0)].set(op.call_number());
            let cpu = lease(&self.machine, task.0.into(), self.party(task));
            pgmap_sched::note(remark::BEGIN, u64::from(*n), 0);
            self.step_results.put(task, nth, Outcome::Waits);
            let returned = self.world.execute(&cpu, who, op);
            self.step_results.put(task, nth, outcome(returned));
            let returned = returned.unwrap_or_else(Return::as_return);
            self.audit(&cpu);
            pgmap_sched::note(remark::END, u64::from(*n), returned.cast_unsigned());
        }
    }

    fn finish(&self) -> Result<(), Defect> {
        let now = self.left_behind();
        if !self.audited.balances(now) {
            self.at_rest()?;
            self.audited.note_balance(now);
        }
        let unexpected =
            |broken| Defect { code: code::UNEXPECTED, object: broken as u64, value: 0 };
        self.step_results.close().map_err(unexpected)
    }

    fn asks_who_met(&self) -> bool {
        !self.step_results.met()
    }

    fn met(&mut self, object: Object, tasks: u16) {
        // What a store buffer lets out is its owner's.
        let who = (tasks | tasks >> self.roles.len()) & ((1u32 << self.roles.len()) - 1) as u16;
        if who.count_ones() > 1 && is_shared(&self.arena(), object) {
            self.step_results.meet();
        }
    }
}

/// What a call came to.
fn outcome(returned: Result<i64, Return>) -> Outcome {
    match returned {
        Ok(value) => Outcome::Value(value.cast_unsigned()),
        Err(Return::Errno(errno)) => Outcome::Errno(errno),
        Err(Return::Died(died)) => Outcome::Died(died),
    }
}

/// Leases a CPU for one operation. There is one for each task, and one is enough outside a run.
fn lease(machine: &Machine, cpu: usize, task: u32) -> Cpu<'_> {
    machine.lease_at(cpu, Lease::of(TaskId(task))).expect("a CPU for each task")
}

/// A world being set up.
struct Setting<'a> {
    world: &'a World,
    machine: &'a Machine,
    scenario: &'a Scenario,
    roles: &'a [Role],
}

impl Setting<'_> {
    /// Creates the program's files.
    fn files(&self) -> Result<(), ScenarioError> {
        let cpu = lease(self.machine, 0, 0);
        for (number, file) in (0..).zip(&self.scenario.program.files) {
            let name = pgmap_program::op::FileIdx(number);
            let made =
                self.world.create_file(&cpu, name, file.pages, Some(file.state), file.layout);
            made.map_err(|why| ScenarioError::SetUp {
                line: 0,
                step: format!("file {} {}", file.name, file.pages),
                why: format!("{why:?}"),
            })?;
        }
        Ok(())
    }

    /// Loads the program's drivers.
    fn drivers(&self) -> Result<(), ScenarioError> {
        let cpu = lease(self.machine, 0, 0);
        let program = &self.scenario.program;
        for (at, (number, driver)) in (0..).map(DriverIdx).zip(&program.drivers).enumerate() {
            let loaded = self.world.load_driver(&cpu, number, driver);
            loaded.map_err(|why| ScenarioError::SetUp {
                line: u32::try_from(program.files.len() + at + 1).unwrap_or(u32::MAX),
                step: format!("driver {} {}", driver.name, driver.pages),
                why: format!("failed with {}", why.name()),
            })?;
        }
        Ok(())
    }

    /// Starts the workers that no step starts.
    fn workers(&self) -> Result<(), ScenarioError> {
        let program = &self.scenario.program;
        for worker in program.workers() {
            let starts = |step: &Step| {
                step.op.child() == Some(worker) || step.op == Op::Spawn && step.who == Some(worker)
            };
            if !program.steps.iter().any(starts) {
                self.execute(Some(worker), &Op::Spawn, 0, format!("{worker} spawn"))?;
            }
        }
        Ok(())
    }

    fn step(&self, step: &Step) -> Result<Outcome, ScenarioError> {
        let text = || self.scenario.program.step_text(step).to_string();
        self.execute(step.who, &step.op, step.line, text())
    }

    fn execute(
        &self,
        who: Option<WorkerId>,
        op: &Op,
        line: u32,
        step: String,
    ) -> Result<Outcome, ScenarioError> {
        let worker = who.unwrap_or(WorkerId(0));
        let done = catch_abandon(|| {
            // On the CPU of its task to be, so that the set-up fills that CPU's TLB; a thread begins on its own.
            let runs = match op {
                Op::Thread(Thread { child }) => Some(*child),
                _ => who,
            };
            let cpu = self.roles.iter().position(|role| role.worker == runs).unwrap_or(0);
            let cpu = lease(self.machine, cpu, Party::task(worker, op.call_number()));
            self.world.execute(&cpu, worker, op)
        });
        let why = match done {
            Ok(Ok(value)) => return Ok(outcome(Ok(value))),
            Ok(Err(Return::Errno(errno))) => format!("failed with {}", errno.name()),
            Ok(Err(Return::Died(died))) => format!("died of {died:?}"),
            Err(stopped) => format!("would wait for ever ({stopped})"),
        };
        Err(ScenarioError::SetUp { line, step, why })
    }
}
