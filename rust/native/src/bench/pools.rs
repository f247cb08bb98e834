//! `pgmap_alloc_folios` beside allocators of the usual shapes: `python -m pgmap.bench alloc`.
//!
//! | pattern | what an iteration is |
//! |---|---|
//! | repeat | a piece taken and given back |
//! | bulk | the same, but all pieces are taken first and then given back |
//! | random | a piece of any place taken if it is free and given back if not, twice |
//! | ragged | 511 pages, from the second of a block on: one call and nine folios here, page by page from a peer |
//!
//! Pieces are single pages and blocks of 2 MiB. Here the caller says where, pages become folios with a reference each, and
//! giving one back is its last put. A peer says where and makes nothing of its pages. A row is ours against one
//! of them, so 1 means that being told the place pays for writing the page words.

use std::time::{Duration, Instant};

use pgmap_mm::page::Pfn;
use pgmap_mm::pagemap::PagemapType;
use pgmap_prim::Cpu;
use pgmap_prim::measure::opaque;

use crate::bench::peers::{Bitmap, Buddy, Counters, HUGE, PAGES, Peer};
use crate::bench::refs::{Device, refused};
use crate::bench::stats::Dice;
use crate::bench::workload::{BuildError, Limit, Row, Side, Workload, per_iteration};

/// Blocks of 2 MiB: their page words stay in a second-level cache.
const BLOCKS: usize = 16;

/// What is taken at a time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Page,
    Huge,
    Ragged,
}

impl Piece {
    /// How many there are.
    fn places(self) -> usize {
        match self {
            Self::Page => BLOCKS * PAGES,
            Self::Huge | Self::Ragged => BLOCKS,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pattern {
    Repeat,
    Bulk,
    Random,
}

/// Hands out pieces, one for each place.
trait Pool {
    fn take(&mut self, piece: Piece, place: usize);
    fn give(&mut self, piece: Piece, place: usize);
}

/// Our device, from one CPU.
struct Ours<'a> {
    device: &'a Device,
    cpu: Cpu<'a>,
}

impl Pool for Ours<'_> {
    #[inline(always)]
    fn take(&mut self, piece: Piece, place: usize) {
        let (start, pages) = match piece {
            Piece::Page => (place, 1),
            Piece::Huge => (place * PAGES, PAGES),
            Piece::Ragged => (place * PAGES + 1, PAGES - 1),
        };
        let device = opaque(self.device);
        let first = Pfn(device.first.0 + start as u32);
        if device.pagemaps.alloc_folios(&self.cpu, device.id, first, pages as u32).is_err() {
            refused("alloc_folios");
        }
    }

    #[inline(always)]
    fn give(&mut self, piece: Piece, place: usize) {
        let device = opaque(self.device);
        let put = |page: usize| {
            let folio = device.pagemaps.memmap.folio(device.first.add(page as u32));
            device.pagemaps.folio_put_refs(&self.cpu, folio, 1);
        };
        match piece {
            Piece::Page => put(place),
            Piece::Huge => put(place * PAGES),
            // From the second page on, folios as large as they can be aligned.
            Piece::Ragged => (0..HUGE).for_each(|order| put(place * PAGES + (1 << order))),
        }
    }
}

/// A peer, and where it put what lies at each place of ours.
struct Theirs<P> {
    peer: P,
    at: Vec<usize>,
    ragged: Vec<usize>,
}

impl<P: Peer> Theirs<P> {
    fn new() -> Self {
        let (peer, at) = (P::new(BLOCKS), vec![0; BLOCKS * PAGES]);
        Self { peer, at, ragged: Vec::with_capacity(BLOCKS * PAGES) }
    }

    #[inline(always)]
    fn alloc(&self, order: u32) -> usize {
        opaque(&self.peer).alloc(order).unwrap_or_else(|| refused("a peer's block"))
    }
}

impl<P: Peer> Pool for Theirs<P> {
    #[inline(always)]
    fn take(&mut self, piece: Piece, place: usize) {
        match piece {
            Piece::Page => self.at[place] = self.alloc(0),
            Piece::Huge => self.at[place] = self.alloc(HUGE),
            Piece::Ragged => {
                for _ in 1..PAGES {
                    let page = self.alloc(0);
                    self.ragged.push(page);
                }
            }
        }
    }

