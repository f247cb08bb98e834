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

use crate::decide::Scene;
use crate::engine::Engine;
use crate::guide::End;
use crate::place::Stand;
use crate::step::Task;
use block::{Access, Footprint, Thing};
pub(crate) use path::Path;
use path::{Ending, Node, Told};

impl Engine {
    /// The next task, by the path and beyond it.
    pub(crate) fn reduce(&mut self, scene: Scene) -> Option<Task> {
        let events = self.history.events();
        match self.path.follow(events) {
            Told::Task(task) if self.can_run(task) => {
                if !self.path.again && self.path.cursor == self.path.nodes.len() {
                    self.record_block(task);
                }
                return Some(task);
            }
            Told::Nothing => {}
            Told::Task(_) | Told::Unsteady => {
                self.close(End::Unsteady(events));
                return None;
            }
        }
        let able = self.runnable();
        if self.path.again {
            if able != 0 {
                self.close(End::Unsteady(events));
            }
            return self.default(scene);
        }
        self.conditions(able);
        self.path.recording = false;
        if able == 0 {
            self.path.ending = Ending::Complete;
            return self.default(scene);
        }
        let sleepers = self.path.sleepers();
        let awake = able & !sleepers.asleep;
        if awake == 0 {
            self.path.ending = Ending::Asleep;
            self.close(End::Pruned);
            return None;
        }
        let stays = scene.stays.filter(|now| awake & now.bit() != 0);
        let next = stays.unwrap_or(Task(awake.trailing_zeros() as u8));
        self.path.push(events, next, (able, self.held), sleepers);
        self.record_block(next);
        Some(next)
    }

    /// The last node's block begins. That a wait is over depends on what the task waits for, and that of
    /// a busy-wait on everything that it watches.
    fn record_block(&mut self, task: Task) {
        let stand = self.place(task).stand;
        let Some(node) = self.path.nodes.last_mut() else { return };
        node.footprint.clear();
        match stand {
            Stand::Waiting => {
                let thing = Thing::Condition { task, since: node.previous };
                node.footprint.add(Access { thing, write: true });
            }
            Stand::Relaxing => {
                for object in self.history.watched(task) {
                    node.footprint.add(Access { thing: Thing::Object(object), write: false });
                }
                #[cfg(test)]
                self.path.met_spinner();
            }
            Stand::Ready | Stand::Running | Stand::Finished => {}
        }
        self.path.recording = true;
        self.watch();
    }

    /// The result of a choice among `0..n`, by the path and beyond it.
    pub(crate) fn reduce_choice(&mut self, n: u32) -> u32 {
        let events = self.history.events();
        self.path.choose(events, n).unwrap_or_else(|| {
            self.close(End::Unsteady(events));
            0
        })
    }

    /// Takes into the last block whose waits it has ended or renewed.
    fn conditions(&mut self, able: u16) {
        let Some(index) = self.path.nodes.len().checked_sub(1) else { return };
        let node = &self.path.nodes[index];
        let changed = node.held & (able ^ node.able) & !node.task.bit();
        for id in (0..self.tasks as u8).filter(|id| changed & 1 << id != 0) {
            let place = self.place(Task(id));
            let object = Thing::Object(place.step.object.0);
            let waiting = place.stand == Stand::Waiting;
            let node = &mut self.path.nodes[index];
            // Who writes the object of a waiting step conflicts with that step anyway.
            if waiting && !node.footprint.writes(object) {
                let since = self.path.last[usize::from(id)];
                let thing = Thing::Condition { task: Task(id), since };
                node.footprint.add(Access { thing, write: false });
            }
        }
    }
}
