//! Address space for an arena, and what of it stays with its thread for the next one.
//!
//! A small program is explored in less time than the system takes to give its machine zeroed pages one by one. So
//! an arena that goes leaves its mapping to the thread, with what was written made zero again, and the next arena of
//! the same size has it.

use core::{cell::RefCell, ptr::NonNull};

use crate::{NoMemory, dirty::Dirty};

/// Granule of snapshots and of a mapping's size; every supported page size is a multiple of it.
pub(crate) const BLOCK: usize = 4096;
pub(crate) type Block = [u64; BLOCK / size_of::<u64>()];

/// Mappings that a thread keeps: a search has one world, and another one in which known races are mended.
const KEPT: usize = 4;
/// One that was used further than this goes back to the system.
const SMALL: usize = 4 << 20;
pub(crate) static NOTHING: Block = [0; BLOCK / size_of::<u64>()];

/// A zeroed mapping that nobody uses, and room to record what is written there.
pub(crate) struct Mapping {
    pub(crate) base: NonNull<u8>,
    pub(crate) bytes: usize,
    pub(crate) dirty: Dirty,
}

/// Those of a thread, the one given back last at the end.
struct Kept(Vec<Mapping>);

thread_local! {
    static MINE: RefCell<Kept> = const { RefCell::new(Kept(Vec::new())) };
}

impl Mapping {
    /// So many bytes, a multiple of [`BLOCK`]; what was never touched is not committed.
    pub(crate) fn new(bytes: usize) -> Result<Self, NoMemory> {
        let kept = MINE.with_borrow_mut(|mine| {
            let at = mine.0.iter().position(|mapping| mapping.bytes == bytes)?;
            Some(mine.0.remove(at))
        });
        kept.map_or_else(|| Self::map(bytes), Ok)
    }

    fn map(bytes: usize) -> Result<Self, NoMemory> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice.
        let base = unsafe { libc::mmap(core::ptr::null_mut(), bytes, protection, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(NoMemory);
        }
        let base = NonNull::new(base.cast()).ok_or(NoMemory)?;
        Ok(Self { base, bytes, dirty: Dirty::new(bytes) })
    }

    /// The arena is gone, and wrote to the first `used` bytes at most.
    pub(crate) fn give_back(self, used: usize) {
        if used > SMALL {
            return self.unmap();
        }
        for index in 0..used.div_ceil(BLOCK) {
            // SAFETY: `used <= bytes`, a multiple of BLOCK: the block is mapped, and nobody else knows of it.
            let block: &mut Block = unsafe { self.base.add(index * BLOCK).cast().as_mut() };
            // Looking before writing keeps untouched memory untouched.
            if *block != NOTHING {
                *block = NOTHING;
            }
        }
        self.dirty.forget();
        let mut mine = Some(self);
        // A thread that ends keeps nothing.
        let _ = MINE.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            kept.0.extend(mine.take());
            mine = (kept.0.len() > KEPT).then(|| kept.0.remove(0));
        });
        mine.into_iter().for_each(Self::unmap);
    }

    fn unmap(self) {
        // SAFETY: maps exactly what `map` mapped; whoever used it has given it back, and `self` ends here.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.drain(..).for_each(Mapping::unmap);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn byte(mapping: &Mapping, at: usize) -> NonNull<u8> {
        assert!(at < mapping.bytes);
        // SAFETY: inside the mapping.
        unsafe { mapping.base.add(at) }
    }

    #[test]
    fn what_is_given_back_is_zero_and_comes_again_for_the_same_size() {
        let mapping = Mapping::new(4 * BLOCK).expect("memory");
        let base = mapping.base;
        // SAFETY: this test alone knows the mapping.
        unsafe { byte(&mapping, BLOCK + 7).write(9) };
        mapping.dirty.mark(BLOCK + 7, 1);
        mapping.give_back(2 * BLOCK);
        let other = Mapping::new(8 * BLOCK).expect("memory");
        assert_ne!(other.base, base);
        let again = Mapping::new(4 * BLOCK).expect("memory");
        assert_eq!(again.base, base);
        // SAFETY: as above.
        assert_eq!(unsafe { byte(&again, BLOCK + 7).read() }, 0);
        assert_eq!(again.dirty.granules().count(), 0);
        again.unmap();
        other.unmap();
    }

    #[test]
    fn few_are_kept_and_no_large_ones() {
        let kept = || MINE.with_borrow(|mine| mine.0.len());
        let some: Vec<Mapping> =
            (1..=KEPT + 2).map(|size| Mapping::new(size * BLOCK).expect("memory")).collect();
        some.into_iter().for_each(|mapping| mapping.give_back(BLOCK));
        assert_eq!(kept(), KEPT);
        let large = Mapping::new(2 * SMALL).expect("memory");
        large.give_back(SMALL + 1);
        assert_eq!(kept(), KEPT);
    }
}
