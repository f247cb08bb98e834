//! The names of `pgmap-sched` over shuttle and loom: what lets the protocol's own sources run there.
//!
//! `prim-explored` reaches our scheduler through a handful of functions. They are offered here again, and
//! behind them stands whichever engine [`shuttles::explore`] or [`looms::explore`] has begun an execution
//! with. So all three run the same protocol, the same oracle and the same reset; what differs is how
//! a point is passed and who decides. This is for comparison alone; nothing of the product depends on it.
//!
//! | module | what it is |
//! |---|---|
//! | [`control`], [`step`], [`failure`], [`model`] | the words: links to those of `pgmap-sched` |
//! | [`runtime`] | what tasks call |
//! | `execution` | where each task of the execution is; the only `unsafe` |
//! | [`shuttles`], [`looms`] | how each engine runs a [`Model`] |
//!
//! What only a history or a log wants is nothing here (`record`, `value`, `note`,
//! `foretell`, `touch`): neither engine keeps one.

pub mod control;
mod execution;
pub mod failure;
pub mod looms;
pub mod model;
pub mod runtime;
pub mod shuttles;
pub mod step;

pub use control::Control;
pub use failure::{Blocked, Defect, Failure, Recurrence};
pub use model::{Identity, Model};
pub use runtime::{
    choose_paid, current, fail, foretell, goes_past, intern, note, point, point_when, put_off,
    record, relax, repeats, running, settle, settles, touch, touch_all, touches_count, value,
};
pub use step::{Effect, Looks, MOST_TASKS, Object, Step, Task, Verb, Wait, WaitClass};
