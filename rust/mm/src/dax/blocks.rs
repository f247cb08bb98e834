//! The block allocator: one bit per page of the device.
//!
//! Next-fit from where the last allocation ended, so while there is room a block that was just freed is
//! not handed out again at once: the journal still holds it, and so the recordings have it. When less
//! than three quarters of the device are free the search goes back to what was freed last, as if the
//! journal had been flushed for it; in a stress run quick reuse is what shows a premature free.

use prim::{
    Arena, AtomicU32, AtomicU64, Cpu, Guarded, LockClass, NoMemory, SpinLock, Table, plain,
};

use crate::lock_order;

plain! {
    /// Where to look next, and how much is left.
    #[derive(Clone, Copy, Debug)]
    pub struct Cursor {
        next: u32,
        used: u32,
    }
}

impl Guarded for Cursor {
    const CLASS: LockClass = lock_order::BLOCK_ALLOCATOR;
}

/// Which blocks are in use.
#[derive(Debug)]
pub struct Blocks {
    /// A set bit is a used block. Written under `cursor`.
    bits: Table<AtomicU64>,
    cursor: Table<SpinLock<Cursor>>,
    /// Files that have a block beside the first. Written under `cursor`.
    sharers: Table<AtomicU32>,
    total: u32,
}

impl Blocks {
    /// An empty device of `total` blocks.
    ///
    /// # Errors
    /// [`NoMemory`] when the arena is full.
    pub(super) fn new(arena: &Arena, total: u32) -> Result<Self, NoMemory> {
        Ok(Self {
            bits: arena.table("block bits", total as usize / 64 + 1)?,
            cursor: arena.table("block cursor", 1)?,
            sharers: arena.table("block sharers", total as usize)?,
            total,
        })
    }

    /// `count` contiguous free blocks, the first a multiple of `align`; none when there is no such run.
    pub(super) fn alloc(&self, cpu: &Cpu<'_>, count: u32, align: u32) -> Option<u32> {
        let mut cursor = self.cursor[0].lock(cpu);
        let last = self.total.checked_sub(count)?;
        let start = cursor.next.next_multiple_of(align);
        let mut candidates =
            (start..=last).step_by(align as usize).chain((0..=last).step_by(align as usize));
        let found =
            candidates.find(|first| (*first..*first + count).all(|block| !self.is_used(block)))?;
        (found..found + count).for_each(|block| self.flip(block));
        cursor.next = found + count;
        cursor.used += count;
        Some(found)
    }

    /// Gives a block back.
    pub(super) fn free(&self, cpu: &Cpu<'_>, block: u32) {
        let mut cursor = self.cursor[0].lock(cpu);
        if self.is_used(block) {
            self.flip(block);
            cursor.used -= 1;
            if cursor.used > self.total / 4 {
                cursor.next = block;
            }
        }
    }

    /// One more file has a block (`xfs_refcount_increase_extent`).
    pub(super) fn share(&self, cpu: &Cpu<'_>, block: u32) {
        let _cursor = self.cursor[0].lock(cpu);
        let sharers = &self.sharers[block as usize];
        sharers.set(sharers.read() + 1);
    }

    /// One file less has a block (`xfs_refcount_decrease_extent`); false, and nothing has changed, if there was only one.
    pub(super) fn unshare(&self, cpu: &Cpu<'_>, block: u32) -> bool {
        let _cursor = self.cursor[0].lock(cpu);
        let sharers = &self.sharers[block as usize];
        let others = sharers.read();
        if others > 0 {
            sharers.set(others - 1);
        }
        others > 0
    }

    /// Whether several files have a block. Only who has it can share it with more; fewer it may be at once.
    pub(super) fn is_shared(&self, block: u32) -> bool {
        self.sharers[block as usize].read() > 0
    }

    /// Blocks in use.
    #[must_use]
    pub fn used(&self, cpu: &Cpu<'_>) -> u32 {
        self.cursor[0].lock(cpu).used
    }

    /// On a machine at rest: the blocks that are in use, and how many files should have each.
    pub(super) fn at_rest(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let words = (0..self.total).step_by(64);
        let used = words.filter(|first| self.bits[*first as usize / 64].read() != 0);
        let blocks = used.flat_map(|first| first..self.total.min(first + 64));
        blocks
            .filter(|block| self.is_used(*block))
            .map(|block| (block, 1 + self.sharers[block as usize].read()))
    }

    fn is_used(&self, block: u32) -> bool {
        self.bits[block as usize / 64].read() & (1 << (block % 64)) != 0
    }

    fn flip(&self, block: u32) {
        let word = &self.bits[block as usize / 64];
        word.set(word.read() ^ (1 << (block % 64)));
    }
}
