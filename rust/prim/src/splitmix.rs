//! The one pseudo-random generator of the house: small, seeded, allowed in a signal handler.

/// SplitMix64 (Steele, Lea, Flood 2014), fixed for ever: a seed must mean the same next year.
#[derive(Clone, Copy, Debug)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0. From the high half of a product, which is as uniform as
    /// the draw is wide.
    pub const fn below(&mut self, bound: u32) -> u32 {
        (((self.next_u64() >> 32) * bound as u64) >> 32) as u32
    }

    /// As [`below`](Self::below), for wide bounds.
    pub const fn below_u64(&mut self, bound: u64) -> u64 {
        ((self.next_u64() as u128 * bound as u128) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_published_sequence() {
        // The generator's reference output for seed 1234567.
        let mut random = SplitMix64::new(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!([(); 5].map(|()| random.next_u64()), expected);
    }

    #[test]
    fn draws_stay_below_their_bound_and_reach_all_of_it() {
        let mut random = SplitMix64::new(1);
        let (mut narrow, mut wide) = ([0u32; 7], [0u32; 7]);
        for _ in 0..10_000 {
            narrow[random.below(7) as usize] += 1;
            wide[random.below_u64(7) as usize] += 1;
        }
        assert!(narrow.iter().chain(&wide).all(|&hits| (1_200..1_700).contains(&hits)));
    }
}
