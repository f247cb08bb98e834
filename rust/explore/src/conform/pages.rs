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
use pgmap_program::Op;
use pgmap_program::op::{MapNo, Mmap, Mremap, WorkerId};
use pgmap_program::recording::{LargeMap, PageState};

/// A file, and the frames it had at the start.
#[derive(Debug)]
pub(super) struct Tracked {
    inode: InodeId,
    frames: Vec<Option<Pfn>>,
    /// Mappings that were moved: the recorder goes on looking where they were.
    moved: RefCell<BTreeSet<(WorkerId, MapNo)>>,
}

impl Tracked {
    /// Looks up the blocks of a file.
    pub(super) fn new(world: &World, inode: InodeId, pages: u32) -> Self {
        let frame = |index| world.dax.extent(inode, index).block();
        Self { inode, frames: (0..pages).map(frame).collect(), moved: RefCell::default() }
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

    /// The file.
    pub(super) fn inode(&self) -> InodeId {
        self.inode
    }

    fn state(&self, world: &World, cpu: &Cpu<'_>, index: u32, pfn: Pfn) -> PageState {
        if world.dax.pagemap().is_none() {
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
            share: Some(page.share.into()),
            mapping: page.mapping,
            tail_of: page.tail_of.map(|distance| -i64::from(distance)),
            ..PageState::default()
        };
        let mut mapped_by = BTreeSet::new();
        for coverage in world.coverage(cpu, self.inode, index, pfn) {
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
