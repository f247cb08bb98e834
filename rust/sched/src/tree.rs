//! All executions within a bound, depth first.
//!
//! The search tree is kept as the path to where the search stands: one node per decision,
//! with the alternatives that have not been tried. An execution repeats the choices of the path and goes on
//! from there, leaving a node at each new decision.
//!
//! Two things cut the tree, and neither loses a behaviour or makes one dearer.
//!
//! **What is known.** Beyond the replayed part of the path, a decision first asks the cache, also one
//! that has a single candidate because the current task cannot go on. Its key is the signature
//! of the past, the current task and whether leaving it is free; its value the fewest preemptions
//! spent on the way. Equal signatures mean equal states, and the steps the tasks are at are a
//! function of the state, so they need not be in the key. From equal keys the same continuations
//! are open to whoever has spent as little or less, hence the second visitor can be cut: any
//! execution through it has a twin, with the same events in an order that differs only by commuting
//! ones, through the first.
//!
//! **What comes to the same.** A task that could go on is left only before a step that others have to do with: see
//! `ahead`, which also says why. Sleep sets would not do here. They omit an order because an equivalent
//! one is explored elsewhere, but that one may need more preemptions than the bound allows, and is
//! then explored nowhere. Without a bound they do, and there is no cache: see `dpor`.
//!
//! Without room for the cache nothing is cut, and every execution is run: that is what others are compared with.

mod lend;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::accesses::{Accesses, Numbers};
#[cfg(test)]
use crate::ahead::MOST_NOTES;
use crate::ahead::{Ahead, Notes};
use crate::cache::Visit;
use crate::engine::Engine;
use crate::engine::guide::{Decision, Exhaustive, States};
use crate::engine::guide::{End, Guide};
use crate::failure::Failure;
use crate::hash::{Folding, mix};
use crate::known::Known;
use crate::node::{Branch, Node, Price};
use crate::place::tasks_of;
use crate::plan::Stats;
use crate::schedule::Stand;
use crate::step::{Effect, Looks, Object, Step, Task, Touches};
use crate::tree::lend::Lent;

/// What is chosen.
enum About<'a> {
    Anything,
    /// Something that costs.
    Cost,
    /// Whether to do this, at once, or to pay and put it off.
    PuttingOff(Touches<'a>),
}

impl About<'_> {
    fn price(&self) -> Price {
        match self {
            About::Anything => Price::Nothing,
            About::Cost => Price::ToDo,
            About::PuttingOff(_) => Price::ToPutOff,
        }
    }
}

/// A depth-first search within a bound.
pub(crate) struct Tree {
    nodes: Vec<Node>,
    /// The next node of the path that the execution in progress will come to.
    cursor: usize,
    cache: Known,
    ahead: Ahead,
    numbers: Numbers,
    /// What the choices of the path are about that put something off.
    put_off: Vec<Accesses>,
    /// Objects that are looked at together, by their number.
    looks: HashMap<u64, Accesses, Folding>,
    /// What may be spent on preemptions, and on choices that cost.
    budget: u32,
    /// The last execution is repeated, to be written down: none the less wanted for being known.
    again: bool,
    /// A task that could go on is left only at these steps; anywhere, if there are none.
    among: Option<Rc<HashSet<Stand>>>,
    /// With others: what the path has given away, or which part of it is somebody else's.
    lent: Lent,
    /// Events of the execution in progress that one before it had.
    repeated: u32,
    #[cfg(test)]
    faults: crate::faults::Tree,
}

impl Tree {
    /// Of a model of which this is noted.
    pub(crate) fn new(budget: u32, cache_bytes: usize, notes: Notes) -> Self {
        let (cache, numbers) = (Known::mine(cache_bytes, notes), Numbers::new(None));
        Self::over(budget, cache, numbers, Lent::default(), notes)
    }

    fn over(budget: u32, cache: Known, numbers: Numbers, lent: Lent, notes: Notes) -> Self {
        Tree {
            nodes: Vec::new(),
            cursor: 0,
            cache,
            ahead: Ahead::new(notes),
            numbers,
            budget,
            again: false,
            among: None,
            lent,
            repeated: 0,
            put_off: Vec::new(),
            looks: HashMap::default(),
            #[cfg(test)]
            faults: crate::faults::Tree::default(),
        }
    }

