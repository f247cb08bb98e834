//! All executions within a bound, depth first.
//!
//! The search tree is kept as the path to where the search stands: one node per decision that had an alternative,
//! with the alternatives that have not been tried. An execution repeats the choices of the path and goes on
//! from there, leaving a node at each new decision.
//!
//! Beyond the replayed part of the path, a decision first asks the cache, also one
//! that has a single candidate because the current task cannot go on. Its key is the signature
//! of the past, the current task and whether leaving it is free; its value the fewest preemptions
//! spent on the way. Equal signatures mean equal states, and the steps the tasks are at are a
//! function of the state, so they need not be in the key. From equal keys the same continuations
//! are open to whoever has spent as little or less, hence the second visitor can be cut: any
//! execution through it has a twin, with the same events in an order that differs only by commuting
//! ones, through the first. Sleep sets would not do here. They omit an order because an equivalent
//! one is explored elsewhere, but that one may need more preemptions than the bound allows, and is
//! then explored nowhere. Without a bound they do, and there is no cache: see `dpor`.

use crate::cache::{Cache, Visit};
use crate::decide::Decision;
use crate::engine::Engine;
use crate::guide::{End, Guide};
use crate::hash::mix;
use crate::place::tasks_of;
use crate::search::{Exhaustive, States};
use crate::step::Task;

/// What a decision was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Branch {
    /// Which task goes on; `untried` is a mask. `paid`: all but the first cost a preemption.
    Task { chosen: Task, untried: u16, tried: u8, paid: bool },
    /// A choice among `of`; the values up to `chosen` have been tried. `paid`: all but 0 cost.
    Choice { chosen: u32, of: u32, paid: bool },
}

/// One decision, by the number of events before it.
#[derive(Clone, Copy, Debug)]
struct Node {
    at: u32,
    /// Preemptions that were left to spend here.
    left: u32,
    branch: Branch,
}

/// A depth-first search within a bound.
pub(crate) struct Tree {
    nodes: Vec<Node>,
    /// The next node of the path that the execution in progress will come to.
    cursor: usize,
    cache: Cache,
    /// What may be spent on preemptions, and on choices that cost.
    budget: u32,
    /// The last execution is repeated, to be written down: none the less wanted for being known.
    again: bool,
    #[cfg(test)]
    pub(crate) faults: crate::faults::Tree,
}

impl Tree {
    pub(crate) fn new(budget: u32, cache_bytes: usize) -> Self {
        Tree {
            nodes: Vec::new(),
            cursor: 0,
            cache: Cache::new(cache_bytes),
            budget,
            again: false,
            #[cfg(test)]
            faults: crate::faults::Tree::default(),
        }
    }

    /// The next decision that the path prescribes.
    #[inline]
    fn upcoming(&self) -> Option<Node> {
        self.nodes.get(self.cursor).copied()
    }

    fn push(&mut self, engine: &Engine, branch: Branch) {
        let left = self.budget.saturating_sub(engine.preemptions);
        self.nodes.push(Node { at: engine.history.events(), left, branch });
        self.cursor = self.nodes.len();
    }

    /// The result of a choice: its node's, or 0 with a new node.
    fn branch(&mut self, engine: &mut Engine, n: u32, paid: bool) -> u32 {
        let events = engine.history.events();
        match self.upcoming() {
            Some(Node { at, branch: Branch::Choice { chosen, of, paid: costs }, .. })
                if (at, of, costs) == (events, n, paid) =>
            {
                self.cursor += 1;
                chosen
            }
            Some(_) => {
                engine.close(End::Unsteady(events));
                0
            }
            None => {
                self.push(engine, Branch::Choice { chosen: 0, of: n, paid });
                0
            }
        }
    }

    /// Whether there is nothing new to see from here.
    fn known(&mut self, engine: &Engine, at: Decision) -> bool {
        if self.cache.is_off() || self.again {
            return false;
        }
        let (state, spent) = self.key(engine, at);
        self.cache.visit(state, spent) == Visit::Known
    }

    /// What goes into the cache: the state, and what was spent to reach it.
    fn key(&self, engine: &Engine, at: Decision) -> (u128, u32) {
        let signature = engine.history.signature();
        let current = match (at.stays, at.free) {
            (Some(now), free) => u128::from(now.0) << 1 | u128::from(free),
            (None, _) => u128::from(u8::MAX),
        };
        #[cfg(test)]
        if self.faults.forgets_preemptions {
            return (mix(signature, current, 1), 0);
        }
        (mix(signature, current, 1), engine.preemptions)
    }
}

impl Guide for Tree {
    #[inline]
    fn next(&mut self, engine: &mut Engine, at: Decision) -> Option<Task> {
        let events = engine.history.events();
        if let Some(node) = self.upcoming() {
            if node.at < events {
                engine.close(End::Unsteady(events));
                return None;
            }
            if let (true, Branch::Task { chosen, .. }) = (node.at == events, node.branch) {
                if !engine.can_run(chosen) {
                    engine.close(End::Unsteady(events));
                    return None;
                }
                self.cursor += 1;
                return Some(chosen);
            }
            return engine.default(at);
        }
        if let (Some(now), false) = (at.stays, at.free)
            && engine.preemptions >= self.budget
        {
            return Some(now);
        }
        let runnable = engine.runnable();
        let Some(default) = at.stays.or_else(|| tasks_of(runnable).next()) else {
            return engine.default(at);
        };
        let others = runnable & !default.bit();
        if others == 0 && at.stays.is_some() {
            return Some(default);
        }
        if self.known(engine, at) {
            engine.close(End::Pruned);
            return None;
        }
        if others != 0 {
            let paid = !at.free;
            self.push(engine, Branch::Task { chosen: default, untried: others, tried: 0, paid });
        }
        Some(default)
    }

    fn choose(&mut self, engine: &mut Engine, n: u32) -> u32 {
        self.branch(engine, n, false)
    }

    fn choose_paid(&mut self, engine: &mut Engine, n: u32) -> u32 {
        if engine.preemptions >= self.budget { 0 } else { self.branch(engine, n, true) }
    }

    fn calm_until(&self, engine: &Engine) -> u32 {
        match self.upcoming() {
            Some(node) => node.at,
            None if engine.preemptions >= self.budget => u32::MAX,
            None => 0,
        }
    }
}

impl Exhaustive for Tree {
    fn begin(&mut self, again: bool) {
        self.cursor = 0;
        self.again = again;
    }

    fn is_left(&self) -> bool {
        self.upcoming().is_some()
    }

    fn learn(&mut self, _engine: &Engine, _end: &End) {}

    fn advance(&mut self) -> bool {
        while let Some(node) = self.nodes.last_mut() {
            match &mut node.branch {
                Branch::Task { chosen, untried, tried, .. } if *untried != 0 => {
                    *chosen = Task(untried.trailing_zeros() as u8);
                    *untried &= *untried - 1;
                    *tried += 1;
                    return true;
                }
                Branch::Choice { chosen, of, .. } if *chosen + 1 < *of => {
                    *chosen += 1;
                    return true;
                }
                _ => {
                    let _ = self.nodes.pop();
                }
            }
        }
        false
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
                Branch::Choice { chosen, of, paid } => (chosen, of - 1, paid),
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

    fn states(&self) -> States {
        States { kept: self.cache.len() as u64, refused: self.cache.refused() }
    }
}