    #[inline(always)]
    fn give(&mut self, piece: Piece, place: usize) {
        match piece {
            Piece::Page => self.peer.free(self.at[place], 0),
            Piece::Huge => self.peer.free(self.at[place], HUGE),
            Piece::Ragged => {
                let pages = self.ragged.len() - (PAGES - 1);
                self.ragged.drain(pages..).for_each(|page| self.peer.free(page, 0));
            }
        }
    }
}

/// Ours and a peer, under one pattern.
struct Beside<P> {
    ours: Device,
    theirs: Theirs<P>,
    piece: Piece,
    pattern: Pattern,
    dice: Dice,
}

/// Takes and gives back so many pieces, and leaves nothing out.
#[inline(always)]
fn run(pool: &mut impl Pool, by: (Piece, Pattern), pieces: u64, dice: &mut Dice) -> Duration {
    let (piece, pattern) = by;
    let (places, mut left) = (piece.places(), pieces as usize);
    let mut held = vec![false; places];
    let start = Instant::now();
    match pattern {
        Pattern::Repeat => (0..left).for_each(|_| {
            pool.take(piece, 0);
            pool.give(piece, 0);
        }),
        Pattern::Bulk => {
            while left > 0 {
                let some = left.min(places);
                (0..some).for_each(|place| pool.take(piece, place));
                (0..some).for_each(|place| pool.give(piece, place));
                left -= some;
            }
        }
        Pattern::Random => (0..2 * left).for_each(|_| {
            let place = dice.below(places);
            held[place] = !held[place];
            if held[place] {
                pool.take(piece, place);
            } else {
                pool.give(piece, place);
            }
        }),
    }
    let elapsed = start.elapsed();
    held.iter().enumerate().filter(|(_, held)| **held).for_each(|(at, _)| pool.give(piece, at));
    elapsed
}

impl<P: Peer> Workload for Beside<P> {
    fn measure(&mut self, side: Side, iterations: u64) -> f64 {
        let by = (self.piece, self.pattern);
        let elapsed = match side {
            Side::Subject => {
                let mut ours = Ours { device: &self.ours, cpu: self.ours.cpu() };
                run(&mut ours, by, iterations, &mut self.dice)
            }
            Side::Floor => run(&mut self.theirs, by, iterations, &mut self.dice),
        };
        per_iteration(elapsed, iterations)
    }
}

fn build<P: Peer>(piece: Piece, pattern: Pattern) -> Result<Box<dyn Workload>, BuildError> {
    let ours = Device::new(PagemapType::Coherent, (BLOCKS * PAGES) as u32)?;
    let (theirs, dice) = (Theirs::<P>::new(), Dice::of_thread(0));
    Ok(Box::new(Beside { ours, theirs, piece, pattern, dice }))
}

fn beside<P: Peer>() -> Vec<Row> {
    type Build = fn() -> Result<Box<dyn Workload>, BuildError>;
    let shapes: [(&str, Build); 7] = [
        ("repeat, 1 page", || build::<P>(Piece::Page, Pattern::Repeat)),
        ("repeat, 2 MiB", || build::<P>(Piece::Huge, Pattern::Repeat)),
        ("bulk, 1 page", || build::<P>(Piece::Page, Pattern::Bulk)),
        ("bulk, 2 MiB", || build::<P>(Piece::Huge, Pattern::Bulk)),
        ("random, 1 page", || build::<P>(Piece::Page, Pattern::Random)),
        ("random, 2 MiB", || build::<P>(Piece::Huge, Pattern::Random)),
        ("ragged, 511 pages", || build::<P>(Piece::Ragged, Pattern::Repeat)),
    ];
    let row = |(shape, build): (&str, Build)| Row {
        name: format!("{shape}, beside {}", P::NAME).into(),
        floor: P::NAME.into(),
        unit: "ns per piece",
        limit: Limit::at_most(&[]),
        build,
    };
    shapes.into_iter().map(row).collect()
}

/// Ours beside each peer.
pub(super) fn rows() -> Vec<Row> {
    [beside::<Buddy>(), beside::<Bitmap>(), beside::<Counters>()].concat()
}