    #[cfg(test)]
    pub(crate) fn set_faults(&mut self, faults: crate::faults::Tree) {
        (self.faults, self.ahead.faults) = (faults, faults);
    }

    /// Leaves a task that could go on at these steps only.
    pub(crate) fn stay_among(&mut self, steps: Rc<HashSet<Stand>>) {
        self.among = Some(steps);
    }

    /// Whether a task that could go on may be left at the step it stands at.
    fn may_leave(&self, engine: &Engine, now: Task) -> bool {
        self.among.as_ref().is_none_or(|steps| {
            let Step { verb, object, .. } = engine.place(now).step;
            steps.contains(&(now, verb, object))
        })
    }

    /// The next decision that the path prescribes. Those at which the current task goes on need not have been
    /// asked for.
    #[inline]
    fn upcoming(&mut self, engine: &Engine) -> Option<Node> {
        let events = engine.history.events();
        loop {
            let node = self.nodes.get(self.cursor).copied()?;
            match node.branch {
                Branch::Task { chosen, .. } if node.at < events && Some(chosen) == engine.now => {
                    self.cursor += 1;
                }
                Branch::Task { .. } | Branch::Choice { .. } => return Some(node),
            }
        }
    }

    /// The path goes on with its next node; what comes after the last has not been seen.
    fn pass(&mut self, engine: &mut Engine) {
        self.cursor += 1;
        self.repeated = engine.history.events();
        if self.cursor == self.nodes.len() && !self.again && !self.cache.is_off() {
            engine.record_accesses(true);
        }
    }

    /// Notes who waits for what.
    fn note_waits(&mut self, engine: &Engine) {
        for (task, step, looks) in engine.waits() {
            let mut accesses = Accesses::NONE;
            accesses.add(self.numbers.of(step.object), step.effect == Effect::Write);
            match looks {
                Looks::AtItsObject => {}
                Looks::AlsoAt(object) => accesses.add(self.numbers.of(object), false),
                Looks::Anywhere => accesses = Accesses::ALL,
            }
            self.ahead.waits(task, &accesses);
        }
    }

    fn push(&mut self, engine: &Engine, branch: Branch) {
        let left = self.budget.saturating_sub(engine.preemptions);
        self.nodes.push(Node { at: engine.history.events(), left, branch });
        self.cursor = self.nodes.len();
    }

    /// The result of a choice: its node's, or 0 with a new node.
    fn branch(&mut self, engine: &mut Engine, n: u32, about: About<'_>) -> u32 {
        let events = engine.history.events();
        let price = about.price();
        match self.upcoming(engine) {
            Some(Node { at, branch: Branch::Choice { chosen, of, price: costs }, .. })
                if (at, of, costs) == (events, n, price) =>
            {
                self.pass(engine);
                chosen
            }
            Some(_) => {
                engine.close(End::Unsteady(events));
                0
            }
            None => {
                if let About::PuttingOff(touches) = about {
                    let (mut accesses, numbers) = (Accesses::NONE, &mut self.numbers);
                    touches(&mut |object| accesses.add(numbers.of(object), true));
                    self.put_off.push(accesses);
                }
                self.push(engine, Branch::Choice { chosen: 0, of: n, price });
                self.ahead.varies();
                0
            }
        }
    }

    /// What goes into the cache: the state, and what was spent to reach it.
    fn key(&self, engine: &Engine, at: Decision) -> Visit {
        let spent = engine.preemptions;
        let signature = engine.history.signature();
        #[cfg(test)]
        if self.faults.forgets_task {
            return Visit { state: mix(signature, u128::from(at.free), 1), spent };
        }
        let current = match (at.stays, at.free) {
            (Some(now), free) => u128::from(now.0) << 1 | u128::from(free),
            (None, _) => u128::from(u8::MAX),
        };
        #[cfg(test)]
        if self.faults.forgets_preemptions {
            return Visit { state: mix(signature, current, 1), spent: 0 };
        }
        Visit { state: mix(signature, current, 1), spent }
    }

