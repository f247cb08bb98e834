//! How much longer the bound takes that a search is at, by estimate.
//!
//! What lies behind a search within a bound is guessed as a share of the whole (`Progress::fraction`); the rest is taken to
//! be as dear as what was. A guess, and a rough one while little is behind: it tells minutes from days. Of the bounds
//! after it nothing is known.

use crate::search::Look;

/// What was told of a search so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outlook {
    bound: Option<u32>,
    points: u64,
    /// When the bound began, and the last look, in seconds.
    since: f64,
    at: f64,
    /// What the bound took and what it will take.
    remaining: Option<f64>,
    drawing: bool,
}

impl Outlook {
    /// A look at the search, so many seconds after it began.
    pub fn look(&mut self, look: &Look<'_>, seconds: f64) {
        match look {
            Look::Bounds(now) => {
                // Bounds follow each other, and in turns with a sample they begin anew.
                if self.drawing || now.bound != self.bound || now.points < self.points {
                    (self.since, self.drawing) = (self.at, false);
                }
                (self.bound, self.points) = (now.bound, now.points);
                let spent = seconds - self.since;
                let whole = spent / now.fraction;
                self.remaining = whole.is_finite().then_some(whole - spent);
            }
            Look::Drawn(_) => {
                // Whoever comes back to the bounds begins anew.
                if !self.drawing {
                    let spent = self.at - self.since;
                    self.remaining = self.remaining.map(|rest| rest + spent);
                }
                self.drawing = true;
            }
        }
        self.at = seconds;
    }

    /// Seconds until a bound is exhausted, if it is the one that was looked at last and something can be said.
    #[must_use]
    pub fn remaining(&self, bound: Option<u32>) -> Option<f64> {
        self.remaining.filter(|_| bound == self.bound)
    }
}

#[cfg(test)]
mod tests {
    use pgmap_sched::{Progress, SampleStats};

    use super::*;

    fn within(bound: u32, points: u64, fraction: f64) -> Progress {
        Progress { bound: Some(bound), points, fraction, ..Progress::default() }
    }

    #[test]
    fn the_rest_of_a_bound_takes_what_its_beginning_took() {
        let mut outlook = Outlook::default();
        outlook.look(&Look::Bounds(&within(0, 10, 0.5)), 2.0);
        assert_eq!(outlook.remaining(Some(0)), Some(2.0));
        // The next one began at the last look.
        outlook.look(&Look::Bounds(&within(1, 5, 0.1)), 3.0);
        assert_eq!(outlook.remaining(Some(1)), Some(9.0));
        assert_eq!(outlook.remaining(Some(0)), None);
        outlook.look(&Look::Bounds(&within(1, 50, 0.5)), 7.0);
        assert_eq!(outlook.remaining(Some(1)), Some(5.0));
    }

    #[test]
    fn nothing_is_said_where_nothing_is_behind() {
        let mut outlook = Outlook::default();
        assert_eq!(outlook.remaining(None), None);
        outlook.look(&Look::Bounds(&within(0, 10, 0.0)), 2.0);
        assert_eq!(outlook.remaining(Some(0)), None);
    }

    #[test]
    fn bounds_that_take_turns_with_a_sample_begin_anew() {
        let (mut outlook, drawn) = (Outlook::default(), SampleStats::default());
        outlook.look(&Look::Bounds(&within(2, 10, 0.25)), 1.0);
        assert_eq!(outlook.remaining(Some(2)), Some(3.0));
        outlook.look(&Look::Drawn(&drawn), 8.0);
        outlook.look(&Look::Drawn(&drawn), 9.0);
        assert_eq!(outlook.remaining(Some(2)), Some(4.0));
        outlook.look(&Look::Bounds(&within(2, 20, 0.5)), 11.0);
        assert_eq!(outlook.remaining(Some(2)), Some(2.0));
    }
}
