//! The search without a bound: one execution of each class, where a class is all executions that
//! differ only by the order of steps that commute (a Mazurkiewicz trace).
//!
//! Source sets and sleep sets, after Abdulla, Aronis, Jonsson and Sagonas (POPL 2014), on blocks
//! (`block`): a decision lets exactly one block happen.
//!
//! * **Source sets** say which tasks must be tried at a decision (`race`). At first that is one of
//!   them, any one. When an execution has ended, each pair of conflicting blocks with nothing in
//!   between that orders them is a *race*: the other order is another class. It begins with what
//!   came after the earlier block and does not depend on it; if none of the tasks that such a
//!   beginning can start with is to be tried at the earlier block's decision, one of them is from now on.
//! * **Sleep sets** say which tasks need not be tried (`sleep`). A task whose subtree is done
//!   sleeps in its siblings' subtrees until a block conflicts with its own: before that, taking
//!   it would only repeat an execution of its subtree in another order. An execution in which all
//!   who could go on are asleep is cut. So no class comes to its end twice.
//!
//! Where this model departs from the paper's:
//!
//! * What a block touches may depend on what it finds: an exchange that fails is a read, and a block that goes on
//!   to write elsewhere if a flag is up does not if it is down. So a sleeper that is woken by the flag's
//!   writer may no longer conflict with what it slept for. Blocks that conflict with what it would have done,
//!   and not with what it did, are tried in place of the block that woke it (`sleep`).
//! * A step may be enabled by others. Whether a waiting step could have come before an earlier
//!   block cannot always be told from one execution; then the attempt is made, and is cut when it
//!   fails. Only if the step is seen to be disabled where it would have to run is the next earlier
//!   conflicting block looked at instead: that is how the holder's *taking* of a lock, not its giving back,
//!   is what a waiter races with. Steps that wait when an execution ends race as if they ran.
//! * A deadlock might be due to a condition over several objects, none of which alone changed it.
//!   Who waits in one is therefore held to race with everything that happened.
//! * A failure in the midst of an execution hides what the others would have done, so all are tried in
//!   the failing block's place. (So it is with the last block within the limit of events.) It
//!   sleeps meanwhile like any block: a failure is shown once for all that others could have done
//!   beside it.
//! * `choose` splits a block: each value is tried in turn, and the sleeping block is all of them.
//!
//! This asks more of a model than the cache does, and what is missing is lost silently:
//!
//! * A block *touches* (by its step, by [`record`](crate::record), or by [`touch`](crate::touch), which is no event)
//!   every object that others may write and that decides its course, also where nothing is changed and
//!   nothing was found. A look that may lead to a complaint decides, too.
//! * A step that waited touches all that its condition looked at, by records after it if need be. If
//!   that is more than the step's own object, others only ever help it: once it holds, it holds until
//!   the task has gone on. What they could make false again would be lost in silence.
//! * Objects have numbers of their own: [`intern`](crate::intern) numbers by first touch, so memory
//!   that it names must be met before tasks that share it part ways.
//!
//! A class is repeated, never lost, when a busy-wait watches several objects, and when a choice
//! says what its block touches.

mod block;
mod path;
mod race;
mod sleep;
mod trail;

#[cfg(test)]
mod tests;

use crate::engine::Engine;
use crate::engine::guide::{Decision, Exhaustive};
use crate::engine::guide::{End, Guide};
use crate::place::{State, tasks_of};
use crate::step::{Effect, Object, Task};
use block::{Access, Footprint, Thing};
pub(crate) use path::Classes;
use path::{Ending, Node, Told};
#[cfg(test)]
pub(crate) use tests::Faults;

