//! What memory holds, as a number: for telling that it is what it was once before.
//!
//! Only what was written since memory equalled a snapshot goes into it, so it costs what a restore costs. Granules are
//! summed up, for the order in which they were first written says nothing.
//!
//! 128 bits, mixed by folded multiplication in two independent halves: two contents with one digest would make somebody
//! leave out a look, silently. At 10^6 contents the chance is about 10^-27.

use crate::{
    Arena, Snapshot, dirty::GRANULE, in_use, mapping::BLOCK, memory::Memory, store_buffer,
};

/// Digits of pi, as anything without a structure.
const SALT: [u64; 4] =
    [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7345, 0xa409_3822_299f_31d1, 0x082e_fa98_ec4e_6c89];

fn fold(a: u64, b: u64) -> u64 {
    // Cannot overflow, and is not to be asked whether it does.
    let product = u128::from(a).wrapping_mul(u128::from(b));
    product as u64 ^ (product >> 64) as u64
}

/// Of words in their order, under a number. Two of them at a time are one factor each.
fn of_words(number: u64, words: &[u64]) -> u128 {
    let (mut high, mut low) = (number ^ SALT[0], number ^ SALT[1]);
    let (pairs, rest) = words.as_chunks::<2>();
    for [one, other] in pairs {
        high = fold(high ^ one, SALT[2] ^ other);
        low = fold(low ^ other, SALT[3] ^ one.rotate_left(32));
    }
    for word in rest {
        high = fold(high ^ word, SALT[2]);
        low = fold(low ^ word, SALT[3]);
    }
    // Longer ones are not others with something put before them.
    let length = words.len() as u64;
    u128::from(fold(high ^ length, SALT[3])) << 64 | u128::from(fold(low ^ length, SALT[2]))
}

fn of_granule(memory: &Memory, granule: usize) -> u128 {
    const WORDS: usize = GRANULE / size_of::<u64>();
    let offset = granule * GRANULE;
    let from = offset % BLOCK / size_of::<u64>();
    // SAFETY: a recorded write was inside a carved table; the caller looks while no task is in the midst of a write.
    let block = unsafe { memory.block(offset / BLOCK).as_ref() };
    of_words(granule as u64, &block[from..from + WORDS])
}

impl Arena {
    /// A number for what looks find: what was written since the arena equalled this snapshot, stores that wait in
    /// buffers, and `beside` it whatever else the caller goes by. None if it is not known what was written.
    #[must_use]
    pub fn digest(&self, since: &Snapshot, beside: &[u64]) -> Option<u128> {
        let memory = self.memory();
        if !in_use::is(memory) || !memory.dirty.tells(since.number()) {
            return None;
        }
        let mut rest = Vec::from_iter(self.faults().plan().words());
        rest.extend(beside);
        store_buffer::write_waiting(&mut rest);
        let granules = memory.dirty.granules().map(|granule| of_granule(memory, granule));
        // No granule has this number.
        Some(granules.fold(of_words(u64::MAX, &rest), u128::wrapping_add))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn any_bit_of_any_word_tells() {
        let words = [7u64; 32];
        let mut seen = HashSet::from([of_words(1, &words), of_words(2, &words)]);
        for at in 0..words.len() {
            for bit in 0..64 {
                let mut other = words;
                other[at] ^= 1 << bit;
                let digest = of_words(1, &other);
                seen.insert(digest >> 64);
                seen.insert(digest << 64);
            }
        }
        assert_eq!(seen.len(), 2 + 2 * 32 * 64);
    }

    #[test]
    fn which_word_is_where_tells() {
        assert_ne!(of_words(1, &[1, 2]), of_words(1, &[2, 1]));
        assert_ne!(of_words(1, &[0]), of_words(1, &[0, 0]));
    }
}