    /// Turns the path to the next execution, if there is one.
    fn turn(&mut self) -> bool {
        let off = self.cache.is_off();
        while self.nodes.len() > self.lent.floor()
            && let Some(node) = self.nodes.last_mut()
        {
            match &mut node.branch {
                Branch::Task { chosen, untried, tried, paid, visit } => {
                    self.ahead.end_branch();
                    // What commutes may be done later only where that is among the steps.
                    let stays = *paid && *tried == 0 && !off && self.among.is_none();
                    if *untried != 0 && !(stays && self.ahead.commutes()) {
                        *chosen = Task(untried.trailing_zeros() as u8);
                        *untried &= *untried - 1;
                        *tried += 1;
                        self.ahead.turn_to(*chosen);
                        let chosen = *chosen;
                        self.comes_to(chosen);
                        return true;
                    }
                    let visit = *visit;
                    if !off {
                        if self.lent.is_whole(self.nodes.len()) {
                            self.cache.complete(visit, self.ahead.noted());
                        }
                        self.ahead.leave();
                    }
                }
                Branch::Choice { chosen, of, price } => {
                    let put_off = self.put_off.last().filter(|_| *price == Price::ToPutOff);
                    let known = !off && self.among.is_none();
                    let noticed = |it| !known || self.ahead.notices(it);
                    if *chosen + 1 < *of && put_off.is_none_or(noticed) {
                        *chosen += 1;
                        return true;
                    }
                    if *price == Price::ToPutOff {
                        let _ = self.put_off.pop();
                    }
                }
            }
            let _ = self.nodes.pop();
            self.lent.popped(self.nodes.len());
        }
        false
    }
}

impl Guide for Tree {
    #[inline]
    fn next(&mut self, engine: &mut Engine, at: Decision) -> Option<Task> {
        let events = engine.history.events();
        if let Some(node) = self.upcoming(engine) {
            if node.at < events {
                engine.close(End::Unsteady(events));
                return None;
            }
            if let (true, Branch::Task { chosen, .. }) = (node.at == events, node.branch) {
                if !engine.can_run(chosen) {
                    engine.close(End::Unsteady(events));
                    return None;
                }
                self.pass(engine);
                return Some(chosen);
            }
            return engine.default(at);
        }
        if let (Some(now), false) = (at.stays, at.free)
            && (engine.preemptions >= self.budget || !self.may_leave(engine, now))
        {
            return Some(now);
        }
        let runnable = engine.runnable();
        let Some(default) = at.stays.or_else(|| tasks_of(runnable).next()) else {
            return engine.default(at);
        };
        let others = runnable & !default.bit();
        if others == 0 && (at.stays.is_some() || self.cache.is_off()) || self.again {
            return Some(default);
        }
        let visit = self.key(engine, at);
        let Self { cache, ahead, .. } = self;
        if cache.look(visit, |known| ahead.arrive(known)) {
            engine.close(End::Pruned);
            return None;
        }
        #[cfg(test)]
        if self.faults.publishes_early {
            self.cache.complete(visit, &[Accesses::ALL; MOST_NOTES][..self.ahead.notes().count()]);
        }
        let paid = !at.free;
        let branch = Branch::Task { chosen: default, untried: others, tried: 0, paid, visit };
        self.push(engine, branch);
        if !self.cache.is_off() {
            self.ahead.enter(default);
            self.note_waits(engine);
            engine.record_accesses(true);
        }
        Some(default)
    }

    fn choose(&mut self, engine: &mut Engine, n: u32) -> u32 {
        self.branch(engine, n, About::Anything)
    }

    fn choose_paid(&mut self, engine: &mut Engine, n: u32) -> u32 {
        if engine.preemptions >= self.budget { 0 } else { self.branch(engine, n, About::Cost) }
    }

    fn put_off(&mut self, engine: &mut Engine, touches: Touches<'_>) -> bool {
        engine.preemptions < self.budget && self.branch(engine, 2, About::PuttingOff(touches)) != 0
    }

    fn goes_past(&mut self) {
        self.ahead.passes();
    }

