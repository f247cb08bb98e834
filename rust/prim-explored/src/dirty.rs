//! Which granules of an arena were written since it last equalled a snapshot.
//!
//! A restore then costs what the execution wrote. The record is complete only while the arena is in use
//! by the thread that writes; in doubt it says "anything", and the restore looks at everything.

use core::{
    fmt,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

use crate::plain_word::PlainWord;

/// Written words lie scattered, so a small granule; bookkeeping is one bit each.
pub(crate) const GRANULE: usize = 256;
/// Beyond this much of a reservation nothing is recorded in detail.
const RECORDED: usize = 1 << 30;
/// Granules listed; an execution that writes more than a MiB pays for a full restore.
const LISTED: usize = 4096;

#[derive(Default)]
pub(crate) struct Dirty {
    bits: Box<[AtomicU64]>,
    list: Box<[AtomicU32]>,
    listed: PlainWord,
    /// The snapshot that the arena equals but for the listed granules; 0 for none.
    base: PlainWord,
}

impl Dirty {
    pub(crate) fn new(bytes: usize) -> Self {
        let granules = bytes.min(RECORDED).div_ceil(GRANULE);
        Self {
            bits: (0..granules.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
            list: (0..LISTED).map(|_| AtomicU32::new(0)).collect(),
            listed: PlainWord::new(0),
            base: PlainWord::new(0),
        }
    }

    #[inline]
    pub(crate) fn mark(&self, offset: usize, bytes: usize) {
        let last = (offset + bytes.max(1) - 1) / GRANULE;
        for granule in offset / GRANULE..=last {
            match self.bits.get(granule / 64) {
                Some(word) if word.load(Relaxed) & (1 << (granule % 64)) != 0 => {}
                Some(word) => self.list(word, granule),
                None => self.forget(),
            }
        }
    }

    #[cold]
    fn list(&self, word: &AtomicU64, granule: usize) {
        let at = self.listed.get() as usize;
        match self.list.get(at) {
            Some(place) => {
                word.store(word.load(Relaxed) | 1 << (granule % 64), Relaxed);
                place.store(granule as u32, Relaxed);
                self.listed.bump();
            }
            None => self.forget(),
        }
    }

    /// Anything may have been written.
    pub(crate) fn forget(&self) {
        self.start_over(0);
    }

    /// The arena now equals the snapshot of this number.
    pub(crate) fn start_over(&self, snapshot: u64) {
        for granule in self.granules() {
            self.bits[granule / 64].store(0, Relaxed);
        }
        self.listed.set(0);
        self.base.set(snapshot);
    }

    /// Does the list tell the difference to some snapshot?
    pub(crate) fn is_complete(&self) -> bool {
        self.base.get() != 0
    }

    /// Does the list tell the difference to this snapshot?
    pub(crate) fn tells(&self, snapshot: u64) -> bool {
        self.base.get() == snapshot
    }

    pub(crate) fn granules(&self) -> impl Iterator<Item = usize> {
        let listed = &self.list[..self.listed.get() as usize];
        listed.iter().map(|granule| granule.load(Relaxed) as usize)
    }
}

impl fmt::Debug for Dirty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dirty").field("listed", &self.listed).field("base", &self.base).finish()
    }
}
