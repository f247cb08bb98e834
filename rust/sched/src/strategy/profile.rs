//! How long the tasks of a model are, and what they share: estimated from a few executions.

use std::collections::HashMap;

use crate::hash::Folding;
use crate::step::{Effect, MOST_TASKS, Object, Task};

/// What one execution did.
#[derive(Default)]
pub(crate) struct Survey {
    steps: [u32; MOST_TASKS],
    objects: HashMap<u64, Touches, Folding>,
}

#[derive(Clone, Copy, Default)]
struct Touches {
    steps: [u32; MOST_TASKS],
    written: bool,
}

impl Survey {
    /// Takes down a step; of the turn of a busy-wait there is nothing to say but that it was one.
    pub(crate) fn note(&mut self, task: Task, announced: Option<(Object, Effect)>) {
        self.steps[usize::from(task.0)] += 1;
        if let Some((object, effect)) = announced {
            let touches = self.objects.entry(object.0).or_default();
            touches.steps[usize::from(task.0)] += 1;
            touches.written |= effect == Effect::Write;
        }
    }
}

/// What executions of a model are like.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    steps: [u32; MOST_TASKS],
    longest: u32,
    shared: Vec<(Object, [u32; MOST_TASKS])>,
}

impl Profile {
    pub(crate) fn of(surveys: &[Survey]) -> Self {
        let mut objects: HashMap<u64, Touches, Folding> = HashMap::default();
        let mut steps = [0; MOST_TASKS];
        for survey in surveys {
            add(&mut steps, &survey.steps);
            for (object, touches) in &survey.objects {
                let sum = objects.entry(*object).or_default();
                add(&mut sum.steps, &touches.steps);
                sum.written |= touches.written;
            }
        }
        let runs = surveys.len().max(1) as u32;
        let shares = |touches: &Touches| {
            touches.written && touches.steps.iter().filter(|&&steps| steps > 0).count() > 1
        };
        let mut shared: Vec<(Object, [u32; MOST_TASKS])> = objects
            .iter()
            .filter(|(_, touches)| shares(touches))
            .map(|(&object, touches)| (Object(object), mean(touches.steps, runs)))
            .collect();
        shared.sort_unstable();
        let longest = surveys.iter().map(|survey| survey.steps.iter().sum()).max();
        Profile { steps: mean(steps, runs), longest: longest.unwrap_or(0), shared }
    }

    /// Steps of each task, on average.
    pub(crate) fn steps(&self) -> [u32; MOST_TASKS] {
        self.steps
    }

    /// Steps of the longest execution.
    pub(crate) fn longest(&self) -> u32 {
        self.longest
    }

    /// The objects that somebody writes and several tasks touch, with each task's steps on them.
    pub(crate) fn shared(&self) -> &[(Object, [u32; MOST_TASKS])] {
        &self.shared
    }
}

fn add(sum: &mut [u32; MOST_TASKS], more: &[u32; MOST_TASKS]) {
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum = sum.saturating_add(*more));
}

/// The average of sums over so many executions, to the nearest number, but 0 only for what never was.
fn mean(sums: [u32; MOST_TASKS], runs: u32) -> [u32; MOST_TASKS] {
    sums.map(|sum| (sum.saturating_add(runs / 2) / runs).max(u32::from(sum > 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_one_task_touches_or_nobody_writes_is_not_shared() {
        let mut survey = Survey::default();
        for (task, object, effect) in [
            (0, 1, Effect::Write),
            (0, 1, Effect::Write),
            (0, 2, Effect::Read),
            (1, 2, Effect::Read),
            (0, 3, Effect::Read),
            (1, 3, Effect::Write),
        ] {
            survey.note(Task(task), Some((Object(object), effect)));
        }
        survey.note(Task(1), None);
        let profile = Profile::of(&[survey]);
        assert_eq!(profile.steps()[..3], [4, 3, 0]);
        assert_eq!(profile.longest(), 7);
        let [(object, steps)] = profile.shared() else { panic!("{:?}", profile.shared()) };
        assert_eq!((*object, steps[0], steps[1]), (Object(3), 1, 1));
    }

    #[test]
    fn steps_are_an_average_and_the_length_a_maximum() {
        let survey = |steps: u32| {
            let mut survey = Survey::default();
            (0..steps).for_each(|_| survey.note(Task(0), None));
            survey
        };
        let profile = Profile::of(&[survey(3), survey(6), survey(6)]);
        assert_eq!((profile.steps()[0], profile.longest()), (5, 6));
        // Rare, but not impossible.
        let mut rare = survey(0);
        rare.note(Task(1), None);
        let profile = Profile::of(&[survey(0), survey(0), survey(0), rare]);
        assert_eq!(profile.steps()[..2], [0, 1]);
    }
}
