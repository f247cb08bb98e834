//! Recordings: what a real kernel did to struct pages, step by step (schema `pgmap-trace/1`).
//!
//! Read strictly. A key, operation or type this reader does not know is an error that names it: a
//! recording that is read leniently proves nothing. What the kernel *did* is kept as it stands and
//! judged by whoever replays it. What was *asked* of it goes through the program parser, word by word;
//! only handles are not followed from step to step, because a recorder can ask for anything, and a
//! recording that was altered there should read and then differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

use crate::era::Era;
use crate::op::{FileState, Layout, Op, PAGE_MAX, WorkerId};
use crate::parse::ops;
use crate::parse::words::Word;
use crate::program::{FileSpec, Issue, Program, Step};

/// The schema this reader knows.
pub const SCHEMA: &str = "pgmap-trace/1";

/// Files of at least this many pages begin on a PMD boundary of the device.
const HUGE_FROM: u32 = 512;

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
    /// What the kernel wrote to its log meanwhile.
    pub kernel_log: Vec<String>,
    /// What was asked of the kernel.
    program: Program,
    /// What it did, one for each step of the program.
    pub observed: Vec<Observed>,
}

/// A step's remark and outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// The recorder's remark.
    pub note: String,
    /// What happened.
    pub expect: Expect,
}

/// What happened in a step, and how every watched page looked after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Default)]
pub struct Expect {
    /// Return value; absent means 0.
    pub ret: Option<i64>,
    /// Had not returned 3 s after it was issued.
    pub blocked: bool,
    /// Its I/O was still in flight afterwards.
    pub in_flight: bool,
    /// Issued without waiting.
    pub asynchronous: bool,
    /// The later step that let it go; a blocked step without one never returned.
    pub completes_at: Option<u32>,
    /// Earlier steps that returned during this one.
    pub completed_now: Vec<Completion>,
    /// A worker that was waited for, in vain.
    pub still_blocked: Option<WorkerId>,
    /// The task was killed by a kernel oops.
    pub died: bool,
    /// Watched pages, by page of the file; empty: not looked at.
    pub pages: BTreeMap<u32, PageState>,
}

impl Expect {
    /// The return value, 0 where none is written.
    #[must_use]
    pub fn returned(&self) -> i64 {
        self.ret.unwrap_or(0)
    }
}

/// An earlier step that returned during this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Completion {
    /// The step.
    pub step: u32,
    /// Who had issued it.
    pub actor: WorkerId,
    /// What it returned.
    pub ret: i64,
}

/// A struct page as it was read from kernel memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct PageState {
    /// Refcount; of the head if this is a tail.
    #[serde(rename = "ref", default, deserialize_with = "present")]
    pub refcount: Option<i64>,
    /// Mapcount of this page alone.
    #[serde(default, deserialize_with = "present")]
    pub map: Option<i64>,
    /// Order of its folio.
    #[serde(default, deserialize_with = "present")]
    pub order: Option<u8>,
    /// Mappings of the whole large folio and its parts; recorded as null where the kernel has none.
    #[serde(default)]
    pub large_map: Option<i64>,
    /// Mappings of the whole large folio by a PMD.
    #[serde(default, deserialize_with = "present")]
    pub entire_map: Option<i64>,
    /// Pins of a large folio.
    #[serde(default, deserialize_with = "present")]
    pub pin: Option<i64>,
    /// The share word.
    #[serde(default, deserialize_with = "present")]
    pub share: Option<u64>,
    /// `page->mapping` is set.
    #[serde(default)]
    pub mapping: bool,
    /// Who has this frame in a page table, `"w0/m1"`; where the key is missing, see
    /// [`mappers`](Self::mappers).
    #[serde(default, deserialize_with = "names")]
    pub mapped_by: Option<BTreeSet<String>>,
    /// A tail: the head is that many pages away.
    #[serde(default, deserialize_with = "present")]
    pub tail_of: Option<i64>,
    /// The mapping shows another frame here.
    #[serde(default)]
    pub va_elsewhere: bool,
    /// The struct page no longer exists.
    #[serde(default)]
    pub gone: bool,
}

