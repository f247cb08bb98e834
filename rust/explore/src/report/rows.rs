//! The race as rows: which steps of a trace are told, and in how many words.
//!
//! A trace has hundreds of steps and a reader has patience for two dozen. Every step that might matter gets a
//! [`Rank`]; the worst ranks give way, the earliest first, until the rest fits. What is left out between two
//! rows is counted in a row of its own.

use std::collections::{BTreeMap, BTreeSet};

use pgmap_prim::{verb, verb_name};
use pgmap_program::Op;
use pgmap_program::errno::describe_return;
use pgmap_sched::{Effect, Event, Kind, Object, Task, WaitClass};
use serde::Serialize;

use super::accesses::Accesses;
use super::held;
use super::late;
use super::subject::{self, Focus};
use crate::explored::remark;
use crate::names;
use crate::scenario::{Role, Scenario};
use crate::thing::{Thing, Word};

/// Most rows of a report.
pub const ROWS_MAX: usize = 25;

/// Runs of fewer steps than this, left out between two rows, are not mentioned; the second and third, where
/// room is short.
const SHORT: [usize; 3] = [4, 8, 16];

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tells {
    /// A call begins, or fails.
    Call,
    Step,
    /// A task cannot go on, or goes on after all.
    Wait,
    /// Steps that are not told.
    Fold,
    /// What is wrong.
    Failure,
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// From 1; folded steps have none.
    pub n: Option<u32>,
    /// Number of the event in the execution.
    pub event: u32,
    /// Which task did it; none for what happens when all have left.
    pub task: Option<u8>,
    pub tells: Tells,
    /// The function in which it happens, if one is named.
    #[serde(skip)]
    pub function: Option<&'static str>,
    pub text: String,
    /// What a word was, and what it became.
    pub margin: Option<String>,
    /// Printed behind an arrow.
    pub remark: Option<String>,
}

/// How much a reader needs a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Needed,
    /// Counts of the page, and waits.
    Counts,
    /// Where tasks meet: changes of what leads to the page.
    Meeting,
    /// Looks at those.
    Look,
    /// Calls in which nothing of this happens.
    Call,
    /// Where tasks meet about other things.
    Elsewhere,
}

/// A row, and where in the trace it belongs.
pub(super) struct Candidate {
    pub(super) at: usize,
    pub(super) rank: Rank,
    pub(super) row: Row,
}

/// What rows are told from.
pub(super) struct TraceReader<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) roles: &'a [Role],
    pub(super) trace: &'a [Event],
    /// The same, and which of its steps are stores that drained.
    pub(super) told: &'a late::Trace,
    pub(super) accesses: &'a Accesses<'a>,
    pub(super) focus: Option<Focus>,
}

