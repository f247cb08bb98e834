//! Recordings: what a real kernel did to struct pages, step by step (schema `pgmap-trace/1`).
//!
//! Read strictly. A key, operation or type this reader does not know is an error that names it: a
//! recording that is read leniently proves nothing. What the kernel *did* is kept as it stands and
//! judged by whoever replays it. What was *asked* of it goes through the program parser, word by word;
//! only handles are not followed from step to step, because a recorder can ask for anything, and a
//! recording that was altered there should read and then differ.

mod asked;
mod observed;
mod reader;

use serde::Serialize;
use thiserror::Error;

use crate::era::Era;
use crate::op::DeviceMemory;
use crate::program::{Program, Step};
use crate::rules::{Holder, Rules};

pub use asked::Asked;
pub use observed::{Completion, Expect, LargeMap, Observed, PageState};

/// The schema this reader knows.
pub const SCHEMA: &str = "pgmap-trace/1";

/// What the pages of a device-dax device are for as long as it is bound (`align`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DevDax {
    /// Single pages.
    Page,
    /// Folios of a PMD each.
    Pmd,
}

impl DevDax {
    /// By the family of a recording.
    fn of(family: &str) -> Option<DevDax> {
        match family {
            "devdax4k" => Some(DevDax::Page),
            "devdax2m" => Some(DevDax::Pmd),
            _ => None,
        }
    }
}

/// A recorded run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recording {
    /// The kernel it ran on, `"6.16.12+deb13"`.
    pub kernel: String,
    /// Name of the run.
    pub scenario: String,
    /// What it is about.
    pub description: String,
    /// File system or device, `"ext4"`.
    pub family: String,
    /// The device is no file system's but device-dax; the program's one file stands for it then.
    pub dev_dax: Option<DevDax>,
    /// The pages are of a mirror device, whose memory is this.
    pub mirror: Option<DeviceMemory>,
    /// How tasks were held in the middle of a call, where they were; empty: nobody was.
    pub forced: String,
    /// What the kernel wrote to its log meanwhile.
    pub kernel_log: Vec<String>,
    /// What was asked of the kernel.
    program: Program,
    /// What it did, one for each step of the program.
    pub observed: Vec<Observed>,
}

/// Why a recording could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordingError {
    /// Not JSON, or not of this shape; unknown and missing keys are named.
    #[error("not a recording: {0}")]
    Shape(String),
    /// A program's text.
    #[error(
        "this is a program and no recording; its schedules are searched by python -m pgmap.explore FILE"
    )]
    Program,
    /// Of another schema.
    #[error("the schema is \"{0}\"; this reader knows {SCHEMA}")]
    Schema(String),
    /// The set-up cannot be understood.
    #[error("the file set-up \"{text}\" cannot be read: {what}")]
    Setup {
        /// As recorded.
        text: String,
        /// What is wrong.
        what: String,
    },
    /// A step cannot be understood.
    #[error("step {n}: {what}")]
    Step {
        /// Its number.
        n: u32,
        /// What is wrong.
        what: String,
    },
}

impl Recording {
    /// Reads a recording.
    pub fn from_json(text: &str) -> Result<Recording, RecordingError> {
        // An editor's byte order mark is none of the text.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if !text.trim_start().starts_with('{')
            && Program::parse(text).is_ok_and(|it| !it.steps.is_empty())
        {
            return Err(RecordingError::Program);
        }
        reader::read(text)
    }

    /// What was asked of the kernel.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Each step with what the kernel did.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = (&Step, &Observed)> {
        self.program.steps.iter().zip(&self.observed)
    }

    /// Earlier steps that returned during a step. Whoever held tasks says so only at the steps themselves.
    #[must_use]
    pub fn completed_in(&self, n: u32) -> Vec<Completion> {
        let listed = self.observed.get(n as usize).map(|seen| &seen.expect.completed_now);
        let mut all = listed.cloned().unwrap_or_default();
        if !self.forced.is_empty() {
            let own = self.steps().filter(|(_, seen)| seen.expect.completes_at == Some(n));
            let said = own.filter_map(|(step, seen)| {
                let ret = seen.expect.returned();
                Some(Completion { step: step.n, actor: step.who?, ret })
            });
            all.extend(said.filter(|it| listed.is_none_or(|listed| !listed.contains(it))));
        }
        all
    }

    /// The faithful era for its kernel, which need not describe it.
    #[must_use]
    pub fn era(&self) -> Option<Era> {
        Era::of_kernel(&self.kernel)
    }

    /// The rules of an era as they are for its file system: ext4 holds no device, and is not told when one goes.
    #[must_use]
    pub fn rules(&self, era: Era) -> Rules {
        let mut rules = era.rules();
        if self.family == "ext4" {
            rules.holder = Holder::None;
        }
        rules
    }

    /// Allocation groups of its file system, which no recording says: those of who held tasks have one, the others two
    /// (K§16).
    #[must_use]
    pub fn allocation_groups(&self) -> u32 {
        if self.forced.is_empty() { 2 } else { 1 }
    }

    /// Why this recording cannot be replayed under its kernel's era yet; empty if it can.
    #[must_use]
    pub fn unsupported(&self) -> Vec<String> {
        let mut why = self.unsupported_steps();
        if self.era().is_none() {
            why.insert(0, format!("kernel {}: it is older than every era", self.kernel));
        }
        why
    }

    /// Why this recording cannot be replayed yet whatever the era.
    #[must_use]
    pub fn unsupported_steps(&self) -> Vec<String> {
        let mut why = Vec::new();
        let a_device = self.dev_dax.is_some() || self.mirror.is_some();
        if !a_device && !matches!(self.family.as_str(), "ext4" | "xfs" | "umount") {
            why.push(format!("{} recordings: not supported yet", self.family));
        }
        for (step, reason) in self.program.unsupported() {
            if self.observed.get(step as usize).is_none_or(|seen| seen.asked.is_none()) {
                why.push(format!("step {step}: {reason}"));
            }
        }
        why
    }
}
