//! The file as it lies on disk, and how it becomes a recording. No key is skipped, none may be missing or null unless
//! it says so, and nothing is listed twice.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::asked::Asked;
use super::observed::{Completion, Expect, LargeMap, Observed, PageState, present};
use super::{DevDax, Recording, RecordingError, SCHEMA};
use crate::op::{DeviceMemory, FileState, Layout, MIRROR, Op, PAGE_MAX, Wait, WorkerId};
use crate::parse::ops;
use crate::parse::words::Word;
use crate::program::{FileSpec, Issue, Program, Step};

/// Files of at least this many pages begin on a PMD boundary of the device.
const HUGE_FROM: u32 = 512;

/// Pages of a device-dax device: more than any recording looks at.
const DEVICE_PAGES: u32 = 2048;

/// Reads a recording.
pub(super) fn read(text: &str) -> Result<Recording, RecordingError> {
    let mut raw: RawRecording =
        serde_json::from_str(text).map_err(|e| RecordingError::Shape(e.to_string()))?;
    if raw.schema != SCHEMA {
        return Err(RecordingError::Schema(raw.schema));
    }
    let mut program = Program::default();
    program.files.extend(file_spec(&raw.file)?);
    let dev_dax = DevDax::of(&raw.family);
    let mirror = raw.steps.iter().find_map(|step| match step.args.as_slice() {
        [_, path, _] if step.op == "open" => mirror_memory(path),
        _ => None,
    });
    program.files.extend(dev_dax.and_then(|_| device(&raw)));
    let mut observed = Vec::with_capacity(raw.steps.len());
    let steps = std::mem::take(&mut raw.steps);
    for (at, step) in steps.into_iter().enumerate() {
        let n = step.n;
        let said =
            read_step(at, step, &mut program).map_err(|what| RecordingError::Step { n, what })?;
        observed.push(said);
    }
    waits_in_turn(&mut program, &observed);
    if !raw.forced.is_empty() {
        observed.iter_mut().flat_map(|it| it.expect.pages.values_mut()).for_each(in_full);
    }
    if observed.is_empty() {
        return Err(RecordingError::Shape("it has no steps".to_owned()));
    }
    let RawRecording { kernel, scenario, description, family, forced, kernel_log, .. } = raw;
    Ok(Recording {
        kernel,
        scenario,
        description,
        family,
        dev_dax,
        mirror,
        forced,
        kernel_log,
        program,
        observed,
    })
}

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
    forced: String,
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
    #[serde(default)]
    detail: String,
    #[serde(default)]
    evidence: Vec<String>,
    #[serde(default)]
    slowpoints: Vec<String>,
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

/// A recorder that waits for several workers in a row writes down nobody, unless it waited in vain: the waits of such a
/// row are for one worker each, of those that were left something to finish since the row before. Who is named was
/// waited for there, the others in their order. A row of another length stays as it is.
fn waits_in_turn(program: &mut Program, observed: &[Observed]) {
    let mut left: Vec<WorkerId> = Vec::new();
    let mut at = 0;
    while at < program.steps.len() {
        let anybody = |step: &Step| step.op == Op::Wait(Wait { worker: None });
        let row = program.steps[at..].iter().take_while(|step| anybody(step)).count();
        if row == 0 {
            let seen = &observed[at].expect;
            if seen.asynchronous || seen.blocked {
                left.extend(program.steps[at].who);
            }
            at += 1;
            continue;
        }
        let named: Vec<_> =
            observed[at..at + row].iter().map(|it| it.expect.still_blocked).collect();
        if row > 1 && left.len() == row {
            left.retain(|worker| !named.contains(&Some(*worker)));
            let mut others = left.drain(..);
            for (step, named) in program.steps[at..at + row].iter_mut().zip(named) {
                step.op = Op::Wait(Wait { worker: named.or_else(|| others.next()) });
            }
        }
        left.clear();
        at += row;
    }
}

/// Whoever holds tasks leaves out counts of a large folio that are zero, and says how far a tail is behind its head, not
/// where the head is.
fn in_full(page: &mut PageState) {
    if page.order.is_some_and(|order| order > 0) {
        page.large_map.get_or_insert(LargeMap::Counted(0));
        page.entire_map.get_or_insert(0);
        page.pin.get_or_insert(0);
    }
    page.tail_of = page.tail_of.map(|distance| -distance.abs());
}

/// The device that is opened first, as a file; how large it is no recording says.
fn device(raw: &RawRecording) -> Option<FileSpec> {
    let opened = raw.steps.iter().find_map(|step| match step.args.as_slice() {
        [_, path, _] if step.op == "open" => Some(path.clone()),
        _ => None,
    });
    let (state, layout) = (FileState::Written, Layout::Huge);
    opened.map(|name| FileSpec { name, pages: DEVICE_PAGES, state, layout })
}

