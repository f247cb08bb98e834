//! The mapping under an arena and its tables.

use core::{
    fmt,
    ptr::NonNull,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{
    Faults, Layout, NoMemory,
    dirty::Dirty,
    mapping::{BLOCK, Block, Mapping},
};

/// What lies where: one table of an arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Of its first entry, in bytes from the arena's base.
    pub offset: usize,
    /// Bytes of an entry.
    pub stride: usize,
    pub len: usize,
    pub name: &'static str,
    /// Which part of what goes by this name; empty: the thing itself.
    pub part: &'static str,
    /// How many tables of the same name and part there were before it.
    pub nth: usize,
    /// What the bytes of an entry are called.
    pub layout: Layout,
}

/// Where in an arena something lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    pub region: Region,
    /// Which entry of the region.
    pub index: usize,
    /// Byte inside the entry.
    pub byte: usize,
}

impl Located {
    /// The field of the entry, if it has some.
    #[must_use]
    pub fn field(&self) -> Option<&'static str> {
        self.region.layout.field(self.byte).map(|field| field.name)
    }
}

pub(crate) struct Memory {
    pub(crate) base: NonNull<u8>,
    pub(crate) bytes: usize,
    /// Carved so far. Monotonic: a table is never given back.
    pub(crate) used: AtomicUsize,
    pub(crate) faults: Faults,
    pub(crate) dirty: Dirty,
    regions: Mutex<Vec<Region>>,
}

// SAFETY: plain memory; what may be done to it concurrently is decided by Table and Arena.
unsafe impl Send for Memory {}
// SAFETY: as above; everything else inside is Sync by itself.
unsafe impl Sync for Memory {}

impl Memory {
    /// Reserves address space; commits nothing.
    pub(crate) fn new(reserve_bytes: usize) -> Result<Self, NoMemory> {
        let bytes = reserve_bytes.max(1).checked_next_multiple_of(BLOCK).ok_or(NoMemory)?;
        let Mapping { base, bytes, dirty } = Mapping::new(bytes)?;
        let (faults, used) = (Faults::default(), AtomicUsize::new(0));
        Ok(Self { base, bytes, used, faults, dirty, regions: Mutex::default() })
    }

    /// Room for a table; tells where. Its offset and number are found here.
    pub(crate) fn carve(&self, align: usize, table: Region) -> Result<NonNull<u8>, NoMemory> {
        // Held throughout, so two tables are never carved from one place.
        let mut regions = self.regions();
        let bytes = table.stride.checked_mul(table.len).ok_or(NoMemory)?;
        let used = self.used.load(Relaxed);
        let offset = used.checked_next_multiple_of(align).ok_or(NoMemory)?;
        let end = offset.checked_add(bytes).filter(|&end| end <= self.bytes).ok_or(NoMemory)?;
        self.used.store(end, Relaxed);
        let alike = |it: &&Region| (it.name, it.part) == (table.name, table.part);
        let nth = regions.iter().filter(alike).count();
        regions.push(Region { offset, nth, ..table });
        // SAFETY: `offset <= end <= bytes`, inside the mapping.
        Ok(unsafe { self.base.add(offset) })
    }

    pub(crate) fn regions(&self) -> MutexGuard<'_, Vec<Region>> {
        self.regions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What lies at this offset; None between tables and past the end.
    pub(crate) fn locate(&self, offset: usize) -> Option<Located> {
        let regions = self.regions();
        let region =
            *regions.get(regions.partition_point(|it| it.offset <= offset).checked_sub(1)?)?;
        let inside = offset - region.offset;
        let index = inside.checked_div(region.stride)?;
        (index < region.len).then(|| Located { region, index, byte: inside % region.stride })
    }

    pub(crate) fn carved_blocks(&self) -> usize {
        self.used.load(Relaxed).div_ceil(BLOCK)
    }

    /// Caller: `index < carved_blocks()`.
    pub(crate) fn block(&self, index: usize) -> NonNull<Block> {
        debug_assert!(index < self.carved_blocks());
        // SAFETY: `used <= bytes` and `bytes` is a multiple of BLOCK: the whole block is mapped.
        unsafe { self.base.add(index * BLOCK) }.cast()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // Tables and guards hold an Arc, so none is left.
        let dirty = core::mem::take(&mut self.dirty);
        let Self { base, bytes, .. } = *self;
        Mapping { base, bytes, dirty }.give_back(*self.used.get_mut());
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("bytes", &self.bytes).field("used", &self.used).finish()
    }
}
