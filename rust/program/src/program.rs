//! A program: set-up, then steps. In text the steps are one list, in the order in which a sequential
//! run issues them; engines that run workers at the same time take one list per worker.

use serde::Serialize;

use crate::driver::DriverSpec;
use crate::expect::Expectation;
use crate::op::{DriverIdx, FileIdx, FileState, Layout, Op, WorkerId};
use crate::parse::lacking;

/// A file that exists before the first step.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct FileSpec {
    /// Its name, unique in the program.
    pub name: String,
    /// Its size.
    pub pages: u32,
    /// Whether its blocks were written.
    pub state: FileState,
    /// How it lies on the device.
    pub layout: Layout,
}

/// Whether the next step waits for this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Issue {
    /// Issue, and wait until it returned or is known to sleep.
    Wait,
    /// Issue and go on at once (`&` in text).
    Async,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Step {
    /// Its number, from 0.
    pub n: u32,
    /// Who does it; the environment has no worker.
    pub who: Option<WorkerId>,
    /// What is done.
    #[serde(flatten)]
    pub op: Op,
    /// Whether the next step waits for it.
    pub issue: Issue,
    /// Line of the text it came from, from 1; in a recording, the number of the recorded step.
    pub line: u32,
    /// What expectations call it, if not by its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// A validated program.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Default)]
pub struct Program {
    /// Files, indexed by [`FileIdx`].
    pub files: Vec<FileSpec>,
    /// Drivers, indexed by [`DriverIdx`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drivers: Vec<DriverSpec>,
    /// Mount points, indexed by [`FsIdx`](crate::op::FsIdx); at most one file system for now.
    pub mounts: Vec<String>,
    /// Steps, in the order of the text.
    pub steps: Vec<Step>,
    /// What must come of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expectations: Vec<Expectation>,
}

impl Program {
    /// The file of this name.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<FileIdx> {
        let at = self.files.iter().position(|f| f.name == name)?;
        u16::try_from(at).ok().map(FileIdx)
    }

    /// The driver of this name.
    #[must_use]
    pub fn driver(&self, name: &str) -> Option<DriverIdx> {
        let at = self.drivers.iter().position(|driver| driver.name == name)?;
        u8::try_from(at).ok().map(DriverIdx)
    }

    /// Lines in front of the steps, in the text that it prints: one for each file and driver.
    #[must_use]
    pub fn declarations(&self) -> usize {
        self.files.len() + self.drivers.len()
    }

    /// Every worker that does a step or is started by another one's, in ascending order. Those that no step starts
    /// are started by their first one.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerId> {
        let mut all: Vec<WorkerId> = self
            .steps
            .iter()
            .flat_map(|step| step.who.into_iter().chain(step.op.child()))
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The steps before `start`, which run in order, and those after it. Without a `start` there is no
    /// set-up.
    #[must_use]
    pub fn halves(&self) -> (&[Step], &[Step]) {
        match self.steps.iter().position(|step| step.op == Op::Start) {
            Some(at) => (&self.steps[..at], &self.steps[at + 1..]),
            None => (&[], &self.steps),
        }
    }

    /// Each worker with its own steps after `start`, for engines that run them at the same time. Steps
    /// of the environment belong to nobody and are left out.
    #[must_use]
    pub fn per_worker(&self) -> Vec<(WorkerId, Vec<&Step>)> {
        let steps = self.halves().1;
        self.workers()
            .into_iter()
            .map(|w| (w, steps.iter().filter(|s| s.who == Some(w)).collect()))
            .collect()
    }

    /// Numbers the lines as this program's own text has them: those of what is declared, then one for each step.
    pub fn count_lines(&mut self) {
        let first = 1 + self.declarations();
        for (line, step) in (first..).zip(&mut self.steps) {
            step.line = u32::try_from(line).unwrap_or(u32::MAX);
        }
    }

    /// The steps this model cannot do yet, each with the reason.
    #[must_use]
    pub fn unsupported(&self) -> Vec<(u32, String)> {
        self.steps.iter().filter_map(|s| Some((s.n, unsupported(&s.op)?))).collect()
    }
}

fn unsupported(op: &Op) -> Option<String> {
    match op {
        Op::Unsupported { name, args } => {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            lacking::reason(name, &args)
        }
        _ => None,
    }
}
