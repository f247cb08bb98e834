//! Changes to a program that make it smaller: which there are, and what each one makes of it.
//!
//! A changed program is always printed and parsed: the parser follows the handles, so a change that leaves a
//! reference to nothing is noticed there. Dropping repairs itself: the step that the parser
//! complains about goes too, until nothing is wrong. Steps that an expectation names stay.

use std::collections::{BTreeMap, BTreeSet};

use pgmap_program::op::{self, PinNo, WorkerId};
use pgmap_program::{Issue, Op, Program, Step};

/// What a number in a program counts, which is also how small it can get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Number {
    /// Which page: 0 is the first. The new size of a file, too.
    Page(u32),
    /// How many pages: at least 1.
    Count(u32),
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// These steps go, and those that need them.
    Drop(Vec<usize>),
    /// A step becomes the last of the set-up.
    IntoSetUp(usize),
    /// All numbers become the least they can be.
    Least,
    /// A number becomes another one wherever it stands.
    Everywhere { from: Number, to: u32 },
    /// The n-th number becomes another one.
    Number { nth: usize, to: u32 },
    /// What is declared on a line goes if nobody uses it: a file or a driver.
    Undeclared(usize),
    /// No step goes on at once; tasks run at the same time anyway.
    Wait,
    /// Labels that no expectation speaks of go.
    Labels,
}

impl Edit {
    /// The changed program. None: it changes nothing, or what it makes is no program.
    pub(super) fn apply(&self, program: &Program) -> Option<Program> {
        let mut new = program.clone();
        let changed = match self {
            Self::Drop(steps) => drop_steps(program, steps)?.0,
            Self::IntoSetUp(step) => {
                let step = new.steps.remove(*step);
                if named(&new).contains(&step.n) {
                    return None;
                }
                let start = new.steps.iter().position(|step| step.op == Op::Start);
                match start {
                    Some(at) => new.steps.insert(at, step),
                    None => {
                        let op = Op::Start;
                        let start =
                            Step { op, who: None, issue: Issue::Wait, label: None, ..step.clone() };
                        new.steps.splice(0..0, [step, start]);
                    }
                }
                parse(&new)?
            }
            Self::Least => {
                each(&mut new, |_, number, value| *value = number.least());
                parse(&new)?
            }
            Self::Everywhere { from, to } => {
                each(&mut new, |_, number, value| {
                    if number == *from {
                        *value = *to;
                    }
                });
                parse(&new)?
            }
            Self::Number { nth, to } => {
                each(&mut new, |n, _, value| {
                    if n == *nth {
                        *value = *to;
                    }
                });
                parse(&new)?
            }
            Self::Undeclared(declared) => {
                // By its line: the steps name what is declared, and are read again without this one.
                let text = program.to_string();
                let lines = text.lines().enumerate().filter(|(line, _)| line != declared);
                let text: Vec<&str> = lines.map(|(_, line)| line).collect();
                Program::parse(&text.join("\n")).ok()?
            }
            Self::Wait => {
                new.steps.iter_mut().for_each(|step| step.issue = Issue::Wait);
                parse(&new)?
            }
            Self::Labels => {
                let named = named(&new);
                let silent = new.steps.iter_mut().filter(|step| !named.contains(&step.n));
                silent.for_each(|step| step.label = None);
                parse(&new)?
            }
        };
        (changed.to_string() != program.to_string()).then_some(changed)
    }
}

fn parse(program: &Program) -> Option<Program> {
    Program::parse(&program.to_string()).ok()
}

/// The steps that expectations speak of.
fn named(program: &Program) -> BTreeSet<u32> {
    program.expectations.iter().flat_map(|it| it.condition.steps()).collect()
}

/// The steps of a worker, and those that start it.
pub(super) fn of_worker(program: &Program, worker: WorkerId) -> Vec<usize> {
    let mine = |step: &Step| step.who == Some(worker) || step.op.child() == Some(worker);
    (0..).zip(&program.steps).filter(|(_, step)| mine(step)).map(|(n, _)| n).collect()
}

/// All steps in runs of a length, each of one task or of the set-up. `start` is no step to drop.
pub(super) fn runs(program: &Program, length: usize) -> Vec<Vec<usize>> {
    let set_up = program.halves().0.len();
    let mut tasks: BTreeMap<(bool, Option<WorkerId>), Vec<usize>> = BTreeMap::new();
    for (n, step) in program.steps.iter().enumerate() {
        if step.op != Op::Start {
            let task = if n < set_up { (false, None) } else { (true, step.who) };
            tasks.entry(task).or_default().push(n);
        }
    }
    tasks.values().flat_map(|steps| steps.chunks(length)).map(<[usize]>::to_vec).collect()
}

/// The first step of each task that could as well be set-up. Two tasks keep one at least.
pub(super) fn leading(program: &Program) -> Vec<usize> {
    let concurrent = program.halves().1;
    let first = program.steps.len() - concurrent.len();
    let mut tasks: BTreeMap<Option<WorkerId>, Vec<usize>> = BTreeMap::new();
    for (n, step) in (first..).zip(concurrent) {
        if step.op != Op::End {
            tasks.entry(step.who).or_default().push(n);
        }
    }
    let few = tasks.len() <= 2;
    tasks.values().filter(|steps| !few || steps.len() > 1).map(|steps| steps[0]).collect()
}

impl Number {
    fn value(self) -> u32 {
        match self {
            Self::Page(value) | Self::Count(value) => value,
        }
    }

    fn least(self) -> u32 {
        match self {
            Self::Page(_) => 0,
            Self::Count(_) => 1,
        }
    }
}