    fn settles(&mut self) {
        self.ahead.settles();
    }

    fn calm_until(&self, engine: &Engine) -> u32 {
        let rest = self.nodes.get(self.cursor..).unwrap_or_default();
        let goes_on = |node: &Node| match node.branch {
            Branch::Task { chosen, .. } => Some(chosen) == engine.now,
            Branch::Choice { .. } => false,
        };
        match rest.iter().find(|node| !goes_on(node)).or(rest.last()) {
            Some(node) => node.at,
            None if engine.preemptions >= self.budget => u32::MAX,
            None => 0,
        }
    }

    fn repeats(&self) -> bool {
        self.cursor < self.nodes.len() && !self.again && !self.lent.is_fresh()
    }

    fn touched(&mut self, object: Object, effect: Effect) {
        let number = self.numbers.of(object);
        self.ahead.touch(number, effect == Effect::Write);
    }

    fn looked_at(&mut self, number: u32, objects: &[Object]) {
        let numbers = &mut self.numbers;
        let looks = self.looks.entry(number.into()).or_insert_with(|| {
            let mut looks = Accesses::NONE;
            objects.iter().for_each(|&object| looks.add(numbers.of(object), false));
            looks
        });
        self.ahead.touch_all(looks);
    }
}

impl Exhaustive for Tree {
    fn begin(&mut self, again: bool) {
        self.cursor = 0;
        self.repeated = 0;
        self.again = again;
    }

    fn is_left(&self) -> bool {
        self.cursor < self.nodes.len()
    }

    fn learn(&mut self, engine: &Engine, end: &End) {
        match end {
            // What is known of the state where it was cut has been noted.
            End::Pruned => {}
            // Who waits, waits; nobody can go on.
            End::Passed
            | End::Failed(
                Failure::Deadlock { .. }
                | Failure::Livelock { recurrence: None, .. }
                | Failure::Defect { task: None, .. },
            ) => {
                self.ahead.enter(Task(0));
                self.note_waits(engine);
                self.ahead.leave();
            }
            End::Failed(
                Failure::Defect { task: Some(_), .. }
                | Failure::Livelock { recurrence: Some(_), .. }
                | Failure::Panic { .. },
            )
            | End::TooLong
            | End::Halted
            | End::Unable(_)
            | End::Unsteady(_) => self.ahead.arrive(&|_| Accesses::ALL),
        }
    }

    fn advance(&mut self) -> bool {
        let goes_on = self.turn();
        if goes_on {
            self.turned();
        }
        goes_on
    }

    fn done_by_others(&self) -> Stats {
        Tree::done_by_others(self)
    }

    /// Which share of the tree lies behind the search, guessed from the path alone (Knuth 1975:
    /// what is unknown of a subtree is taken from its siblings).
    ///
    /// Where alternatives cost a preemption the subtrees are not alike: over the remaining
    /// `l` steps with `r` preemptions left there are about C(l, r) ways to go on and C(l, r-1)
    /// ways after spending one, so staying weighs (l-r+1)/r of an alternative.
    fn fraction(&self, longest: u32) -> f64 {
        let (mut behind, mut share) = (0.0, 1.0);
        for node in &self.nodes {
            let (tried, others, paid) = match node.branch {
                Branch::Task { untried, tried, paid, .. } => {
                    (u32::from(tried), u32::from(tried) + untried.count_ones(), paid)
                }
                Branch::Choice { chosen, of, price } => (chosen, of - 1, price != Price::Nothing),
            };
            let ahead = f64::from(longest.saturating_sub(node.at).max(1));
            let left = f64::from(node.left);
            let staying = if paid && node.left < u32::MAX {
                ((ahead - left + 1.0) / left.max(1.0)).max(1.0)
            } else {
                1.0
            };
            let whole = staying + f64::from(others);
            if tried == 0 {
                share *= staying / whole;
            } else {
                behind += share * (staying + f64::from(tried) - 1.0) / whole;
                share /= whole;
            }
        }
        behind.clamp(0.0, 1.0)
    }

    fn repeated(&self) -> u32 {
        self.repeated
    }

    fn states(&self) -> States {
        self.cache.states()
    }
}
