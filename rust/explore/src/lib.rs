//! Programs under the controlled scheduler: which interleaving breaks it, or is there none within a bound?
//!
//! A [`Scenario`] is a program, the rules it runs under and the sizes of its machine. [`explore`] searches
//! its schedules and comes back with a [`Verdict`], which is never a bare true: it says what was found, or
//! within which bound there is nothing, or that it cannot tell.
//!
//! | module | what it is |
//! |---|---|
//! | [`scenario`], [`who`] | what is explored, checked once; its tasks by name |
//! | [`explored`], `audited` | a world under the scheduler, and its operations as tasks; which audits need not be made |
//! | [`step_results`], [`outcomes`] | what steps come to, and in how many executions |
//! | `thing`, `sharing` | what steps are about; what tasks meet at |
//! | [`finding`], `stuck` | a failed execution in the words of the protocol; whose doing a wait is |
//! | [`found`], [`mend`] | a failed execution that can be run again; known races, mended |
//! | [`verdict`] | what a search came to |
//! | `within`, `bounds` | the search within bounds, on several OS threads; what known races hide from it |
//! | [`known`] | races that the era is known to have: told apart from news |
//! | [`mod@once`] | a program, run once |
//! | [`mod@warnings`] | what a verdict is to be read with |
//! | [`sampling`], `parallel` | executions drawn at random, on several OS threads |
//! | [`search`], [`outlook`] | bounds and what is beyond them, in turns; how much longer, by estimate |
//! | [`catalogue`], [`mod@hunt`], `enumerated`, `random_program` | programs that tell wrong rules, and programs nobody wrote |
//! | [`conform`] | does the model do what a recorded kernel did? |
//! | [`mod@reproduce`] | what real threads saw, found again here |
//! | [`protocol`], [`met`] | the steps of the protocol by name, to be left out; which of them a program meets |
//! | [`mod@report`], [`names`] | the race as CPU0 beside CPU1, in kernel names |
//! | [`lock_order`] | locks that were waited for in the wrong order |
//! | [`token`] | a found execution as one word |
//! | [`mod@replay`] | that execution again |
//! | [`mod@shrink`], `calm` | a smaller program with the same failure; fewer preemptions |
#![forbid(unsafe_code)]

mod audited;
mod bounds;
mod calm;
pub mod catalogue;
pub mod conform;
mod enumerated;
pub mod explored;
pub mod finding;
pub mod found;
pub mod hunt;
pub mod known;
pub mod lock_order;
pub mod mend;
pub mod met;
pub mod names;
pub mod once;
pub mod outcomes;
pub mod outlook;
mod parallel;
pub mod protocol;
mod random_program;
pub mod replay;
pub mod report;
pub mod reproduce;
pub mod sampling;
pub mod scenario;
pub mod search;
mod sharing;
pub mod shrink;
pub mod step_results;
mod stuck;
mod thing;
pub mod token;
pub mod verdict;
pub mod warnings;
pub mod who;
mod within;

pub use bounds::{explore, explore_on};
pub use explored::ExploredWorld;
pub use finding::{Attribution, Blame, Finding, Sort};
pub use found::{Drawn, Found};
pub use known::attribute;
pub use lock_order::{Taken, WrongOrder};
pub use met::steps_met;
pub use once::{Once, once};
pub use outcomes::{Outcomes, Results};
pub use outlook::Outlook;
pub use parallel::processors;
pub use protocol::{Step as ProtocolStep, UnknownStep, Without};
pub use replay::{Outcome, Replay, replay};
pub use report::{Report, report};
pub use reproduce::{Reproduction, Sighting, reproduce};
pub use sampling::RandomSearch;
pub use scenario::{Scenario, ScenarioError, Unfinished};
pub use search::{Look, Search, search};
pub use shrink::{ShrinkBudget, ShrinkProgress, shrink};
pub use step_results::StepResults;
pub use token::{Token, TokenError};
pub use verdict::{Ends, Met, Seen, Unproven, Verdict};
pub use warnings::{strangers, warnings};
pub use who::Who;
