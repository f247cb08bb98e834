//! What is explored: a program, rules and sizes, checked once.

use pgmap_program::op::WorkerId;
use pgmap_program::{Era, Geometry, GeometryError, Memory, Op, Program, Rules, TlbRefill};
use pgmap_sched::MOST_TASKS;
use thiserror::Error;

use crate::protocol::Without;

/// Everything that an execution depends on besides its schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    pub program: Program,
    /// Where the rules come from; decides which races are known.
    pub era: Era,
    pub rules: Rules,
    pub geometry: Geometry,
    /// Which memory the CPUs see; claims hold for this one.
    pub memory: Memory,
    pub tlb: TlbRefill,
    /// Steps of the protocol that are left out.
    pub without: Vec<Without>,
}

/// Pages of a device. Each execution puts all of them back, and a token from anybody may ask for more.
const PAGES_MAX: u32 = 1 << 14;

/// Why there is nothing to explore.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScenarioError {
    #[error(
        "the program has no step to run at the same time as others; put set-up before a line \"start\""
    )]
    Nothing,
    #[error("{0} tasks at once: the explorer runs at most {MOST_TASKS}")]
    TooMany(usize),
    #[error(
        "{0} tasks at once: with store buffers the explorer runs at most {most}, for draining each takes a task, too",
        most = MOST_TASKS / 2
    )]
    TooManyBuffers(usize),
    #[error("{cpus} CPUs for {tasks} tasks at once: each needs one of its own")]
    Cpus { cpus: u16, tasks: usize },
    #[error("a machine of {0} pages: the explorer takes at most {PAGES_MAX}")]
    TooLarge(u32),
    #[error("line {line}: {what}")]
    Unsupported { line: u32, what: String },
    #[error("line {line}: {step}: {why} in the set-up")]
    SetUp { line: u32, step: String, why: String },
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    #[error("cannot reserve address space for a world of this size")]
    NoMemory,
}

/// Why something in a scenario did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unfinished {
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    #[error("somebody stopped it")]
    Stopped,
}

/// One task: a worker's steps after `start`, or the environment's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// None: the environment.
    pub worker: Option<WorkerId>,
    /// Index in the program's steps, and the operation.
    pub steps: Vec<(u32, Op)>,
}

impl Scenario {
    /// The program under an era's own rules, in a machine just large enough for it.
    #[must_use]
    pub fn new(program: Program, era: Era) -> Self {
        let geometry = Self::smallest_geometry(&program);
        let rules = era.rules();
        let (memory, tlb) = (Memory::Sc, TlbRefill::OnAccess);
        Self { program, era, rules, geometry, memory, tlb, without: Vec::new() }
    }

    /// The small sizes, with a CPU for each task and room for the program's files.
    #[must_use]
    pub fn smallest_geometry(program: &Program) -> Geometry {
        let small = Geometry::SMALL;
        let tasks = u16::try_from(Self::roles_of(program).len()).unwrap_or(u16::MAX);
        let largest = program.files.iter().map(|file| file.pages).max().unwrap_or(1);
        let files = u16::try_from(program.files.len()).unwrap_or(u16::MAX);
        let workers = u16::try_from(program.workers().len()).unwrap_or(u16::MAX);
        let driven: u32 = program.drivers.iter().map(|driver| driver.pages).sum();
        Geometry {
            cpus: tasks.max(2),
            file_pages_max: small.file_pages_max.max(largest),
            files_max: small.files_max.max(files),
            procs_max: small.procs_max.max(workers),
            pages: small.pages.max(largest.saturating_mul(2).next_multiple_of(small.pmd_pages())),
            dev_pages: small.dev_pages.max(driven),
            ..small
        }
    }

    /// The tasks, workers in ascending order and the environment last.
    #[must_use]
    pub fn roles(&self) -> Vec<Role> {
        Self::roles_of(&self.program)
    }

    fn roles_of(program: &Program) -> Vec<Role> {
        let steps = program.halves().1;
        let of = |who: Option<WorkerId>| {
            let mine = steps.iter().filter(|step| step.who == who && step.op != Op::End);
            Role { worker: who, steps: mine.map(|step| (step.n, step.op.clone())).collect() }
        };
        let who = program.workers().into_iter().map(Some).chain([None]);
        who.map(of).filter(|role| !role.steps.is_empty()).collect()
    }

    /// # Errors
    /// What makes it impossible to explore.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        self.geometry.validate()?;
        let Geometry { pages, dev_pages, .. } = self.geometry;
        if pages.max(dev_pages) > PAGES_MAX {
            return Err(ScenarioError::TooLarge(pages.max(dev_pages)));
        }
        if let Some((n, what)) = self.program.unsupported().into_iter().next() {
            let line = self.program.steps.get(n as usize).map_or(0, |step| step.line);
            return Err(ScenarioError::Unsupported { line, what });
        }
        match self.roles().len() {
            0 => Err(ScenarioError::Nothing),
            tasks if tasks > MOST_TASKS => Err(ScenarioError::TooMany(tasks)),
            tasks if self.memory == Memory::Tso && tasks > MOST_TASKS / 2 => {
                Err(ScenarioError::TooManyBuffers(tasks))
            }
            tasks if tasks > self.geometry.cpus.into() => {
                Err(ScenarioError::Cpus { cpus: self.geometry.cpus, tasks })
            }
            _ => Ok(()),
        }
    }

    /// The rules that differ from the era's.
    #[must_use]
    pub fn broken(&self) -> Vec<(&'static str, &'static str)> {
        self.rules.differences(&self.era.rules())
    }
}
