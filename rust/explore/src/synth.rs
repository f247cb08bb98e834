//! Programs nobody wrote: all of them over a few words, shortest first.
//!
//! A vocabulary is a handful of operations on one file of one page. Programs are enumerated by length; one
//! is a set-up, which runs in order, and what two workers then do at the same time. Each is explored with a
//! small bound, and the first that fails is the shortest. Workers are interchangeable, so the first to act is
//! worker 0; and between workers only the order of the set-up matters, the rest being the scheduler's.

use std::fmt::Write as _;

use pgmap_program::{Era, Memory, Program, Rules, TlbRefill};
use pgmap_sched::{Control, Plan};

use crate::scenario::Scenario;
use crate::verdict::{Found, Verdict, explore};

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
}

/// What a hunt came to.
#[derive(Clone, Debug)]
pub enum Caught {
    /// The shortest program that fails.
    Found { scenario: Box<Scenario>, found: Box<Found>, tried: Tried },
    /// No program of these words up to the length fails within the plan.
    Nothing { tried: Tried },
    /// The progress callback said so.
    Stopped { tried: Tried },
}

/// Workers in a program.
const WORKERS: usize = 2;

/// Enumerates programs, shortest first, until one fails.
#[must_use]
pub fn hunt(hunt: &Hunt, progress: &mut dyn FnMut(&Tried) -> Control) -> Caught {
    let mut tried = Tried::default();
    for ops in 1..=hunt.ops_max {
        tried.ops = ops;
        // Longest set-up first: fewest operations at once, hence the cheapest to explore.
        for set_up in (0..ops).rev() {
            let mut digits = vec![0; ops];
            loop {
                if let Some(text) = program(&hunt.words, &digits, set_up) {
                    if progress(&tried) == Control::Stop {
                        return Caught::Stopped { tried };
                    }
                    if let Some((scenario, found)) = try_one(hunt, &text, &mut tried, progress) {
                        let (scenario, found) = (Box::new(scenario), Box::new(found));
                        return Caught::Found { scenario, found, tried };
                    }
                }
                if !next(&mut digits, hunt.words.len() * WORKERS) {
                    break;
                }
            }
        }
    }
    Caught::Nothing { tried }
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

fn try_one(
    hunt: &Hunt,
    text: &str,
    tried: &mut Tried,
    progress: &mut dyn FnMut(&Tried) -> Control,
) -> Option<(Scenario, Found)> {
    let Ok(program) = Program::parse(text) else {
        tried.senseless += 1;
        return None;
    };
    let Hunt { rules, memory, tlb, .. } = *hunt;
    let scenario = Scenario { rules, memory, tlb, ..Scenario::new(program, hunt.era) };
    // A long search must hear of a wish to stop as well; the next program does, too.
    let before = *tried;
    match explore(&scenario, &hunt.plan, &mut |_| progress(&before)) {
        Err(_) => {
            tried.senseless += 1;
            None
        }
        Ok(verdict) => {
            tried.programs += 1;
            tried.schedules += verdict.stats().iter().map(|stats| stats.schedules).sum::<u64>();
            match verdict {
                Verdict::Found { found, .. } => Some((scenario, *found)),
                _ => None,
            }
        }
    }
}
