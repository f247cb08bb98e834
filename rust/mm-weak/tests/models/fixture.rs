//! The smallest machine with a device on it: four frames, two of them the device's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32 as Plain, Ordering::Relaxed};

use pgmap_mm_weak::page::{Folio, Pfn, Span};
use pgmap_mm_weak::pagemap::{DevPagemapOps, PagemapId, PagemapType, Pagemaps};
use prim::{Arena, AtomicU32, Cpu};
use program::{Geometry, Rules};

/// The device's frames: a naturally aligned pair.
pub(crate) const FIRST: Pfn = Pfn(2);
pub(crate) const SECOND: Pfn = Pfn(3);

/// What really happened, in the order in which it did: no part of the model's memory.
#[derive(Debug, Default)]
pub(crate) struct Happened(Plain);

impl Happened {
    pub(crate) fn now(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(crate) fn times(&self) -> u32 {
        self.0.load(Relaxed)
    }

    pub(crate) fn yet(&self) -> bool {
        self.times() > 0
    }
}

/// A device whose driver looks at the uses of a page when it gets the page back.
pub(crate) struct Fixture {
    pub(crate) pagemaps: Pagemaps,
    pub(crate) id: PagemapId,
    pub(crate) uses: Arc<Uses>,
    pub(crate) freed: Arc<Happened>,
}

/// A word for each task that uses the page, written while it holds a reference.
#[derive(Debug)]
pub(crate) struct Uses([(AtomicU32, Happened); 2]);

impl Uses {
    fn new() -> Self {
        Self(core::array::from_fn(|_| (AtomicU32::new(0), Happened::default())))
    }

    pub(crate) fn by(&self, task: u32) {
        let (word, used) = &self.0[task as usize];
        word.set(1);
        used.now();
    }

    /// Whether everything that happened to the page can be seen.
    pub(crate) fn are_seen(&self) -> bool {
        self.0.iter().all(|(word, used)| !used.yet() || word.read() == 1)
    }
}

#[derive(Debug)]
struct Driver {
    uses: Arc<Uses>,
    freed: Arc<Happened>,
}

impl DevPagemapOps for Driver {
    fn folio_free(&self, _: &Cpu<'_>, _: &Pagemaps, _: PagemapId, _: Folio<'_>) {
        assert!(self.uses.are_seen(), "freed before a use of it was seen");
        self.freed.now();
    }
}

impl Fixture {
    pub(crate) fn new(cpu: &Cpu<'_>, rules: Rules, kind: PagemapType) -> Self {
        let arena = Arena::new(0).expect("no limit");
        let cpus = u16::try_from(cpu.machine().cpus()).expect("a few");
        let geometry = Geometry { pmd_order: 1, cpus, ..Geometry::SMALL };
        let (uses, freed) = (Arc::new(Uses::new()), Arc::new(Happened::default()));
        let driver = Driver { uses: Arc::clone(&uses), freed: Arc::clone(&freed) };
        let pagemaps = Pagemaps::new(&arena, &geometry, rules, 4, Box::new(driver));
        let pagemaps = pagemaps.expect("no limit");
        let span = Span { start: FIRST, pages: 2 };
        let id = pagemaps.memremap_pages(cpu, kind, span).expect("a pagemap");
        Self { pagemaps, id, uses, freed }
    }

    /// Allocates so many pages from the first frame on, as one folio.
    pub(crate) fn alloc(&self, cpu: &Cpu<'_>, pages: u32) -> Folio<'_> {
        self.pagemaps.alloc_folios(cpu, self.id, FIRST, pages).expect("free pages");
        self.pagemaps.memmap.folio(FIRST)
    }

    pub(crate) fn put(&self, cpu: &Cpu<'_>, folio: Folio<'_>) {
        self.pagemaps.folio_put_refs(cpu, folio, 1);
    }
}
