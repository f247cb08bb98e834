//! Programs nobody wrote: all of them over a few words, shortest first.
//!
//! A vocabulary is a handful of operations on one file of one page. Programs are enumerated by length; one
//! is a set-up, which runs in order, and what two workers then do at the same time. Each is explored with a
//! small bound, and the first that fails is the shortest. Workers are interchangeable, so the first to act is
//! worker 0; and between workers only the order of the set-up matters, the rest being the scheduler's.

use std::fmt::Write as _;
use std::iter::successors;
use std::num::NonZeroUsize;

use pgmap_program::{Era, Invariant, Memory, Program, Rules, TlbRefill};
use pgmap_sched::{Control, Plan};

use crate::finding::Finding;
use crate::known::{Met, join};
use crate::parallel::{Enough, in_order};
use crate::scenario::Scenario;
use crate::verdict::{Ends, Found, Verdict, explore};

/// An operation of the vocabulary: its word, and how a worker says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    pub word: &'static str,
    pub op: &'static str,
}

macro_rules! words {
    ($($word:literal => $op:literal,)+) => {
        /// Every word there is.
        pub const WORDS: &[Word] = &[$(Word { word: $word, op: $op }),+];
    };
}

words! {
    "mmap" => "mmap 0 f 0 1 rw shared",
    "touch" => "w 0 0",
    "read" => "r 0 0",
    "reference" => "pin 0 0",
    "get" => "get 0 0",
    "dma" => "dma_write",
    "drop" => "unpin",
    "munmap" => "munmap 0",
    "truncate" => "ftruncate f 0",
    "extend" => "ftruncate f 1",
    "punch" => "punch f 0 1",
    "write" => "pwrite f 0 1",
    "unlink" => "unlink f",
    "unbind" => "unbind",
    "exit" => "exit",
}

impl Word {
    /// The word spelled so.
    #[must_use]
    pub fn find(word: &str) -> Option<Self> {
        WORDS.iter().copied().find(|known| known.word == word)
    }

    /// The kind of operation it is, as [`call_number`](pgmap_program::op::call_number) numbers them.
    #[must_use]
    pub fn code(self) -> u8 {
        // Most can be said only by who has mapped and pinned something.
        let before =
            if self.word == "mmap" { "" } else { "w0 mmap 0 f 0 1 rw shared\nw0 pin 0 0\n" };
        let program = Program::parse(&format!("file f 1\n{before}w0 {}\n", self.op));
        program.ok().and_then(|program| Some(program.steps.last()?.op.call_number())).unwrap_or(0)
    }
}

/// What is looked for, and how hard.
#[derive(Clone, Debug)]
pub struct Hunt {
    pub words: Vec<Word>,
    pub era: Era,
    pub rules: Rules,
    pub memory: Memory,
    pub tlb: TlbRefill,
    /// Longest program, in operations.
    pub ops_max: usize,
    /// For each program.
    pub plan: Plan,
    /// OS threads; what is found does not depend on them.
    pub threads: NonZeroUsize,
    pub wanted: Wanted,
    /// What ends the search of a program.
    pub ends: Ends,
}

/// Which failures end a hunt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Anything,
    /// Those of this invariant.
    Breaks(Invariant),
}

impl Wanted {
    fn is(self, finding: &Finding) -> bool {
        match self {
            Self::Anything => true,
            Self::Breaks(invariant) => finding.invariant == invariant,
        }
    }
}

/// How far a hunt has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// Operations in the programs tried now.
    pub ops: usize,
    /// Programs explored.
    pub programs: u64,
    /// Sequences that are no program, or whose set-up fails.
    pub senseless: u64,
    /// Executions.
    pub schedules: u64,
    /// Those of them that were cut at the limit of their events, so that nobody knows how they end.
    pub cut: u64,
}

/// What a hunt came to.
#[derive(Clone, Debug)]
pub enum Caught {
    /// The shortest program that fails.
    Found { scenario: Box<Scenario>, found: Box<Found>, tried: Tried, known: Vec<Met> },
    /// No program of these words up to the length fails within the plan.
    Nothing { tried: Tried, known: Vec<Met> },
    /// The progress callback said so.
    Stopped { tried: Tried, known: Vec<Met> },
}

/// Workers in a program.
const WORKERS: usize = 2;

