//! A deterministic scheduler for small concurrent models, and the search over its schedules.
//!
//! A [`Model`] is a handful of tasks over shared state. Each task announces every shared operation
//! *before* it runs ([`point`] and its relatives), so the scheduler decides the order of all of
//! them: an execution is a value, a [`Schedule`], that can be kept, sent and run again. An
//! [`Explorer`] runs a model under every schedule within a bound on preemptions, or without a bound
//! one schedule of each class of those that differ only by the order of steps that commute, or says
//! why it could not; what goes wrong is a [`Failure`], never a panic and never a line on standard
//! error.
//!
//! The scheduler knows no kernel and no memory model: operations are numbers with an effect, and
//! they take place one at a time (sequential consistency). A model of weaker memory brings what it needs
//! as tasks that need not end ([`Model::daemons`]) and choices that cost ([`choose_paid`]).
//!
//! | module | what it is |
//! |---|---|
//! | [`step`], [`failure`], [`model`] | the words |
//! | [`runtime`], `sleep`, `entered`, `coroutine` | what tasks call and lend, and the stacks they run on; the only `unsafe` |
//! | `explorer` | runs one execution, for all who want executions |
//! | `engine`, `place`, `journal` | one execution: its state, who leads it and goes on, what is written down |
//! | `history`, `hash` | happens-before as a signature |
//! | [`plan`] | what is searched, and what it came to |
//! | `tree`, `node`, `cache`, `known`, `ahead`, [`search`] | all executions within a bound |
//! | [`crew`], `help` | the same on several OS threads |
//! | `dpor` | one execution of each class, without a bound |
//! | [`schedule`], `wire`, `script`, [`log`], [`replay`] | one execution again |
//! | [`conduct`] | one execution that somebody conducts: tasks are held, and told what to do at rest |
//! | `calm` | fewer preemptions, near a schedule that fails |
//! | [`strategy`], [`sample`], [`coverage`] | executions drawn at random, and how much they have shown |
//! | `storm` | retries that get nowhere: a state that comes back |
//! | `clock`, [`control`], `splitmix` | when the caller is asked whether to go on, and what it says; luck that can be repeated |

mod accesses;
mod ahead;
mod cache;
mod calm;
mod clock;
pub mod conduct;
pub mod control;
mod coroutine;
pub mod coverage;
pub mod crew;
mod dpor;
mod engine;
mod entered;
mod explorer;
pub mod failure;
mod hash;
mod help;
mod history;
mod journal;
mod kept;
mod known;
pub mod log;
pub mod model;
mod node;
mod place;
pub mod plan;
pub mod replay;
pub mod runtime;
pub mod sample;
pub mod schedule;
mod script;
pub mod search;
mod sleep;
mod splitmix;
pub mod step;
mod storm;
pub mod strategy;
mod tree;
mod wire;

#[cfg(test)]
extern crate self as pgmap_sched;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod floors;
#[cfg(test)]
mod together;
#[cfg(test)]
#[path = "../tests/toy/mod.rs"]
mod toy;
#[cfg(test)]
mod traces;

pub use conduct::Conductor;
pub use control::Control;
pub use coverage::Coverage;
pub use crew::Crew;
pub use explorer::Explorer;
pub use failure::{Blocked, Defect, Failure, Recurrence};
pub use log::{Event, Kind};
pub use model::{Identity, Model};
pub use plan::{Doubt, Judgement, Limit, Outcome, Plan, Progress, Stats};
pub use replay::{Ended, Redone, Replayed, Trace};
pub use runtime::{
    choose, choose_paid, current, fail, foretell, goes_past, intern, note, point, point_when,
    put_off, record, relax, repeats, running, settle, settles, touch, touch_all, touches_count,
    value,
};
pub use sample::{SampleStats, Sampled, Sampling};
pub use schedule::{Departure, Payment, Schedule};
pub use script::{Divergence, Sight};
pub use splitmix::SplitMix64;
pub use step::{Effect, Looks, MOST_TASKS, Object, Step, Task, Touches, Verb, Wait, WaitClass};
pub use strategy::{BadStrategy, Profile, Strategy};
pub use wire::BadSchedule;
