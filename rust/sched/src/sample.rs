//! Executions drawn by a strategy, one after the other.
//!
//! Executions have numbers, and what one does follows from strategy, seed and number. A caller that has
//! several OS threads gives each an [`Explorer`] and shares out the numbers; the failure with the
//! lowest number is then the same however many threads there are. Nothing is remembered between
//! executions but the coverage, so a sample proves nothing: it finds, or it tells how much it saw.

use std::cell::RefCell;
use std::rc::Rc;

use crate::control::Control;
use crate::coverage::Coverage;
use crate::engine::guide::{End, Led};
use crate::explorer::Explorer;
use crate::failure::Failure;
use crate::journal::Keep;
use crate::model::Model;
use crate::plan::{Doubt, Judgement};
use crate::schedule::Schedule;
use crate::strategy::{Profile, Sampler, Strategy};

/// What to sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    pub strategy: Strategy,
    pub seed: u64,
    /// The executions from `first` up to but without `until` are run.
    pub first: u64,
    pub until: u64,
    /// Events in one execution.
    pub steps_max: u32,
}

/// The numbers of a sample.
#[derive(Clone, Debug, Default)]
pub struct SampleStats {
    /// Executions, failed ones included.
    pub executions: u64,
    /// Executions that failed.
    pub failures: u64,
    /// Executions that hit the limit of events.
    pub too_long: u64,
    /// Events.
    pub points: u64,
    /// The most events of one execution.
    pub longest: u32,
    /// What the executions that came to their end have shown.
    pub coverage: Coverage,
}

impl SampleStats {
    /// Takes the numbers of another share of the same sample.
    pub fn merge(&mut self, other: &SampleStats) {
        self.executions += other.executions;
        self.failures += other.failures;
        self.too_long += other.too_long;
        self.points += other.points;
        self.longest = self.longest.max(other.longest);
        self.coverage.merge(&other.coverage);
    }
}

/// What a sample came to.
#[derive(Clone, Debug)]
pub enum Sampled {
    /// A failure that the judge stopped at, and the number of its execution.
    Found { failure: Failure, schedule: Schedule, execution: u64, stats: SampleStats },
    /// All its executions have been run.
    Spent { stats: SampleStats },
    /// The progress callback said so.
    Stopped { stats: SampleStats },
    /// The executions mean nothing.
    Inconclusive { why: Doubt, stats: SampleStats },
}

impl Sampled {
    /// The numbers, however it ended.
    #[must_use]
    pub fn stats(&self) -> &SampleStats {
        match self {
            Sampled::Found { stats, .. }
            | Sampled::Spent { stats }
            | Sampled::Stopped { stats }
            | Sampled::Inconclusive { stats, .. } => stats,
        }
    }
}

impl Explorer {
    /// Samples a model's executions.
    ///
    /// `profile` is that of [`survey`](Explorer::survey) for the same model, strategy and seed. `judge`
    /// sees every failure, with the schedule that leads to it. `progress` is called after every execution and within
    /// long ones, with the numbers so far: whoever shares processors with many others would notice too late
    /// otherwise.
    ///
    /// # Panics
    ///
    /// As [`search`](Explorer::search).
    pub fn sample<M: Model>(
        &mut self,
        model: &mut M,
        sampling: &Sampling,
        profile: &Profile,
        judge: &mut dyn FnMut(&Failure, &Schedule) -> Judgement,
        progress: &mut dyn FnMut(&SampleStats) -> Control,
    ) -> Sampled {
        let Sampling { strategy, seed, first, until, .. } = *sampling;
        let mut stats = SampleStats::default();
        self.set_free(sampling);
        let guide = |execution| -> Led {
            Rc::new(RefCell::new(Sampler::new(strategy, seed, execution, profile)))
        };
        for execution in first..until {
            let end =
                self.execute(model, guide(execution), Keep::default(), &mut |_| progress(&stats));
            if end == End::Halted {
                return Sampled::Stopped { stats };
            }
            let (events, signature) =
                self.engine.with(|engine| (engine.history.events(), engine.history.signature()));
            stats.executions += 1;
            stats.points += u64::from(events);
            stats.longest = stats.longest.max(events);
            match end {
                End::Passed => stats.coverage.add(signature),
                End::TooLong => stats.too_long += 1,
                End::Failed(failure) => {
                    stats.failures += 1;
                    stats.coverage.add(signature);
                    let written = self.write_down(model, guide(execution), &failure);
                    let Ok(schedule) = written else {
                        let why = Doubt::Unsteady { step: written.err().unwrap_or(0) };
                        return Sampled::Inconclusive { why, stats };
                    };
                    if judge(&failure, &schedule) == Judgement::Stop {
                        return Sampled::Found { failure, schedule, execution, stats };
                    }
                }
                End::Unable(error) => {
                    return Sampled::Inconclusive { why: Doubt::NoStacks(error), stats };
                }
                // As above.
                End::Halted => return Sampled::Stopped { stats },
                End::Pruned | End::Unsteady(_) => {
                    let why = Doubt::Unsteady { step: events };
                    return Sampled::Inconclusive { why, stats };
                }
            }
            if progress(&stats) == Control::Stop {
                return Sampled::Stopped { stats };
            }
        }
        Sampled::Spent { stats }
    }

    /// Runs the few executions from which a strategy learns how long tasks are and what they share, if
    /// it must know. The same for every part of one sample, unless `control` says stop.
    ///
    /// # Panics
    ///
    /// As [`search`](Explorer::search).
    pub fn survey<M: Model>(
        &mut self,
        model: &mut M,
        sampling: &Sampling,
        control: &mut dyn FnMut() -> Control,
    ) -> Profile {
        let Sampling { strategy, seed, .. } = *sampling;
        self.set_free(sampling);
        let mut surveys = Vec::new();
        for execution in 0..strategy.surveyed() {
            let sampler = Sampler::new(strategy, seed, execution, &Profile::default());
            let sampler = Rc::new(RefCell::new(sampler.surveying()));
            // Its end does not matter: the execution is run again when its turn comes.
            let led: Led = Rc::<RefCell<Sampler>>::clone(&sampler);
            if self.execute(model, led, Keep::default(), &mut |_| control()) == End::Halted {
                break;
            }
            surveys.push(sampler.borrow_mut().take_survey());
        }
        Profile::of(&surveys)
    }

    /// Nothing but the length of an execution is limited.
    fn set_free(&mut self, sampling: &Sampling) {
        self.engine.with(|engine| engine.steps_max = sampling.steps_max);
    }
}
