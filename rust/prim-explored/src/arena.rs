//! A world's memory: one zeroed reservation, carved into tables, put back after every execution.
//!
//! As natively, with two additions: the arena in use records what is written ([`Arena::enter`]), so
//! that a restore costs what an execution wrote; and it knows what lies where ([`Arena::regions`]), so
//! that a report can name a word.
//!
//! # Who may touch what
//! A [`Table`] hands out `&T` and nothing else; all change goes through the atomics and locks inside
//! `T`. Three operations write bytes from below and therefore want *quiescence*, a promise by the
//! caller that for their duration no other thread uses the entries concerned and no lock guard on
//! them is alive: [`Table::zero`], [`Arena::snapshot`] and [`Arena::restore`]. Tasks of one explorer run
//! on one thread, so between executions there is quiescence by construction.

use core::{
    fmt,
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use std::sync::Arc;

use crate::{
    Faults, NoMemory, ZeroInit,
    dirty::GRANULE,
    faults::Plan,
    in_use::{self, Entered},
    mapping::{BLOCK, Block, NOTHING},
    memory::{Located, Memory, Region},
    table::Table,
};

/// Tables begin on their own pair of cache lines, as natively, so that offsets are the same.
const TABLE_ALIGN: usize = 128;

/// Snapshots are told apart by number, whichever arena they are of.
static SNAPSHOTS: AtomicU64 = AtomicU64::new(0);

/// The reservation.
#[derive(Debug)]
pub struct Arena {
    memory: Arc<Memory>,
}

impl Arena {
    /// Reserves address space; commits nothing.
    ///
    /// # Errors
    /// [`NoMemory`] if the system refuses.
    pub fn new(reserve_bytes: usize) -> Result<Self, NoMemory> {
        Ok(Self { memory: Arc::new(Memory::new(reserve_bytes)?) })
    }

    /// Carves `len` zeroed entries, which go by this name.
    ///
    /// # Errors
    /// [`NoMemory`] if the reservation has no room left.
    pub fn table<T: ZeroInit>(&self, name: &'static str, len: usize) -> Result<Table<T>, NoMemory> {
        self.part(name, "", len)
    }

    /// A table that is part of something of this name.
    pub(crate) fn part<T: ZeroInit>(
        &self,
        name: &'static str,
        part: &'static str,
        len: usize,
    ) -> Result<Table<T>, NoMemory> {
        const {
            assert!(!core::mem::needs_drop::<T>(), "arena data is never dropped");
            assert!(align_of::<T>() <= BLOCK, "the region is only page-aligned");
        }
        let align = align_of::<T>().max(TABLE_ALIGN);
        let region = Region {
            name,
            part,
            stride: size_of::<T>(),
            len,
            layout: T::LAYOUT,
            offset: 0,
            nth: 0,
        };
        let base = self.memory.carve(align, region)?;
        // SAFETY: just carved for `len` entries of T at T's alignment, and still zero.
        Ok(unsafe { Table::new(base.cast(), len, Arc::clone(&self.memory)) })
    }

    /// The failure plan of this arena's slabs.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.memory.faults
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(crate) fn faults_of<T: ZeroInit>(table: &Table<T>) -> &Faults {
        &table.memory().faults
    }

    /// Makes this the arena that the thread's steps are about. Without it words have no lasting
    /// identity, and restores look at everything.
    pub fn enter(&self) -> Entered {
        Entered::new(&self.memory)
    }

    /// All tables, in the order of their offsets.
    #[must_use]
    pub fn regions(&self) -> Vec<Region> {
        self.memory.regions().clone()
    }

    /// What lies at this offset; None between tables and past the end.
    #[must_use]
    pub fn locate(&self, offset: usize) -> Option<Located> {
        self.memory.locate(offset)
    }

    /// Copies what is not zero. Memory: the touched part; time: the carved part, so this is for small
    /// worlds. The plan of failures is part of it, since an execution uses it up.
    ///
    /// Wants quiescence of the whole arena (module introduction).
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let carved = self.memory.carved_blocks();
        let mut snapshot = Snapshot {
            number: SNAPSHOTS.fetch_add(1, Relaxed) + 1,
            places: Vec::with_capacity(carved),
            blocks: Vec::new(),
            plan: self.faults().plan(),
        };
        for index in 0..carved {
            // SAFETY: inside the mapping; u64-aligned because blocks are; the caller promises that
            // nobody writes meanwhile.
            let block = unsafe { self.memory.block(index).as_ref() };
            if block.iter().any(|&word| word != 0) {
                snapshot.blocks.push(*block);
                snapshot.places.push(snapshot.blocks.len() as u32);
            } else {
                snapshot.places.push(0);
            }
        }
        self.equals(&snapshot);
        snapshot
    }

    /// Puts every byte back to what it was at the snapshot, under live tables. Tables carved since
    /// stay, and are zero as when they were new.
    ///
    /// Wants quiescence of the whole arena (module introduction). Tables hold only [`ZeroInit`] data, for
    /// which any bytes that were there once are valid bytes.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        let memory = &*self.memory;
        if in_use::is(memory) && memory.dirty.tells(snapshot.number) {
            memory.dirty.granules().for_each(|granule| self.put_back(granule, snapshot));
        } else {
            self.put_all_back(snapshot);
        }
        self.faults().set_plan(snapshot.plan);
        self.equals(snapshot);
    }

    /// Appends all that the arena holds now, beyond the snapshot that it was last equal to. For looks in the midst
    /// of an execution: equal words mean that any step would find the same.
    pub fn write_state(&self, words: &mut Vec<u64>) {
        const WORDS: usize = GRANULE / size_of::<u64>();
        let memory = &*self.memory;
        if in_use::is(memory) && memory.dirty.is_complete() {
            for granule in memory.dirty.granules() {
                let offset = granule * GRANULE;
                // SAFETY: a recorded write was inside a carved table; the caller looks while no task runs.
                let block = unsafe { memory.block(offset / BLOCK).as_ref() };
                let from = offset % BLOCK / size_of::<u64>();
                words.push(granule as u64);
                words.extend(&block[from..from + WORDS]);
            }
        } else {
            for index in 0..memory.carved_blocks() {
                // SAFETY: as above.
                let block = unsafe { memory.block(index).as_ref() };
                if *block != NOTHING {
                    words.push(index as u64);
                    words.extend(block);
                }
            }
        }
        words.extend(self.faults().plan().words());
    }

    /// From here on, the record of writes is the difference to `snapshot`.
    fn equals(&self, snapshot: &Snapshot) {
        let known = if in_use::is(&self.memory) { snapshot.number } else { 0 };
        self.memory.dirty.start_over(known);
    }

    fn put_back(&self, granule: usize, snapshot: &Snapshot) {
        const WORDS: usize = GRANULE / size_of::<u64>();
        let offset = granule * GRANULE;
        let saved = snapshot.block(offset / BLOCK);
        let from = offset % BLOCK / size_of::<u64>();
        // SAFETY: a recorded write was inside a carved table; the caller of `restore` promises that
        // nobody looks meanwhile.
        let block = unsafe { self.memory.block(offset / BLOCK).as_mut() };
        block[from..from + WORDS].copy_from_slice(&saved[from..from + WORDS]);
    }

    fn put_all_back(&self, snapshot: &Snapshot) {
        for index in 0..self.memory.carved_blocks() {
            // SAFETY: inside the mapping, aligned; the caller promises that nobody looks meanwhile.
            let block = unsafe { self.memory.block(index).as_mut() };
            // Looking before writing keeps untouched memory untouched.
            if block != snapshot.block(index) {
                *block = *snapshot.block(index);
            }
        }
    }

    /// A number for all that the arena holds: equal for equal contents, whatever the order in which they
    /// came about. Wants quiescence, and looks at everything.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
        let mix = |seed: u64, word: u64| (seed ^ word).wrapping_mul(PRIME).rotate_left(29);
        (0..self.memory.carved_blocks()).fold(PRIME, |sum, index| {
            // SAFETY: as in `snapshot`.
            let block = unsafe { self.memory.block(index).as_ref() };
            let words = (0u64..).zip(block).filter(|&(_, &word)| word != 0);
            words.fold(sum, |sum, (at, &word)| mix(mix(sum, (index as u64) << 12 | at), word))
        })
    }

    /// Offset of the first word that is not as in the snapshot. Wants quiescence, and looks at everything:
    /// for checking restores.
    #[must_use]
    pub fn differs(&self, snapshot: &Snapshot) -> Option<usize> {
        (0..self.memory.carved_blocks()).find_map(|index| {
            let block: NonNull<Block> = self.memory.block(index);
            // SAFETY: as in `snapshot`.
            let block = unsafe { block.as_ref() };
            let mut words = block.iter().zip(snapshot.block(index));
            let at = words.position(|(now, then)| now != then)?;
            Some(index * BLOCK + at * size_of::<u64>())
        })
    }
}

/// What an arena held; see [`Arena::snapshot`].
#[derive(Clone)]
pub struct Snapshot {
    number: u64,
    /// For each block one plus its place in `blocks`, or 0 where all was zero.
    places: Vec<u32>,
    blocks: Vec<Block>,
    plan: Plan,
}

impl Snapshot {
    /// Bytes it keeps.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.blocks.len() * BLOCK
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    fn block(&self, index: usize) -> &Block {
        let place = self.places.get(index).copied().unwrap_or(0) as usize;
        place.checked_sub(1).map_or(&NOTHING, |at| &self.blocks[at])
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("bytes", &self.bytes()).finish()
    }
}
