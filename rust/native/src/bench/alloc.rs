//! `pgmap_alloc_folios` against writing the page words it has to write.
//!
//! What is compared: allocation alone, on both sides. Folios are put, and the floor's words cleared,
//! between timed batches. The floor of a 2 MiB folio is one pass over the words of its 512 pages, at the
//! same distance in memory, that *reads* the two words deciding whether a page is free (count and
//! head) and *writes* the three that make it a tail (head, flags, mapcount): five of the eight words of
//! each page, none of them twice. A pass over all eight would be slower and the row easier to keep.
//! The floor of a single page is one compare-and-exchange on its count.

use std::time::{Duration, Instant};

use pgmap_mm::page::Pfn;
use pgmap_mm::pagemap::PagemapType;
use pgmap_prim::measure::opaque;

use crate::bench::refs::{Device, refused};
use crate::bench::words::PageArray;
use crate::bench::workload::{BuildError, EPYC, Limit, Row, Side, Workload, per_iteration, setup};

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row {
            name: "alloc_folios, 2 MiB".into(),
            floor: "one pass reading and writing the page words it needs".into(),
            unit: "ns per folio",
            limit: Limit::at_most(&[(EPYC, 2.0)]),
            build: || Ok(Box::new(Batches::new(Piece::Huge)?)),
        },
        Row {
            name: "alloc_folios, 1 page".into(),
            floor: "one CAS on the page's count".into(),
            unit: "ns per folio",
            limit: Limit::at_most(&[(EPYC, 4.0)]),
            build: || Ok(Box::new(Batches::new(Piece::Small)?)),
        },
    ]
}

/// Pages of the device: 256 KiB of page words, which stay in a second-level cache.
const PAGES: u32 = 16 * 512;

/// What is allocated at a time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Huge,
    Small,
}

impl Piece {
    fn pages(self) -> u32 {
        match self {
            Self::Huge => 512,
            Self::Small => 1,
        }
    }
}

/// The device is filled piece by piece in timed batches, and emptied between them.
struct Batches {
    device: Device,
    floor: PageArray,
    piece: Piece,
}

impl Batches {
    fn new(piece: Piece) -> Result<Self, BuildError> {
        let device = Device::new(PagemapType::Coherent, PAGES)?;
        let floor = PageArray::new(PAGES as usize);
        let batches = Self { device, floor, piece };
        // Touches every word, and shows that the device can be filled.
        let all = batches.device.pagemaps.alloc_folios(
            &batches.device.cpu(),
            batches.device.id,
            batches.device.first,
            PAGES,
        );
        setup("alloc_folios", all)?;
        batches.empty(Piece::Huge, PAGES);
        Ok(batches)
    }

    /// Puts what the first `pages` pages were allocated as.
    fn empty(&self, piece: Piece, pages: u32) {
        let (device, cpu) = (&self.device, self.device.cpu());
        for page in (0..pages).step_by(piece.pages() as usize) {
            let folio = device.pagemaps.memmap.folio(device.first.add(page));
            device.pagemaps.folio_put_refs(&cpu, folio, 1);
        }
    }

    /// Fills the first `pages` pages.
    fn fill(&self, side: Side, pages: u32) -> Duration {
        let step = self.piece.pages();
        let cpu = self.device.cpu();
        let start = Instant::now();
        match (side, self.piece) {
            (Side::Subject, _) => {
                for page in (0..pages).step_by(step as usize) {
                    let device = opaque(&self.device);
                    let first = Pfn(device.first.0 + page);
                    let made = device.pagemaps.alloc_folios(&cpu, device.id, first, step);
                    if made.is_err() {
                        refused("alloc_folios");
                    }
                }
            }
            (Side::Floor, Piece::Huge) => {
                for page in (0..pages as usize).step_by(512) {
                    if !self.floor.claim_and_write(page..page + 512) {
                        refused("the floor's page");
                    }
                }
            }
            (Side::Floor, Piece::Small) => self.floor.cas_each(0..pages as usize),
        }
        start.elapsed()
    }
}

impl Workload for Batches {
    fn measure(&mut self, side: Side, iterations: u64) -> f64 {
        let per_batch = u64::from(PAGES / self.piece.pages());
        let mut elapsed = Duration::ZERO;
        let mut left = iterations.max(1);
        while left > 0 {
            let pieces = left.min(per_batch);
            let pages = pieces as u32 * self.piece.pages();
            elapsed += self.fill(side, pages);
            match side {
                Side::Subject => self.empty(self.piece, pages),
                Side::Floor => self.floor.release(),
            }
            left -= pieces;
        }
        per_iteration(elapsed, iterations.max(1))
    }
}
