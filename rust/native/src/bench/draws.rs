//! Which objects a thread gets, drawn beforehand: some much more often than others (Zipf).

use crate::bench::stats::Dice;

/// Objects in the order in which a thread gets them, over and over.
#[derive(Debug)]
pub(super) struct Draws(Vec<u32>);

impl Draws {
    /// The object of the `nth` get.
    #[inline(always)]
    pub(super) fn nth(&self, nth: usize) -> usize {
        self.0[nth % DRAWS] as usize
    }
}

const DRAWS: usize = 1 << 13;
/// How fast the weight falls with the rank.
const SKEW: f64 = 0.99;

/// Draws by rank: the object of rank r with a weight of r to the power of minus the skew.
pub(super) fn draws<const THREADS: usize>(objects: usize) -> [Draws; THREADS] {
    let mut sum = 0.0;
    let up_to: Vec<f64> = (1..=objects)
        .map(|rank| {
            sum += (rank as f64).powf(-SKEW);
            sum
        })
        .collect();
    std::array::from_fn(|thread| {
        let mut dice = Dice::of_thread(thread);
        let mut draw = || {
            let at = dice.below(1 << 30) as f64 / f64::from(1 << 30) * sum;
            up_to.partition_point(|edge| *edge <= at).min(objects - 1) as u32
        };
        Draws((0..DRAWS).map(|_| draw()).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_drawn_most_and_every_thread_draws_for_itself() {
        let [one, two] = draws::<2>(16);
        let times = |of: usize| (0..DRAWS).filter(|&nth| one.nth(nth) == of).count();
        assert!(times(0) > 2 * times(3) && times(3) > times(15) && times(15) > 0);
        assert!((0..DRAWS).any(|nth| one.nth(nth) != two.nth(nth)));
        assert!((0..DRAWS).all(|nth| one.nth(nth) < 16));
    }
}