/// Enumerates programs, shortest first, until one fails.
#[must_use]
pub fn hunt(hunt: &Hunt, progress: &mut dyn FnMut(&Tried) -> Control) -> Caught {
    let mut tried = Tried::default();
    let (mut known, mut caught) = (Vec::new(), None);
    let mut stopped = false;
    let mut late = Vec::new();
    in_order(
        hunt.threads,
        programs(hunt),
        |_| (),
        |(), (ops, text), enough| (ops, try_one(hunt, &text, enough)),
        &mut |one| {
            if let Some((ops, trial)) = one {
                tried.ops = ops;
                match trial {
                    Trial::Senseless => tried.senseless += 1,
                    Trial::Explored { schedules, cut, met, found } => {
                        tried.programs += 1;
                        tried.schedules += schedules;
                        tried.cut += cut;
                        met.into_iter().for_each(|met| join(&mut known, met));
                        caught = found;
                    }
                }
            }
            if caught.is_some() {
                return Control::Stop;
            }
            let control = progress(&tried);
            stopped = control == Control::Stop;
            control
        },
        &mut |(_, trial)| late.push(trial),
    );
    if stopped {
        // What was under way counts, and a failure above all.
        for trial in late {
            if let Trial::Explored { schedules, cut, met, found } = trial {
                tried.programs += 1;
                tried.schedules += schedules;
                tried.cut += cut;
                met.into_iter().for_each(|met| join(&mut known, met));
                caught = caught.or(found);
            }
        }
    }
    match caught {
        Some((scenario, found)) => Caught::Found { scenario, found, tried, known },
        None if stopped => Caught::Stopped { tried, known },
        None => Caught::Nothing { tried, known },
    }
}

/// The texts of all programs, each with its number of operations.
fn programs(hunt: &Hunt) -> impl Iterator<Item = (usize, String)> + Send {
    let words = &hunt.words;
    // Longest set-up first: fewest operations at once, hence the cheapest to explore.
    let shapes = (1..=hunt.ops_max).flat_map(|ops| (0..ops).rev().map(move |set_up| (ops, set_up)));
    shapes.flat_map(move |(ops, set_up)| {
        let up = |digits: &Vec<usize>| {
            let mut digits = digits.clone();
            next(&mut digits, words.len() * WORKERS).then_some(digits)
        };
        let all = successors(Some(vec![0; ops]), up);
        all.filter_map(move |digits| Some((ops, program(words, &digits, set_up)?)))
    })
}

/// Counts up; false after the last.
fn next(digits: &mut [usize], base: usize) -> bool {
    for digit in digits.iter_mut().rev() {
        *digit += 1;
        if *digit < base {
            return true;
        }
        *digit = 0;
    }
    false
}

/// The text of a sequence of (worker, word); none if it is another one's mirror image.
fn program(words: &[Word], digits: &[usize], set_up: usize) -> Option<String> {
    let who = |digit: usize| digit / words.len();
    // Worker 0 acts first, and after the set-up the steps are listed by worker.
    let by_worker = digits[set_up..].windows(2).all(|two| who(two[0]) <= who(two[1]));
    if who(digits[0]) != 0 || !by_worker {
        return None;
    }
    // Nothing happens at once if one worker is left; the same steps are a longer set-up's program.
    let both = who(digits[set_up]) != who(digits[digits.len() - 1]);
    if !both && digits.len() - set_up > 1 {
        return None;
    }
    let mut text = String::from("file f 1\n");
    for (at, digit) in digits.iter().enumerate() {
        if at == set_up && set_up > 0 {
            text.push_str("start\n");
        }
        // Writing to a string does not fail.
        let _ = writeln!(text, "w{} {}", who(*digit), words[digit % words.len()].op);
    }
    Some(text)
}

/// What came of one program.
enum Trial {
    /// It is no program, or its set-up fails.
    Senseless,
    Explored {
        schedules: u64,
        /// Races that the era is known for.
        met: Vec<Met>,
        cut: u64,
        found: Option<(Box<Scenario>, Box<Found>)>,
    },
}

fn try_one(hunt: &Hunt, text: &str, enough: &Enough) -> Trial {
    let Ok(program) = Program::parse(text) else { return Trial::Senseless };
    let Hunt { rules, memory, tlb, .. } = *hunt;
    let scenario = Scenario { rules, memory, tlb, ..Scenario::new(program, hunt.era) };
    match explore(&scenario, &hunt.plan, hunt.ends, &mut |_| enough.control()) {
        Err(_) => Trial::Senseless,
        Ok(verdict) => {
            let schedules = verdict.seen().schedules() + verdict.seen().again;
            let (cut, met) = (verdict.seen().cut(), verdict.seen().known.clone());
            let found = match verdict {
                Verdict::Found { found, .. } if hunt.wanted.is(&found.finding) => {
                    Some((Box::new(found.scenario(&scenario)), found))
                }
                _ => None,
            };
            Trial::Explored { schedules, cut, met, found }
        }
    }
}
