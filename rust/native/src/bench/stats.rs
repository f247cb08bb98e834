//! Medians, quartiles and how sure a median is, and the order of a round.

/// A median with the quartiles around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// A quarter lies below.
    pub low: f64,
    /// Half lies below.
    pub median: f64,
    /// Three quarters lie below.
    pub high: f64,
    /// Where the median of ever more such figures would lie, in 95 of 100 runs: between two of the figures, by their
    /// ranks alone, however they are distributed. Wider than it looks if figures depend on each other.
    pub sure: (f64, f64),
}

impl Spread {
    /// Of some figures; none without figures.
    #[must_use]
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> =
            figures.into_iter().filter(|figure| figure.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let at = |part: f64| {
            let place = part * last as f64;
            let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        // Of `count` figures, how many lie below the true median is binomial, here near enough to normal.
        let off = 0.98 / ((last + 1) as f64).sqrt();
        let sure = (at((0.5 - off).max(0.0)), at((0.5 + off).min(1.0)));
        Some(Self { low: at(0.25), median: at(0.5), high: at(0.75), sure })
    }
}

/// Random numbers for orders, where any will do (xorshift64*).
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// Those of a thread: every time the same, and different from other threads'.
    pub(super) fn of_thread(thread: usize) -> Self {
        // The lowest bit is taken.
        Self::new((thread as u64) << 1 | 1 << 40)
    }

    /// A number below `limit`, which is not 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    /// Any order of the first `count` numbers.
    pub(super) fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for at in (1..count).rev() {
            order.swap(at, self.below(at + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_interpolate_and_ignore_what_is_no_number() {
        let spread = Spread::of([4.0, 1.0, f64::NAN, 3.0, 2.0]).expect("figures");
        // Four figures are too few to be sure of anything but that it lies among them.
        let (low, high) = spread.sure;
        assert!((low, high) >= (1.0, 3.9) && high <= 4.0, "{spread:?}");
        assert_eq!((spread.low, spread.median, spread.high), (1.75, 2.5, 3.25));
        assert_eq!(Spread::of([f64::INFINITY]), None);
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn a_median_is_the_surer_the_more_figures_there_are_and_misses_the_true_one_as_seldom_as_said()
    {
        let mut dice = Dice::new(11);
        let mut draw = |count: usize| {
            Spread::of((0..count).map(|_| dice.below(1_000_000) as f64)).expect("figures").sure
        };
        let mut widths = Vec::new();
        for count in [15, 60, 240] {
            let drawn: Vec<_> = (0..2000).map(|_| draw(count)).collect();
            let missed = drawn.iter().filter(|(low, high)| !(*low..=*high).contains(&5e5)).count();
            // One in twenty, give or take what few figures and 2,000 tries leave open.
            assert!((50..=200).contains(&missed), "{missed} of 2000 with {count} figures");
            widths.push(drawn.iter().map(|(low, high)| high - low).sum::<f64>());
        }
        assert!(widths[0] > 1.5 * widths[1] && widths[1] > 1.5 * widths[2], "{widths:?}");
    }

    #[test]
    fn an_order_names_everything_once_and_changes() {
        let mut dice = Dice::new(7);
        let orders: Vec<_> = (0..20).map(|_| dice.order(5)).collect();
        for order in &orders {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4]);
        }
        assert!(orders.iter().any(|order| order != &orders[0]));
    }
}