impl PageState {
    /// Who has this frame in a page table; `None` if that was not recorded. The recorder writes no empty list, so
    /// a missing one stands for nobody, but not where the counts or the folio say that there may be somebody.
    #[must_use]
    pub fn mappers(&self) -> Option<BTreeSet<String>> {
        let counted = |count: Option<i64>| count.is_some_and(|n| n > 0);
        let silent = counted(self.map)
            || counted(self.entire_map)
            || counted(self.large_map)
            || self.tail_of.is_some();
        self.mapped_by.clone().or_else(|| (!silent).then(BTreeSet::new))
    }
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
        let raw: RawRecording =
            serde_json::from_str(text).map_err(|e| RecordingError::Shape(e.to_string()))?;
        if raw.schema != SCHEMA {
            return Err(RecordingError::Schema(raw.schema));
        }
        let mut program = Program::default();
        program.files.extend(file_spec(&raw.file)?);
        let mut observed = Vec::with_capacity(raw.steps.len());
        for (at, step) in raw.steps.into_iter().enumerate() {
            let n = step.n;
            let said = read_step(at, step, &mut program)
                .map_err(|what| RecordingError::Step { n, what })?;
            observed.push(said);
        }
        if observed.is_empty() {
            return Err(RecordingError::Shape("it has no steps".to_owned()));
        }
        let RawRecording { kernel, scenario, description, family, kernel_log, .. } = raw;
        Ok(Recording { kernel, scenario, description, family, kernel_log, program, observed })
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

    /// The faithful era of its kernel.
    #[must_use]
    pub fn era(&self) -> Option<Era> {
        Era::of_kernel(&self.kernel)
    }

    /// Why this recording cannot be replayed under its kernel's era yet; empty if it can.
    #[must_use]
    pub fn unsupported(&self) -> Vec<String> {
        let mut why = self.unsupported_steps();
        if self.era().is_none() {
            why.insert(0, format!("kernel {}: no era describes it yet", self.kernel));
        }
        why
    }

    /// Why this recording cannot be replayed yet whatever the era.
    #[must_use]
    pub fn unsupported_steps(&self) -> Vec<String> {
        let mut why = Vec::new();
        if !matches!(self.family.as_str(), "ext4" | "xfs" | "umount") {
            why.push(format!("{} recordings: not supported yet", self.family));
        }
        for (step, reason) in self.program.unsupported() {
            why.push(format!("step {step}: {reason}"));
        }
        for step in &self.program.steps {
            if matches!(step.op, Op::Unbind | Op::Bind) {
                why.push(format!(
                    "step {}: unbind under a mounted file system: not supported yet",
                    step.n
                ));
            }
        }
        why
    }
}

// ---------------------------------------------------------------------------------------------
// The file as it lies on disk.

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRecording {
    schema: String,
    kernel: String,
    scenario: String,
    description: String,
    family: String,
    file: String,
    #[serde(default)]
    kernel_log: Vec<String>,
    steps: Vec<RawStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    n: u32,
    op: String,
    #[serde(default, deserialize_with = "present")]
    who: Option<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    note: String,
    #[serde(default, deserialize_with = "present")]
    ret: Option<i64>,
    #[serde(default, rename = "async")]
    asynchronous: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    in_flight: bool,
    #[serde(default, deserialize_with = "present")]
    completes_at: Option<u32>,
    #[serde(default)]
    completed_now: Vec<RawCompletion>,
    #[serde(default, deserialize_with = "present")]
    still_blocked: Option<String>,
    #[serde(default)]
    died: bool,
    #[serde(default)]
    pages: Pages,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCompletion {
    step: u32,
    actor: String,
    ret: i64,
}

/// A key that may be left out but not be null.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<Option<T>, D::Error> {
    T::deserialize(d).map(Some)
}

/// A list of names without duplicates.
fn names<'de, D: Deserializer<'de>>(d: D) -> Result<Option<BTreeSet<String>>, D::Error> {
    let list = Vec::<String>::deserialize(d)?;
    let mut set = BTreeSet::new();
    for name in list {
        if set.contains(&name) {
            return Err(D::Error::custom(format!("mapped_by names {name} twice")));
        }
        set.insert(name);
    }
    Ok(Some(set))
}

