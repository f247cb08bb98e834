//! One execution under a strategy.

use super::{Crossroads, Profile, Strategy, Survey, Walk};
use crate::engine::Engine;
use crate::engine::guide::Decision;
use crate::engine::guide::Guide;
use crate::hash::mix64;
use crate::splitmix::SplitMix64;
use crate::step::Task;

/// One of so many choices that cost has an extraordinary result.
const SELDOM: u32 = 8;

/// One execution under a strategy: the walk, the source of its luck, and what it notes down.
pub(crate) struct Sampler {
    walk: Box<dyn Walk>,
    random: SplitMix64,
    survey: Option<Survey>,
}

impl Sampler {
    /// An execution of a strategy, by its number.
    pub(crate) fn new(strategy: Strategy, seed: u64, execution: u64, profile: &Profile) -> Self {
        Self::with(seed, execution, |random| strategy.of(execution).walk(profile, random))
    }

    /// An execution by a walk of the caller's making.
    pub(crate) fn with(
        seed: u64,
        execution: u64,
        walk: impl FnOnce(&mut SplitMix64) -> Box<dyn Walk>,
    ) -> Self {
        let mut random = SplitMix64::new(mix64(seed, execution));
        Sampler { walk: walk(&mut random), random, survey: None }
    }

    /// The same, noting down what the profile needs.
    pub(crate) fn surveying(self) -> Self {
        Sampler { survey: Some(Survey::default()), ..self }
    }

    /// What it has noted down.
    pub(crate) fn take_survey(&mut self) -> Survey {
        self.survey.take().unwrap_or_default()
    }

    fn draw(&mut self, at: &Crossroads<'_>) -> Task {
        let task = self.walk.next(at, &mut self.random);
        if let Some(survey) = &mut self.survey {
            survey.note(task, at.announced(task));
        }
        task
    }
}

impl Guide for Sampler {
    fn next(&mut self, engine: &mut Engine, at: Decision) -> Option<Task> {
        let _ = engine.default(at)?;
        let runnable = engine.runnable();
        Some(self.draw(&Crossroads::new(runnable, &engine.places)))
    }

    /// Each result is as likely as the others.
    fn choose(&mut self, _engine: &mut Engine, n: u32) -> u32 {
        self.random.below(n)
    }

    /// Seldom anything but the ordinary result.
    fn choose_paid(&mut self, _engine: &mut Engine, n: u32) -> u32 {
        match self.random.below(SELDOM) {
            0 => 1 + self.random.below(n - 1),
            _ => 0,
        }
    }

    /// A strategy hears of steps without an alternative too, because it counts them.
    fn goes_on(&mut self, engine: &Engine, task: Task) {
        let _ = self.draw(&Crossroads::new(task.bit(), &engine.places));
    }
}
