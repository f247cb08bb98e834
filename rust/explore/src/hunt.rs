//! Programs nobody wrote: all of them over a few words, shortest first.
//!
//! A vocabulary is a handful of operations on one file of one page; the table of operations says which there are. Programs are enumerated by length; one
//! is a set-up, which runs in order, and what two workers then do at the same time. Each is explored with a
//! small bound, and the first that fails is the shortest. Workers are interchangeable, so the first to act is
//! worker 0; and between workers only the order of the set-up matters, the rest being the scheduler's.
//!
//! Of many words nobody could wait for all programs. Then every few of them one is drawn (`random_program`), which may
//! be longer, and the first that fails need not be the shortest.

use std::fmt::Write as _;
use std::num::NonZeroUsize;

use pgmap_program::op::Hunted;
use pgmap_program::{Era, Geometry, Invariant, Memory, Program, Rules, TlbRefill};
use pgmap_sched::{Control, Plan};

use crate::bounds::explore;
use crate::finding::Finding;
use crate::found::Found;
use crate::parallel::{Enough, in_order};
use crate::random_program::{self, WORKERS};
use crate::scenario::Scenario;
use crate::verdict::{Ends, Met, Verdict, join};

/// What is looked for, and how hard.
#[derive(Clone, Debug)]
pub struct Hunt {
    pub words: Vec<Hunted>,
    pub era: Era,
    pub rules: Rules,
    pub memory: Memory,
    pub tlb: TlbRefill,
    /// Longest program that is not drawn, in operations.
    pub ops_max: usize,
    /// Sizes that are not as each program needs them, by name.
    pub sizes: Vec<(String, u64)>,
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
    /// Operations in the programs tried now, those that are drawn aside.
    pub ops: usize,
    /// Programs explored, and those of them that were drawn.
    pub programs: u64,
    pub drawn: u64,
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
    /// A program that fails: the shortest, unless it was drawn.
    Found { scenario: Box<Scenario>, found: Box<Found>, drawn: bool, tried: Tried, known: Vec<Met> },
    /// No program of these words up to the length fails within the plan.
    Nothing { tried: Tried, known: Vec<Met> },
    /// The progress callback said so.
    Stopped { tried: Tried, known: Vec<Met> },
}

/// More sequences of words than that are too many to wait for; then one program is drawn each time that so many
/// were enumerated, of so many operations more at most.
const MANY: u128 = 10_000_000;
const BETWEEN: usize = 16;
const LONGER: usize = 3;

impl Hunt {
    /// The machine of a program; none if it cannot be had.
    fn machine(&self, program: &Program) -> Option<Geometry> {
        let mut geometry = Scenario::smallest_geometry(program);
        for (name, size) in &self.sizes {
            geometry.set(name, *size).ok()?;
        }
        geometry.validate().ok().map(|()| geometry)
    }

    fn is_too_large(&self) -> bool {
        let base = (self.words.len() * WORKERS) as u128;
        u32::try_from(self.ops_max)
            .ok()
            .and_then(|ops| base.checked_pow(ops))
            .is_none_or(|all| all > MANY)
    }

    fn pmd_pages(&self) -> u32 {
        let asked = self.sizes.iter().rev().find(|(name, _)| name == "pmd_order");
        let order = asked.map_or(Geometry::SMALL.pmd_order.into(), |(_, order)| *order);
        1 << order.min(Geometry::REAL.pmd_order.into())
    }
}

/// A program to explore.
struct Job {
    ops: usize,
    text: String,
    drawn: bool,
}