/// Smaller numbers to try, smallest first.
pub(super) fn smaller(number: Number) -> impl Iterator<Item = u32> {
    let (value, least) = (number.value(), number.least());
    let tries = [least, value / 2, value.saturating_sub(1)];
    (0..3).map(move |n| (n, tries[n])).filter_map(move |(n, to)| {
        let new = (least..value).contains(&to) && !tries[..n].contains(&to);
        new.then_some(to)
    })
}

/// Every number, in the order of the text.
pub(super) fn numbers(program: &Program) -> Vec<Number> {
    let mut all = Vec::new();
    each(&mut program.clone(), |_, number, _| all.push(number));
    all
}

/// The different ones among them.
pub(super) fn values(program: &Program) -> BTreeSet<Number> {
    numbers(program).into_iter().collect()
}

/// Visits every number with its place in their order.
fn each(program: &mut Program, mut visit: impl FnMut(usize, Number, &mut u32)) {
    let mut nth = 0;
    let mut visit = |kind: fn(u32) -> Number, value: &mut u32| {
        visit(nth, kind(*value), value);
        nth += 1;
    };
    for file in &mut program.files {
        visit(Number::Count, &mut file.pages);
    }
    for driver in &mut program.drivers {
        visit(Number::Count, &mut driver.pages);
    }
    for step in &mut program.steps {
        step.op.numbers(&mut |number| match number {
            op::Number::Page(value) => visit(Number::Page, value),
            op::Number::Count(value) => visit(Number::Count, value),
            op::Number::Pin(_) => {}
        });
    }
}

/// Drops steps and whatever then refers to nothing; the program, and which of the steps it kept. None: an
/// expectation would speak of nothing.
pub(super) fn drop_steps(program: &Program, steps: &[usize]) -> Option<(Program, Vec<usize>)> {
    let mut gone: BTreeSet<usize> = steps.iter().copied().collect();
    loop {
        let (rest, kept) = without(program, &mut gone);
        if rest.expectations.len() < program.expectations.len() {
            return None;
        }
        let dangling = rest.dangling();
        if !dangling.is_empty() {
            gone.extend(dangling.into_iter().map(|at| kept[at]));
            continue;
        }
        match Program::parse(&rest.to_string()) {
            Ok(program) => return Some((program, kept)),
            // The lines of what is declared, then one for each step.
            Err(wrong) => {
                let line = (wrong.line as usize).checked_sub(1 + program.declarations())?;
                gone.insert(*kept.get(line)?);
            }
        }
    }
}

/// The pins that a worker's steps have made.
#[derive(Default)]
struct Pins {
    /// The new number of each; none: its step is gone.
    new: Vec<Option<PinNo>>,
    /// How many steps are left.
    left: usize,
}

/// The program without these steps, and which ones it kept. Pins are numbered by their worker's steps, so
/// later ones move up, and steps that name a pin whose step is gone go as well.
fn without(program: &Program, gone: &mut BTreeSet<usize>) -> (Program, Vec<usize>) {
    let Program { files, drivers, mounts, steps: _, expectations } = program;
    let mut rest = Program {
        files: files.clone(),
        drivers: drivers.clone(),
        mounts: mounts.clone(),
        steps: Vec::new(),
        expectations: expectations.clone(),
    };
    let mut kept = Vec::new();
    let mut pins: BTreeMap<WorkerId, Pins> = BTreeMap::new();
    for (n, step) in program.steps.iter().enumerate() {
        let mut step = step.clone();
        let Some(who) = step.who else {
            if !gone.contains(&n) {
                rest.steps.push(step);
                kept.push(n);
            }
            continue;
        };
        let mine = pins.entry(who).or_default();
        let mut dangles = false;
        step.op.numbers(&mut |number| match number {
            op::Number::Pin(pin) => match mine.new.get(pin.index()) {
                Some(Some(new)) => *pin = *new,
                Some(None) => dangles = true,
                None => {}
            },
            op::Number::Page(_) | op::Number::Count(_) => {}
        });
        if dangles {
            gone.insert(n);
        }
        if step.op.takes_pin() {
            let new = u16::try_from(mine.left).ok().map(PinNo);
            let new = new.filter(|_| !gone.contains(&n));
            mine.left += usize::from(new.is_some());
            mine.new.push(new);
        }
        // Who begins has no pins.
        if step.op == Op::Spawn {
            *mine = Pins::default();
        }
        if let Some(child) = step.op.child() {
            pins.insert(child, Pins::default());
        }
        if !gone.contains(&n) {
            rest.steps.push(step);
            kept.push(n);
        }
    }
    // Names are made from the steps that are there, so what is left still means what it did.
    let there: BTreeSet<u32> = rest.steps.iter().map(|step| step.n).collect();
    rest.expectations.retain(|it| it.condition.steps().iter().all(|n| there.contains(n)));
    (rest, kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(text: &str, drop: usize) -> String {
        let program = Program::parse(text).expect("a program");
        drop_steps(&program, &[drop]).expect("steps that nobody speaks of").0.to_string()
    }

    #[test]
    fn pins_are_numbered_anew_when_an_earlier_one_is_dropped() {
        let text = "file f 2 written\nw0 mmap 0 f 0 2 rw shared\nstart\nw0 pin 0 0\nw0 pin 0 1\nw0 unpin 1\n";
        let rest = "file f 2 written\nw0 mmap 0 f 0 2 rw shared\nstart\nw0 pin 0 1\nw0 unpin 0\n";
        assert_eq!(left(text, 2), rest);
        // Who names the one that is gone goes with it.
        let alone = "file f 2 written\nw0 mmap 0 f 0 2 rw shared\nstart\nw0 pin 0 0\n";
        assert_eq!(left(text, 3), alone);
    }
}