impl Guide for Classes {
    fn next(&mut self, engine: &mut Engine, at: Decision) -> Option<Task> {
        let events = engine.history.events();
        match self.follow(events) {
            Told::Task(task) if engine.can_run(task) => {
                if !self.again && self.cursor == self.nodes.len() {
                    self.record_block(engine, task);
                }
                return Some(task);
            }
            Told::Nothing => {}
            Told::Task(_) | Told::Unsteady => {
                engine.close(End::Unsteady(events));
                return None;
            }
        }
        let able = engine.runnable();
        if self.again {
            if able != 0 {
                engine.close(End::Unsteady(events));
            }
            return engine.default(at);
        }
        self.conditions(engine, able);
        engine.record_accesses(false);
        if able == 0 {
            self.ending = Ending::Complete;
            return engine.default(at);
        }
        let sleepers = self.sleepers();
        let awake = able & !sleepers.asleep;
        if awake == 0 {
            self.ending = Ending::Asleep;
            engine.close(End::Pruned);
            return None;
        }
        let stays = at.stays.filter(|now| awake & now.bit() != 0);
        let next = stays.unwrap_or(Task(awake.trailing_zeros() as u8));
        self.push(events, next, (able, engine.held), sleepers);
        self.record_block(engine, next);
        Some(next)
    }

    fn choose(&mut self, engine: &mut Engine, n: u32) -> u32 {
        let events = engine.history.events();
        self.choice(events, n).unwrap_or_else(|| {
            engine.close(End::Unsteady(events));
            0
        })
    }

    fn choose_paid(&mut self, engine: &mut Engine, n: u32) -> u32 {
        self.choose(engine, n)
    }

    fn calm_until(&self, engine: &Engine) -> u32 {
        self.other_task_at(engine.now)
    }

    fn repeats(&self) -> bool {
        self.cursor < self.nodes.len() && !self.again
    }

    fn touched(&mut self, object: Object, effect: Effect) {
        if let Some(node) = self.nodes.last_mut() {
            let write = effect == Effect::Write;
            node.footprint.add(Access { thing: Thing::Object(object.0), write });
        }
    }
}

impl Exhaustive for Classes {
    fn begin(&mut self, again: bool) {
        (self.cursor, self.choice) = (0, 0);
        self.again = again;
        self.ending = Ending::Cut;
    }

    fn is_left(&self) -> bool {
        self.cursor < self.nodes.len() || self.choice < self.choices.len()
    }

    fn learn(&mut self, engine: &Engine, end: &End) {
        self.learn_from(engine, end);
    }

    fn advance(&mut self) -> bool {
        self.move_on()
    }

    fn fraction(&self, _longest: u32) -> f64 {
        self.share()
    }
}

impl Classes {
    /// The last node's block begins. That a wait is over depends on what the task waits for, and that of
    /// a busy-wait on everything that it watches.
    fn record_block(&mut self, engine: &mut Engine, task: Task) {
        let state = engine.place(task).state;
        let Some(node) = self.nodes.last_mut() else { return };
        node.footprint.clear();
        match state {
            State::Waiting => {
                let thing = Thing::Condition { task, since: node.previous };
                node.footprint.add(Access { thing, write: true });
            }
            State::Relaxing => {
                for object in engine.history.watched(task) {
                    node.footprint.add(Access { thing: Thing::Object(object), write: false });
                }
                #[cfg(test)]
                self.met_spinner();
            }
            // A guide that sets tasks aside is another one.
            State::Ready | State::Running | State::Circling | State::Finished => {}
        }
        engine.record_accesses(true);
    }

    /// Takes into the last block whose waits it has ended or renewed.
    fn conditions(&mut self, engine: &Engine, able: u16) {
        let Some(node) = self.nodes.last_mut() else { return };
        let changed = node.held & (able ^ node.able) & !node.task.bit();
        for task in tasks_of(changed) {
            let place = engine.place(task);
            let object = Thing::Object(place.step.object.0);
            let waiting = place.state == State::Waiting;
            // Who writes the object of a waiting step conflicts with that step anyway.
            if waiting && !node.footprint.writes(object) {
                let since = self.last[usize::from(task.0)];
                let thing = Thing::Condition { task, since };
                node.footprint.add(Access { thing, write: false });
            }
        }
    }
}