/// Pages by number; a page that is listed twice is refused.
#[derive(Default)]
struct Pages(BTreeMap<u32, PageState>);

impl<'de> Deserialize<'de> for Pages {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Pages, D::Error> {
        struct ByNumber;

        impl<'de> Visitor<'de> for ByNumber {
            type Value = Pages;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("pages by number")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pages, A::Error> {
                let mut pages = BTreeMap::new();
                while let Some((key, state)) = map.next_entry::<String, PageState>()? {
                    let page = key
                        .parse::<u32>()
                        .ok()
                        .filter(|page| *page < PAGE_MAX && page.to_string() == key)
                        .ok_or_else(|| A::Error::custom(format!("\"{key}\" is no page number")))?;
                    if pages.insert(page, state).is_some() {
                        return Err(A::Error::custom(format!("page {page} is listed twice")));
                    }
                }
                Ok(Pages(pages))
            }
        }

        d.deserialize_map(ByNumber)
    }
}

/// `NAME PAGES written|unwritten ret 0`, or nothing.
fn file_spec(text: &str) -> Result<Option<FileSpec>, RecordingError> {
    let wrong = |what: &str| RecordingError::Setup { text: text.to_owned(), what: what.to_owned() };
    let parts: Vec<&str> = text.split_whitespace().collect();
    let (name, pages, state) = match parts.as_slice() {
        [] => return Ok(None),
        [name, pages, state, "ret", "0"] => (*name, *pages, *state),
        [_, _, _, "ret", _] => return Err(wrong("the recorder failed to make the file")),
        _ => return Err(wrong("it must be NAME PAGES written|unwritten ret 0")),
    };
    let pages = pages
        .parse::<u32>()
        .ok()
        .filter(|n| (1..=PAGE_MAX).contains(n))
        .ok_or_else(|| wrong("the size is no number of pages"))?;
    let state =
        FileState::from_word(state).ok_or_else(|| wrong("it is neither written nor unwritten"))?;
    let layout = if pages >= HUGE_FROM { Layout::Huge } else { Layout::Contiguous };
    Ok(Some(FileSpec { name: name.to_owned(), pages, state, layout }))
}

fn read_step(at: usize, raw: RawStep, program: &mut Program) -> Result<Observed, String> {
    let n = raw.n;
    if usize::try_from(n) != Ok(at) {
        return Err(format!("it is in place {at}: steps are numbered from 0, without gaps"));
    }
    let worker = |text: &str| Word { text, column: 0 }.worker().map_err(|c| c.what);
    let who = raw.who.as_deref().map(worker).transpose()?;
    let args: Vec<Word<'_>> = raw.args.iter().map(|text| Word { text, column: 0 }).collect();
    let op = match raw.args.as_slice() {
        // Some scenarios use a second file and do not say how large it is.
        [_, name, _]
            if raw.op == "open" && !name.starts_with('/') && program.file(name).is_none() =>
        {
            Op::Unsupported { name: raw.op, args: raw.args }
        }
        _ => ops::parse(Word { text: &raw.op, column: 0 }, &args, who, program)
            .map_err(|c| c.what)?,
    };
    let issue = if raw.asynchronous { Issue::Async } else { Issue::Wait };
    program.steps.push(Step { n, who, op, issue, line: n, label: None });
    let mut completed_now = Vec::with_capacity(raw.completed_now.len());
    for RawCompletion { step, actor, ret } in raw.completed_now {
        completed_now.push(Completion { step, actor: worker(&actor)?, ret });
    }
    let expect = Expect {
        ret: raw.ret,
        blocked: raw.blocked,
        in_flight: raw.in_flight,
        asynchronous: raw.asynchronous,
        completes_at: raw.completes_at,
        completed_now,
        still_blocked: raw.still_blocked.as_deref().map(worker).transpose()?,
        died: raw.died,
        pages: raw.pages.0,
    };
    Ok(Observed { note: raw.note, expect })
}