/// What memory a mirror device has, by its name: the module makes two of either kind.
fn mirror_memory(path: &str) -> Option<DeviceMemory> {
    match path {
        "/dev/hmm_dmirror0" | "/dev/hmm_dmirror1" => Some(DeviceMemory::Private),
        "/dev/hmm_dmirror2" | "/dev/hmm_dmirror3" => Some(DeviceMemory::Coherent),
        _ => None,
    }
}

fn read_step(at: usize, raw: RawStep, program: &mut Program) -> Result<Observed, String> {
    let n = raw.n;
    if usize::try_from(n) != Ok(at) {
        return Err(format!("it is in place {at}: steps are numbered from 0, without gaps"));
    }
    let worker = |text: &str| Word { text, column: 0 }.worker().map_err(|c| c.what);
    let who = raw.who.as_deref().map(worker).transpose()?;
    let args: Vec<Word<'_>> = raw.args.iter().map(|text| Word { text, column: 0 }).collect();
    let asked = Asked::read(&raw.op, &raw.args)?;
    let texts: Vec<&str> = raw.args.iter().map(String::as_str).collect();
    let (who, op) = match texts.as_slice() {
        // A look at where a worker sleeps: of the kernel nothing is asked.
        [text] if raw.op == "stack" => (None, worker(text).map(|_| Op::Nop)?),
        // For how many seconds the recorder waited: time is none of the model's.
        [seconds] if raw.op == "sleep" && seconds.parse::<u32>().is_ok() => (who, Op::Sleep),
        // A file that the recorder makes itself; how large it becomes is said later.
        [_, name, "rw,creat"] if raw.op == "open" && program.file(name).is_none() => {
            let (state, layout) = (FileState::Unwritten, Layout::Contiguous);
            program.files.push(FileSpec { name: (*name).to_owned(), pages: 0, state, layout });
            let rw = Word { text: "rw", column: 0 };
            let name = Word { text: &raw.op, column: 0 };
            (who, ops::parse(name, &[args[0], args[1], rw], who, program).map_err(|c| c.what)?)
        }
        // Another word for it.
        [_, _, "r"] if raw.op == "open" => {
            let name = Word { text: "open", column: 0 };
            let ro = Word { text: "ro", column: 0 };
            (who, ops::parse(name, &[args[0], args[1], ro], who, program).map_err(|c| c.what)?)
        }
        // Here there is one mirror device, by whatever descriptor it is asked.
        [_, path, _] if raw.op == "open" && mirror_memory(path).is_some() => {
            let name = Word { text: "open", column: 0 };
            let path = Word { text: MIRROR, column: 0 };
            (who, ops::parse(name, &[args[0], path, args[2]], who, program).map_err(|c| c.what)?)
        }
        [_, rest @ ..] if matches!(raw.op.as_str(), "hmm_todev" | "hmm_tosys" | "hmm_read") => {
            let name = Word { text: &raw.op, column: 0 };
            let told = |text| Word { text, column: 0 };
            let args: Vec<_> = std::iter::once("0").chain(rest.iter().copied()).map(told).collect();
            (who, ops::parse(name, &args, who, program).map_err(|c| c.what)?)
        }
        // All of its memory goes, whatever pages are named.
        [_, _, _, _] if raw.op == "hmm_release" => {
            let [name, device] = ["hmm_release", "0"].map(|text| Word { text, column: 0 });
            (who, ops::parse(name, &[device], who, program).map_err(|c| c.what)?)
        }
        ["rmmod", "test_hmm"] if raw.op == "sh" => (who, Op::HmmUnload),
        // On which CPU the worker runs: on one of its own, here.
        [_] if raw.op == "pin" => (who, Op::Nop),
        ["sync"] if raw.op == "sh" => (who, Op::Nop),
        // Where a file lies is seen by what else lies there.
        [_, _] if raw.op == "where" => (who, Op::Nop),
        [path, _] if raw.op == "sysfs" && path.ends_with("/unbind") => (who, Op::Unbind),
        [map, page, byte] if raw.op == "poke" => {
            let name = Word { text: "store", column: 0 };
            let args = [map, page, byte].map(|text| Word { text, column: 0 });
            (who, ops::parse(name, &args, who, program).map_err(|c| c.what)?)
        }
        [_, _] if raw.op == "peek" => {
            let name = Word { text: "load", column: 0 };
            (who, ops::parse(name, &args, who, program).map_err(|c| c.what)?)
        }
        _ if asked.is_some() => {
            (who, Op::Unsupported { name: raw.op.clone(), args: raw.args.clone() })
        }
        // Some scenarios use a second file and do not say how large it is.
        [_, name, _]
            if raw.op == "open" && !name.starts_with('/') && program.file(name).is_none() =>
        {
            (who, Op::Unsupported { name: raw.op, args: raw.args })
        }
        _ => {
            let name = Word { text: &raw.op, column: 0 };
            (who, ops::parse(name, &args, who, program).map_err(|c| c.what)?)
        }
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
    let RawStep { note, detail, evidence, slowpoints, .. } = raw;
    Ok(Observed { asked, note, detail, evidence, slowpoints, expect })
}