/// Enumerates programs, shortest first, until one fails.
#[must_use]
pub fn hunt(hunt: &Hunt, progress: &mut dyn FnMut(&Tried) -> Control) -> Caught {
    let mut tried = Tried::default();
    let (mut known, mut caught) = (Vec::new(), None);
    let mut stopped = false;
    let mut late = Vec::new();
    in_order(
        hunt.threads,
        jobs(hunt),
        |_| (),
        |(), job, enough| (try_one(hunt, &job.text, enough), job),
        &mut |one| {
            if let Some((trial, Job { ops, drawn, .. })) = one {
                if !drawn {
                    tried.ops = ops;
                }
                match trial {
                    Trial::Senseless => tried.senseless += 1,
                    Trial::Explored { schedules, cut, met, found } => {
                        tried.programs += 1;
                        tried.drawn += u64::from(drawn);
                        tried.schedules += schedules;
                        tried.cut += cut;
                        met.into_iter().for_each(|met| join(&mut known, met));
                        caught = found.map(|found| (found, drawn));
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
        &mut |(trial, job)| late.push((trial, job.drawn)),
    );
    if stopped {
        // What was under way counts, and a failure above all.
        for (trial, drawn) in late {
            if let Trial::Explored { schedules, cut, met, found } = trial {
                tried.programs += 1;
                tried.drawn += u64::from(drawn);
                tried.schedules += schedules;
                tried.cut += cut;
                met.into_iter().for_each(|met| join(&mut known, met));
                caught = caught.or(found.map(|found| (found, drawn)));
            }
        }
    }
    match caught {
        Some(((scenario, found), drawn)) => Caught::Found { scenario, found, drawn, tried, known },
        None if stopped => Caught::Stopped { tried, known },
        None => Caught::Nothing { tried, known },
    }
}

/// What there is to explore, in order.
fn jobs(hunt: &Hunt) -> impl Iterator<Item = Job> + Send {
    let most = hunt.ops_max + LONGER;
    let draw = move |nth| random_program::program(&hunt.words, most, hunt.pmd_pages(), nth);
    let mut all_drawn = (0..).filter_map(draw);
    let draws = hunt.is_too_large();
    enumerated(hunt).enumerate().flat_map(move |(nth, (ops, text))| {
        let now = draws && nth % BETWEEN == BETWEEN - 1;
        let drawn = now.then(|| all_drawn.next()).flatten();
        let drawn = drawn.map(|(ops, text)| Job { ops, text, drawn: true });
        [Job { ops, text, drawn: false }].into_iter().chain(drawn)
    })
}

/// The texts of all programs, each with its number of operations.
fn enumerated(hunt: &Hunt) -> impl Iterator<Item = (usize, String)> + Send {
    let words = &hunt.words;
    // Longest set-up first: fewest operations at once, hence the cheapest to explore.
    let shapes = (1..=hunt.ops_max).flat_map(|ops| (0..ops).rev().map(move |set_up| (ops, set_up)));
    shapes.flat_map(move |(ops, set_up)| {
        Sequences::new(words.len(), ops, set_up)
            .map(move |digits| (ops, program(words, &digits, set_up)))
    })
}

/// All sequences of (worker, word), each as a digit, that are no other one's mirror image. From one to the next it
/// takes no longer than to write it down, however many there are between them that are.
struct Sequences {
    words: usize,
    set_up: usize,
    /// The next one to look at; none: all were.
    digits: Option<Vec<usize>>,
}

impl Sequences {
    fn new(words: usize, ops: usize, set_up: usize) -> Self {
        Self { words, set_up, digits: (words > 0).then(|| vec![0; ops]) }
    }

    fn who(&self, digit: usize) -> usize {
        digit / self.words
    }

    /// The first place that is wrong whatever follows, with the least digit that would not be; none: nothing is.
    fn wrong(&self, digits: &[usize]) -> Option<(usize, Option<usize>)> {
        let first = digits[self.set_up];
        let last = digits.len() - 1;
        for (at, &digit) in digits.iter().enumerate() {
            // Worker 0 acts first, and after the set-up the steps are listed by worker.
            if at == 0 && self.who(digit) > 0 {
                return Some((at, None));
            }
            if at == self.set_up && at < last && self.who(digit) == WORKERS - 1 {
                return Some((at, None));
            }
            if at > self.set_up && self.who(digit) < self.who(digits[at - 1]) {
                return Some((at, Some(self.who(digits[at - 1]) * self.words)));
            }
            // Nothing happens at once if one worker is left; the same steps are a longer set-up's program.
            if at == last && at > self.set_up && self.who(digit) == self.who(first) {
                let next = (self.who(first) + 1) * self.words;
                return Some((at, (next < self.words * WORKERS).then_some(next)));
            }
        }
        None
    }
}

impl Iterator for Sequences {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        let base = self.words * WORKERS;
        loop {
            let mut digits = self.digits.take()?;
            match self.wrong(&digits) {
                None => {
                    let mut after = digits.clone();
                    self.digits = up(&mut after, digits.len(), base).then_some(after);
                    return Some(digits);
                }
                Some((at, Some(least))) => {
                    digits[at] = least;
                    digits[at + 1..].fill(0);
                    self.digits = Some(digits);
                }
                Some((at, None)) => self.digits = up(&mut digits, at, base).then_some(digits),
            }
        }
    }
}

/// Counts up at the last of so many places, and begins anew behind them; false after the last.
fn up(digits: &mut [usize], places: usize, base: usize) -> bool {
    digits[places..].fill(0);
    for digit in digits[..places].iter_mut().rev() {
        *digit += 1;
        if *digit < base {
            return true;
        }
        *digit = 0;
    }
    false
}

/// The text of a sequence of (worker, word).
fn program(words: &[Hunted], digits: &[usize], set_up: usize) -> String {
    let who = |digit: usize| digit / words.len();
    let mut text = String::from("file f 1\n");
    for (at, digit) in digits.iter().enumerate() {
        if at == set_up && set_up > 0 {
            text.push_str("start\n");
        }
        // Writing to a string does not fail.
        let _ = writeln!(text, "w{} {}", who(*digit), words[digit % words.len()].text);
    }
    text
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
    let Hunt { era, rules, memory, tlb, .. } = *hunt;
    let Some(geometry) = hunt.machine(&program) else { return Trial::Senseless };
    let scenario = Scenario { program, era, rules, geometry, memory, tlb };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_all_those_that_are_no_mirror_image_in_order() {
        // As it is said, of all there are.
        let sensible = |digits: &[usize], words: usize, set_up: usize| {
            let who = |digit: usize| digit / words;
            let at_once = &digits[set_up..];
            let by_worker = at_once.windows(2).all(|two| who(two[0]) <= who(two[1]));
            let both = who(at_once[0]) != who(at_once[at_once.len() - 1]) || at_once.len() == 1;
            who(digits[0]) == 0 && by_worker && both
        };
        for (words, ops) in [(1, 1), (1, 4), (2, 3), (3, 4)] {
            for set_up in 0..ops {
                let base = words * WORKERS;
                let mut digits = vec![0; ops];
                let mut expected = Vec::new();
                loop {
                    if sensible(&digits, words, set_up) {
                        expected.push(digits.clone());
                    }
                    if !up(&mut digits, ops, base) {
                        break;
                    }
                }
                let all: Vec<_> = Sequences::new(words, ops, set_up).collect();
                assert_eq!(all, expected, "{words} words, {ops} operations, {set_up} before");
            }
        }
    }

    #[test]
    fn the_next_sequence_is_never_far() {
        // Between these lie more that are none than anybody could wait for.
        let (words, ops) = (Hunted::all().len(), 12);
        for set_up in 0..ops {
            let mut sequences = Sequences::new(words, ops, set_up);
            assert!(sequences.by_ref().take(10).count() == 10, "{set_up}");
            // The last that begins with worker 0, and what is behind it.
            sequences.digits = Some([vec![words - 1], vec![words * WORKERS - 1; ops - 1]].concat());
            assert!(sequences.count() <= 1, "{set_up}");
        }
    }

    #[test]
    fn a_hunt_of_many_words_draws_some_programs_and_one_of_few_words_none() {
        let era = Era::V6_15Sound;
        let hunt = |words: &[Hunted]| Hunt {
            words: words.to_vec(),
            era,
            rules: era.rules(),
            memory: Memory::Sc,
            tlb: TlbRefill::OnAccess,
            ops_max: 6,
            sizes: Vec::new(),
            plan: Plan::default(),
            threads: NonZeroUsize::MIN,
            wanted: Wanted::Anything,
            ends: Ends::Blamed,
        };
        let drawn = |words: &[Hunted]| jobs(&hunt(words)).take(170).filter(|job| job.drawn).count();
        let all = Hunted::all();
        assert_eq!((drawn(&all), drawn(&all[..4])), (10, 0));
    }
}
