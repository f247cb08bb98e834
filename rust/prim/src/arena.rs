//! A world's memory: one zeroed reservation, carved into tables.
//!
//! Nothing in Linux corresponds; it stands where the memmap, slabs and per-CPU areas are. The region
//! is reserved without being committed, so a table for a terabyte of pages costs nothing until it is
//! touched, and "never touched" reads as zero, which every type here takes as its initial value.
//!
//! # Who may touch what
//! A [`Table`] hands out `&T` and nothing else; all change goes through the atomics and locks inside
//! `T`. Three operations write bytes from below and therefore want *quiescence*, a promise by the
//! caller that for their duration no other thread uses the entries concerned and no lock guard on
//! them is alive: [`Table::zero`], [`Arena::snapshot`] and [`Arena::restore`]. The world that owns the
//! arena makes that promise at its join points.

use core::{fmt, marker::PhantomData, ops::Range, ptr::NonNull};
use std::sync::Arc;

use crate::{AtomicUsize, Faults, NoMemory, ZeroInit};

/// Tables begin on their own pair of cache lines.
const TABLE_ALIGN: usize = 128;
/// Granule of snapshots and of the region's size; every supported page size is a multiple of it.
const BLOCK: usize = 4096;

struct Region {
    base: NonNull<u8>,
    bytes: usize,
    /// Carved so far. Monotonic: a table is never given back.
    used: AtomicUsize,
    faults: Faults,
}

// SAFETY: the region is plain memory; what may be done to it concurrently is decided by Table and
// Arena.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: maps exactly what `Arena::new` mapped; tables hold an Arc, so none is left.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

/// The reservation.
pub struct Arena {
    region: Arc<Region>,
}

impl Arena {
    /// Reserves address space; commits nothing.
    ///
    /// # Errors
    /// [`NoMemory`] if the system refuses.
    pub fn new(reserve_bytes: usize) -> Result<Self, NoMemory> {
        let bytes = reserve_bytes.max(1).checked_next_multiple_of(BLOCK).ok_or(NoMemory)?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice.
        let base = unsafe { libc::mmap(core::ptr::null_mut(), bytes, protection, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(NoMemory);
        }
        let base = NonNull::new(base.cast()).ok_or(NoMemory)?;
        let region = Region { base, bytes, used: AtomicUsize::new(0), faults: Faults::default() };
        Ok(Self { region: Arc::new(region) })
    }

    /// Carves `len` zeroed entries. The name is for whoever explores.
    ///
    /// # Errors
    /// [`NoMemory`] if the reservation has no room left.
    pub fn table<T: ZeroInit>(&self, name: &'static str, len: usize) -> Result<Table<T>, NoMemory> {
        self.part(name, "", len)
    }

    /// A table that is part of something of this name.
    pub(crate) fn part<T: ZeroInit>(
        &self,
        _name: &'static str,
        _part: &'static str,
        len: usize,
    ) -> Result<Table<T>, NoMemory> {
        const {
            assert!(!core::mem::needs_drop::<T>(), "arena data is never dropped");
            assert!(align_of::<T>() <= BLOCK, "the region is only page-aligned");
        }
        let bytes = size_of::<T>().checked_mul(len).ok_or(NoMemory)?;
        let align = align_of::<T>().max(TABLE_ALIGN);
        let used = &self.region.used;
        let mut seen = used.read();
        loop {
            let start = seen.checked_next_multiple_of(align).ok_or(NoMemory)?;
            let end = start.checked_add(bytes).ok_or(NoMemory)?;
            if end > self.region.bytes {
                return Err(NoMemory);
            }
            match used.cmpxchg(seen, end) {
                Ok(_) => {
                    // SAFETY: `start <= end <= bytes`, inside the mapping.
                    let base = unsafe { self.region.base.add(start) }.cast();
                    let region = Arc::clone(&self.region);
                    return Ok(Table { base, len, region, entries: PhantomData });
                }
                Err(found) => seen = found,
            }
        }
    }

    /// The failure plan of this arena's slabs.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.region.faults
    }

    pub(crate) fn faults_of<T: ZeroInit>(table: &Table<T>) -> &Faults {
        &table.region.faults
    }

