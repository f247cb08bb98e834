//! The words of the watched pages.
//!
//! A recorder looks a file's blocks up once, at the start, and watches those frames ever after: a page
//! whose block was taken away shows what became of the frame, and `va_elsewhere` when the mapping shows
//! another one.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use pgmap_mm::dax::InodeId;
use pgmap_mm::page::Pfn;
use pgmap_mm::world::{Coverage, World};
use pgmap_prim::Cpu;
use pgmap_program::op::{MapNo, Mmap, Mremap, WorkerId};
use pgmap_program::recording::{LargeMap, PageState};
use pgmap_program::{Op, Recording};

/// The orders in which a mirror device's driver may hand out the pages that are watched: its list is last in, first out,
/// and what came before the recording decides. The highest page first is a fresh chunk. Of anything else there is one.
pub(super) fn orders(recording: &Recording) -> Vec<Vec<u32>> {
    let watched = recording.observed.first().filter(|_| recording.mirror.is_some());
    let fresh: Vec<u32> =
        watched.into_iter().flat_map(|seen| seen.expect.pages.keys().rev().copied()).collect();
    if fresh.len() > MOST_ORDERED { vec![fresh] } else { permutations(&fresh) }
}

/// Every order of the given, that one first.
fn permutations(all: &[u32]) -> Vec<Vec<u32>> {
    let Some((first, rest)) = all.split_first() else { return vec![Vec::new()] };
    let with = |at: usize| {
        permutations(rest).into_iter().map(move |mut order| {
            order.insert(at.min(order.len()), *first);
            order
        })
    };
    (0..all.len()).flat_map(with).collect()
}

/// Watched pages whose orders are tried: more have too many.
const MOST_ORDERED: usize = 4;

/// A file, and the frames it had at the start.
#[derive(Debug)]
pub(super) struct Tracked {
    /// None: the frames are the driver's own.
    inode: Option<InodeId>,
    frames: Vec<Option<Pfn>>,
    /// Mappings that were moved: the recorder goes on looking where they were.
    moved: RefCell<BTreeSet<(WorkerId, MapNo)>>,
}

impl Tracked {
    /// Looks up the blocks of a file.
    pub(super) fn new(world: &World, inode: InodeId, pages: u32) -> Self {
        let frame = |index| world.dax.extent(inode, index).block();
        let frames = (0..pages).map(frame).collect();
        Self { inode: Some(inode), frames, moved: RefCell::default() }
    }

    /// The memory of a mirror device, whose driver here hands out its pages from the first on: which of the module's that
    /// are says `handed_out`.
    pub(super) fn mirror(world: &World, handed_out: &[u32]) -> Self {
        let first = world.devmem.span().start;
        let pages = handed_out.iter().max().map_or(0, |page| page + 1);
        let frame = |page| {
            let at = handed_out.iter().position(|it| *it == page)?;
            Some(first.add(at as u32))
        };
        Self { inode: None, frames: (0..pages).map(frame).collect(), moved: RefCell::default() }
    }

    /// A worker is about to do this.
    pub(super) fn hears(&self, worker: WorkerId, op: &Op) {
        let mut moved = self.moved.borrow_mut();
        match op {
            Op::Mremap(Mremap { map }) => drop(moved.insert((worker, *map))),
            Op::Mmap(Mmap { map, .. }) => drop(moved.remove(&(worker, *map))),
            _ => {}
        }
    }

    /// The frame a page had at the start.
    pub(super) fn frame(&self, index: u32) -> Option<Pfn> {
        self.frames.get(index as usize).copied().flatten()
    }

    /// The page that had a frame at the start.
    pub(super) fn page_of(&self, frame: u64) -> Option<usize> {
        self.frames.iter().position(|pfn| pfn.is_some_and(|pfn| u64::from(pfn.0) == frame))
    }

    /// What the pages look like now. A page the file never had has no words.
    pub(super) fn look<'a>(
        &self,
        world: &World,
        cpu: &Cpu<'_>,
        indices: impl IntoIterator<Item = &'a u32>,
    ) -> BTreeMap<u32, PageState> {
        let state = |&index: &u32| Some((index, self.state(world, cpu, index, self.frame(index)?)));
        indices.into_iter().filter_map(state).collect()
    }

    /// The file, if it is one.
    pub(super) fn inode(&self) -> Option<InodeId> {
        self.inode
    }

    fn state(&self, world: &World, cpu: &Cpu<'_>, index: u32, pfn: Pfn) -> PageState {
        let pagemap = match self.inode {
            Some(_) => world.dax.pagemap(),
            None => world.dev_pagemap(),
        };
        if pagemap.is_none() {
            return PageState { gone: true, ..PageState::default() };
        }
        let page = world.observe(pfn);
        let mut state = PageState {
            refcount: Some(page.refcount.into()),
            map: Some(page.mapcount.into()),
            order: page.order,
            large_map: page.large.map(|large| LargeMap::Counted(signed(large.mapcount))),
            entire_map: page.large.map(|large| signed(large.entire_mapcount)),
            pin: page.large.map(|large| large.pincount.into()),
            // Only pages of a file are shared; of others the word is what is left of their index.
            share: self.inode.map(|_| page.share.into()),
            mapping: page.mapping,
            tail_of: page.tail_of.map(|distance| -i64::from(distance)),
            ..PageState::default()
        };
        let mut mapped_by = BTreeSet::new();
        let coverages = self.inode.map(|inode| world.coverage(cpu, inode, index, pfn));
        for coverage in coverages.into_iter().flatten() {
            match coverage {
                Coverage::Mapped(worker, map) | Coverage::Elsewhere(worker, map)
                    if self.moved.borrow().contains(&(worker, map)) => {}
                Coverage::Mapped(worker, map) => {
                    mapped_by.insert(format!("{worker}/m{map}"));
                }
                Coverage::Elsewhere(..) => state.va_elsewhere = true,
            }
        }
        state.mapped_by = Some(mapped_by);
        state
    }
}

/// A count as the kernel has it, which may have been taken too often.
fn signed(count: u32) -> i64 {
    count.cast_signed().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_is_tried_once_and_the_given_first() {
        let all = permutations(&[9, 8, 7, 6]);
        assert_eq!((all.len(), all[0].as_slice()), (24, [9, 8, 7, 6].as_slice()));
        let distinct: BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), 24);
        assert_eq!(permutations(&[]), [Vec::<u32>::new()]);
    }
}