impl TraceReader<'_> {
    fn row(&self, at: usize, tells: Tells, text: String) -> Row {
        let Event { index, task, site, .. } = self.trace[at];
        let function = match tells {
            Tells::Step | Tells::Wait | Tells::Failure => site.and_then(names::function),
            Tells::Call | Tells::Fold => None,
        };
        let (n, task, margin, remark) = (None, Some(task.0), None, None);
        Row { n, event: index, task, tells, function, text, margin, remark }
    }

    /// Everything that might be told.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let mut all = Vec::new();
        let mut waiting: BTreeMap<Task, Object> = BTreeMap::new();
        for (at, event) in self.trace.iter().enumerate() {
            let (rank, row) = match event.kind {
                Kind::Note { code, a, b } => match self.call(at, code, a, b) {
                    Some(row) => (Rank::Call, row),
                    None => continue,
                },
                // Told once, however often the scheduler asks.
                Kind::Blocked { class, .. } => {
                    if waiting.insert(event.task, event.object) == Some(event.object) {
                        continue;
                    }
                    let text = match class {
                        WaitClass::RELAX => format!("{} spins", self.function(at)),
                        class => format!("waits for {class}"),
                    };
                    (Rank::Counts, self.row(at, Tells::Wait, text))
                }
                Kind::Step if self.told.drained(at) => match self.rank(at) {
                    Some(rank) => (rank.min(Rank::Meeting), self.step(at)),
                    None => continue,
                },
                // What is stored is told where it drains.
                Kind::Record
                    if event.verb == verb::STORE_BUFFER && event.effect == Effect::Write =>
                {
                    let text = format!("{}: its store waits", self.function(at));
                    let pushed = !self.told.drained(at.wrapping_sub(1));
                    match pushed {
                        true => (Rank::Meeting, self.row(at, Tells::Step, text)),
                        false => continue,
                    }
                }
                Kind::Step if waiting.remove(&event.task) == Some(event.object) => {
                    let text = match event.verb {
                        verb::SCHEDULE => "is woken".to_owned(),
                        _ => format!("goes on: {}", verb_name(event.verb)),
                    };
                    (Rank::Counts, self.row(at, Tells::Wait, text))
                }
                Kind::Step => match self.rank(at) {
                    Some(rank) => (rank, self.step(at)),
                    None => continue,
                },
                _ => continue,
            };
            all.push(Candidate { at, rank, row });
        }
        all
    }

    /// A call that begins, or one that ends with an error.
    fn call(&self, at: usize, code: u32, step: u64, returned: u64) -> Option<Row> {
        let step = self.scenario.program.steps.get(usize::try_from(step).ok()?)?;
        let text = match code {
            remark::BEGIN => self.scenario.program.op_text(&step.op).to_string(),
            remark::END if returned.cast_signed() < 0 => {
                format!("returns {}", describe_return(returned.cast_signed()))
            }
            _ => return None,
        };
        Some(self.row(at, Tells::Call, text))
    }

    /// How much this step is needed; none if it is never told by itself.
    fn rank(&self, at: usize) -> Option<Rank> {
        let event = &self.trace[at];
        let thing = self.accesses.thing(at)?;
        let changes = event.values.is_some_and(|(before, after)| before != after);
        let meeting = if changes { Rank::Meeting } else { Rank::Look };
        match (event.verb, thing) {
            (verb::FLUSH_TLB | verb::SYNCHRONIZE_RCU | verb::SYNC_IRQ, _) => {
                return Some(Rank::Meeting);
            }
            (verb::PREPARE_TO_WAIT, _) => return Some(Rank::Meeting),
            (verb::WAKE_UP, _) if event.effect == Effect::Write => return Some(Rank::Counts),
            (verb::WAKE_UP, _) => {
                return self.accesses.has_sleepers(at).then_some(Rank::Look);
            }
            (_, Thing::Queue | Thing::Outside) => return None,
            _ => {}
        }
        let mine = match (thing.pfn(), self.focus) {
            (Some(pfn), Some(focus)) => focus.has(pfn),
            (Some(_), None) => true,
            (None, Some(focus)) => event.values.is_some_and(|(before, after)| {
                [before, after].iter().any(|&value| subject::points_to(thing, value, &focus))
            }),
            (None, None) => false,
        };
        let first_tail = |pfn| self.focus.is_some_and(|focus| focus.large && pfn != focus.head);
        let counts = match thing {
            Thing::Page { pfn, word } => {
                matches!(word, Word::Refcount | Word::Mapcount) || first_tail(pfn)
            }
            Thing::Life { .. } => true,
            _ => false,
        };
        if mine && changes {
            return Some(if counts { Rank::Counts } else { Rank::Meeting });
        }
        if !self.accesses.meet(at) {
            return None;
        }
        match thing {
            Thing::Other if held::is_lock(event.verb) => None,
            Thing::Other => changes.then_some(Rank::Elsewhere),
            _ if thing.pfn().is_some() && !mine => Some(Rank::Elsewhere),
            _ => Some(meeting),
        }
    }

    /// The function that takes a step, or what the step is.
    fn function(&self, at: usize) -> &'static str {
        let event = &self.trace[at];
        event.site.and_then(names::function).unwrap_or_else(|| verb_name(event.verb))
    }

    /// A step as a row.
    pub(super) fn step(&self, at: usize) -> Row {
        let event = &self.trace[at];
        let function = self.function(at);
        let thing = self.accesses.thing(at).unwrap_or(Thing::Outside);
        let what = || {
            let name = subject::name(&self.scenario.program, thing, event, self.focus.as_ref());
            name.unwrap_or_else(|| subject::UNNAMED.to_owned())
        };
        let told = |word: u64| subject::value(thing, word);
        let mut row = self.row(at, Tells::Step, String::new());
        row.text = match (event.verb, event.values) {
            (verb::WAKE_UP, Some((0, _))) => format!("{function}: wakes nobody"),
            (verb::WAKE_UP, Some((woken, _))) => format!("{function}: wakes {woken}"),
            _ if held::is_lock(event.verb) => {
                let lock = held::name(&self.scenario.program, event, Some(thing));
                match thing {
                    // What takes it is a primitive, of that very name.
                    Thing::DriverLock { .. } => format!("{} {lock}", verb_name(event.verb)),
                    _ => format!("{function}: {} {lock}", verb_name(event.verb)),
                }
            }
            _ if matches!(thing, Thing::Queue | Thing::Outside) => match verb_name(event.verb) {
                verb if verb == function => function.to_owned(),
                verb => format!("{function}: {verb}"),
            },
            (_, Some((before, after))) if told(before) != told(after) => {
                row.margin = Some(format!("[{} -> {}]", told(before), told(after)));
                format!("{function}: {}", what())
            }
            (_, Some((before, _))) if event.effect == Effect::Read => {
                format!("{function}: {} is {}", what(), told(before))
            }
            (_, Some((before, _))) => format!("{function}: {} stays {}", what(), told(before)),
            (_, None) => format!("{function}: {}", what()),
        };
        if self.told.drained(at) {
            row.text = format!("(store drains) {}", row.text);
        }
        row
    }

    /// The call that each task is in at an entry of the trace, and how it is called.
    pub(super) fn op_at(&self, at: usize) -> Option<&Op> {
        let task = self.trace.get(at)?.task;
        let mut before = self.trace[..=at].iter().rev().filter(|event| event.task == task);
        let step = before.find_map(|event| match event.kind {
            Kind::Note { code: remark::BEGIN, a, .. } => Some(a),
            _ => None,
        })?;
        Some(&self.scenario.program.steps.get(usize::try_from(step).ok()?)?.op)
    }

    /// Raises the calls in which something is told.
    pub(super) fn need_calls(&self, all: &mut [Candidate]) {
        for task in (0..).map(Task).take(self.roles.len()) {
            let mut told = false;
            let mine = all.iter_mut().rev().filter(|it| it.row.task == Some(task.0));
            for candidate in mine {
                if candidate.row.tells == Tells::Call {
                    if told {
                        candidate.rank = Rank::Needed;
                    }
                    told = false;
                } else {
                    told |= candidate.rank <= Rank::Counts;
                }
            }
        }
    }

    /// Chooses, folds and numbers.
    pub(super) fn tell(&self, mut all: Vec<Candidate>) -> Vec<Row> {
        all.sort_by_key(|candidate| candidate.at);
        thin_out(&mut all, ROWS_MAX);
        loop {
            let mut tries = SHORT.iter().map(|&shortest| self.folded(&all, shortest));
            if let Some(rows) = tries.find(|rows| rows.len() <= ROWS_MAX) {
                return numbered(rows);
            }
            let worst = all.iter().map(|candidate| candidate.rank).max();
            let Some(worst) = worst.filter(|&worst| worst > Rank::Needed) else {
                return numbered(self.folded(&all, usize::MAX));
            };
            if let Some(at) = all.iter().position(|candidate| candidate.rank == worst) {
                all.remove(at);
            }
        }
    }

    /// The rows, with what lies between them in rows of its own where it is at least `shortest` steps.
    fn folded(&self, told: &[Candidate], shortest: usize) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        let mut next = 0;
        for candidate in told {
            self.fold(next..candidate.at.min(self.trace.len()), shortest, &mut rows);
            rows.push(candidate.row.clone());
            next = candidate.at + 1;
        }
        rows
    }

    fn fold(&self, range: core::ops::Range<usize>, shortest: usize, rows: &mut Vec<Row>) {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for at in range {
            if self.trace[at].kind != Kind::Step {
                continue;
            }
            match runs.last_mut() {
                Some((first, steps)) if self.trace[*first].task == self.trace[at].task => {
                    *steps += 1
                }
                _ => runs.push((at, 1)),
            }
        }
        for (at, steps) in runs.into_iter().filter(|run| run.1 >= shortest) {
            let plural = if steps == 1 { "" } else { "s" };
            rows.push(self.row(at, Tells::Fold, format!("... {steps} step{plural}")));
        }
    }
}

/// The worst ranks give way, the earliest first, until no more are left than there can be rows.
fn thin_out(all: &mut Vec<Candidate>, most: usize) {
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.retain(|&at| all[at].rank > Rank::Needed);
    // Stable: of one rank the earliest come first.
    order.sort_by_key(|&at| std::cmp::Reverse(all[at].rank));
    let gone: BTreeSet<usize> = order.into_iter().take(all.len().saturating_sub(most)).collect();
    let mut at = 0;
    all.retain(|_| {
        at += 1;
        !gone.contains(&(at - 1))
    });
}

fn numbered(mut rows: Vec<Row>) -> Vec<Row> {
    let told = rows.iter_mut().filter(|row| row.tells != Tells::Fold);
    for (n, row) in (1..).zip(told) {
        row.n = Some(n);
    }
    rows
}