    /// Copies what is not zero. Memory: the touched part; time: the carved part, so this is for small
    /// worlds.
    ///
    /// Wants quiescence of the whole arena (module introduction).
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot { indices: Vec::new(), blocks: Vec::new() };
        for index in 0..self.carved_blocks() {
            // SAFETY: inside the mapping; u64-aligned because blocks are; the caller promises that
            // nobody writes meanwhile.
            let block = unsafe { self.block(index).as_ref() };
            if block.iter().any(|&word| word != 0) {
                snapshot.indices.push(index);
                snapshot.blocks.push(*block);
            }
        }
        snapshot
    }

    /// Puts every byte back to what it was at the snapshot, under live tables. Tables carved since
    /// stay, and are zero as when they were new.
    ///
    /// Wants quiescence of the whole arena (module introduction); `&mut` keeps two restores and a
    /// restore and a snapshot apart. Tables hold only [`ZeroInit`] data, for which any bytes that were
    /// there once are valid bytes.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        let mut kept = snapshot.indices.iter().zip(&snapshot.blocks).peekable();
        for index in 0..self.carved_blocks() {
            // SAFETY: inside the mapping, aligned; the caller promises that nobody looks meanwhile.
            let block = unsafe { self.block(index).as_mut() };
            match kept.next_if(|&(&at, _)| at == index) {
                Some((_, saved)) => block.copy_from_slice(saved),
                // Looking before writing keeps untouched memory untouched.
                None if block.iter().any(|&word| word != 0) => block.fill(0),
                None => {}
            }
        }
    }

    fn carved_blocks(&self) -> usize {
        self.region.used.read().div_ceil(BLOCK)
    }

    /// Caller: `index < carved_blocks()`.
    fn block(&self, index: usize) -> NonNull<Block> {
        debug_assert!(index < self.carved_blocks());
        // SAFETY: `used <= bytes` and `bytes` is a multiple of BLOCK: the whole block is mapped.
        unsafe { self.region.base.add(index * BLOCK) }.cast()
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Region { bytes, used, .. } = &*self.region;
        f.debug_struct("Arena").field("bytes", bytes).field("used", used).finish()
    }
}

type Block = [u64; BLOCK / size_of::<u64>()];

/// What an arena held; see [`Arena::snapshot`].
#[derive(Clone)]
pub struct Snapshot {
    /// Ascending.
    indices: Vec<usize>,
    blocks: Vec<Block>,
}

impl Snapshot {
    /// Bytes it keeps.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.blocks.len() * BLOCK
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("bytes", &self.bytes()).finish()
    }
}

/// A fixed array in an arena, which it keeps alive. Clones name the same entries.
pub struct Table<T: ZeroInit> {
    base: NonNull<T>,
    len: usize,
    region: Arc<Region>,
    entries: PhantomData<T>,
}

// SAFETY: a table gives out `&T` only, and T: Sync. It never drops or moves a T, so T: Send is not
// needed.
unsafe impl<T: ZeroInit> Send for Table<T> {}
// SAFETY: as above.
unsafe impl<T: ZeroInit> Sync for Table<T> {}

impl<T: ZeroInit> Table<T> {
    #[must_use]
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    #[inline(always)]
    pub fn get(&self, index: usize) -> Option<&T> {
        // SAFETY: in bounds of what was carved for this table, aligned, zero bytes or what T's own
        // methods made of them; alive as long as `self.region`.
        (index < self.len).then(|| unsafe { self.base.add(index).as_ref() })
    }

    /// Where in the table an entry of it is; the inverse of indexing.
    #[must_use]
    #[inline(always)]
    pub fn index_of(&self, entry: &T) -> usize {
        let index =
            core::ptr::from_ref(entry).addr().wrapping_sub(self.base.addr().get()) / size_of::<T>();
        debug_assert!(index < self.len, "an entry of another table");
        index
    }

    /// All entries: what loops and repeated lookups use, since a slice checks its bounds once.
    #[must_use]
    #[inline(always)]
    pub fn as_slice(&self) -> &[T] {
        // SAFETY: as in `get`, for every index; entries are only ever changed through `&T`.
        unsafe { core::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }

    /// Makes the entries of `range` new again. Whole pages are given back to the system, so a big
    /// range costs what was touched of it.
    ///
    /// Wants quiescence of these entries (module introduction): a lock in the range must be free,
    /// its guards gone, and nobody may be looking.
    ///
    /// # Panics
    /// If the range is not inside the table.
    pub fn zero(&self, range: Range<usize>) {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {}", self.len);
        // SAFETY: both ends are in the table or one past it.
        let (start, end) = unsafe { (self.base.add(range.start), self.base.add(range.end)) };
        let (start, bytes) = (start.cast::<u8>(), end.addr().get() - start.addr().get());
        let page = page_size();
        let head = (start.addr().get().next_multiple_of(page) - start.addr().get()).min(bytes);
        let whole = (bytes - head) / page * page;
        let tail = bytes - head - whole;
        // SAFETY: `head + whole + tail == bytes`, all inside the range; the caller promises that
        // nobody uses the entries; zero bytes are valid for T. DONTNEED on a private anonymous mapping
        // makes the pages read as zero; where it fails (locked memory) they are written.
        unsafe {
            start.write_bytes(0, head);
            if whole > 0 {
                let pages = start.add(head);
                if libc::madvise(pages.as_ptr().cast(), whole, libc::MADV_DONTNEED) != 0 {
                    pages.write_bytes(0, whole);
                }
            }
            start.add(head + whole).write_bytes(0, tail);
        }
    }
}

fn page_size() -> usize {
    // SAFETY: sysconf reads a constant of the system.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).ok().filter(|size| size.is_power_of_two()).unwrap_or(BLOCK)
}

impl<T: ZeroInit> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self { region: Arc::clone(&self.region), ..*self }
    }
}
