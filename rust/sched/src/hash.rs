//! Mixing, 128 bits wide.
//!
//! A signature names a partial order of events for good: two different ones that collide would
//! make the search skip work, silently. At 128 bits and 10^9 states the chance is about 10^-21.
//! The mixer is the folded multiplication: two words in, the high and low half of their product
//! xored. It need not resist an adversary, only the arithmetic regularity of small numbers.

use core::hash::{BuildHasher, Hasher};

/// Digits of pi: odd, dense, no structure in common with the inputs.
const SALT: [u64; 8] = [
    0x243f_6a88_85a3_08d3,
    0x1319_8a2e_0370_7345,
    0xa409_3822_299f_31d1,
    0x082e_fa98_ec4e_6c89,
    0x4528_21e6_38d0_1377,
    0xbe54_66cf_34e9_0c6d,
    0xc0ac_29b7_c97c_50dd,
    0x3f84_d5b5_b547_0917,
];

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a).wrapping_mul(u128::from(b));
    (product as u64) ^ ((product >> 64) as u64)
}

#[inline]
fn halves(x: u128) -> (u64, u64) {
    (x as u64, (x >> 64) as u64)
}

/// A 128-bit digest of three 128-bit words; each half of the result depends on every input.
#[inline]
#[must_use]
pub(crate) fn mix(a: u128, b: u128, c: u128) -> u128 {
    let ((a0, a1), (b0, b1), (c0, c1)) = (halves(a), halves(b), halves(c));
    let low = fold(fold(a0 ^ SALT[0], b0 ^ SALT[1]) ^ c1, fold(a1 ^ SALT[2], b1 ^ SALT[3]) ^ c0);
    let high = fold(fold(a1 ^ SALT[4], b0 ^ SALT[5]) ^ c0, fold(a0 ^ SALT[6], b1 ^ SALT[7]) ^ c1);
    let low = low ^ SALT[0].rotate_left(17);
    (u128::from(high) << 64) | u128::from(fold(low, SALT[6]) ^ high.rotate_left(29))
}

/// A 64-bit digest of two words: for tables and for the rolling hash of a schedule.
#[inline]
#[must_use]
pub(crate) fn mix64(a: u64, b: u64) -> u64 {
    fold(fold(a ^ SALT[1], SALT[2]) ^ b, SALT[4])
}

/// The mixer as what a `HashMap` of plain numbers wants.
#[derive(Clone, Copy, Default)]
pub(crate) struct Folding(u64);

impl BuildHasher for Folding {
    type Hasher = Folding;

    fn build_hasher(&self) -> Folding {
        Folding(0)
    }
}

impl Hasher for Folding {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(u64::from(byte)));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = mix64(self.0, value);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn neighbouring_small_inputs_get_different_digests_in_both_halves() {
        let (mut low, mut high) = (HashSet::new(), HashSet::new());
        for a in 0..40u128 {
            for b in 0..40 {
                for c in 0..40 {
                    let (l, h) = halves(mix(a, b << 64, c));
                    low.insert(l);
                    high.insert(h);
                }
            }
        }
        assert_eq!((low.len(), high.len()), (64_000, 64_000));
    }

    #[test]
    fn the_order_of_inputs_matters() {
        assert_ne!(mix(1, 2, 3), mix(2, 1, 3));
        assert_ne!(mix(1, 2, 3), mix(1, 3, 2));
        assert_ne!(mix64(1, 2), mix64(2, 1));
    }
}
