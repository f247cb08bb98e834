//! What a stress thread does to anonymous memory: huge pages that are taken apart, moved to the driver's memory and home,
//! unmapped in part, moved to other addresses and referred to, by several threads of a process at the same time.
//!
//! Each page holds its own number, wherever it is, or zero while nobody has stored it since it was mapped (I28). Each
//! mapping is one huge page, at its boundary: so the number is right even where another one has taken its addresses by the
//! time that they are touched. Nobody waits for references here: who finds one gives up.

use pgmap_mm::vm::GupKind;
use pgmap_mm::world::Return;
use pgmap_prim::Stopped;
use pgmap_program::Op;
use pgmap_program::op::{
    Access, Advice, Anon, AnonKind, Exclusive, HmmRead, HmmTodev, HmmTosys, Load, Longterm,
    Madvise, MapNo, MovePages, Mremap, Munmap, PageRange, Pin, SplitHugePages, Vmsplice,
};

use super::actions::{ANON, Action, ActionKind};
use super::worker::Worker;

/// Pages of one reference at most.
const PINNED: u32 = 8;

/// A part of a mapping, or all of it.
#[derive(Clone, Copy)]
struct Part {
    map: MapNo,
    page: u32,
    pages: u32,
    /// Pages of the mapping.
    size: u32,
    /// A choice that is left.
    pick: u32,
}

impl Worker<'_> {
    fn part(&self, action: &Action) -> Part {
        let size = self.threaded.world().geometry().pmd_pages();
        let (map, pick) = (MapNo(ANON + action.which % 2), action.pick / 4);
        // All of it now and then: only that goes as a whole.
        if action.pick.is_multiple_of(4) {
            return Part { map, page: 0, pages: size, size, pick };
        }
        let page = pick % size;
        Part { map, page, pages: action.pages.min(size - page), size, pick: pick / size }
    }

    pub(super) fn anon_map(&mut self, action: &Action) -> Result<bool, Stopped> {
        let Part { map, size, pick, .. } = self.part(action);
        let kind = if pick.is_multiple_of(4) { AnonKind::Pages } else { AnonKind::Huge };
        self.calls(action.kind, Anon { kind, map, pages: size })
    }

    pub(super) fn anon_read(&mut self, action: &Action) -> Result<bool, Stopped> {
        let Part { map, page, pages, .. } = self.part(action);
        let (world, id) = (self.threaded.world(), self.id);
        self.did(action.kind, |cpu| {
            (page..page + pages)
                .try_for_each(|page| world.load_kept(cpu, id, &Load { map, page }).map(drop))
        })
    }

    pub(super) fn anon_write(&mut self, action: &Action) -> Result<bool, Stopped> {
        let Part { map, page, .. } = self.part(action);
        let (world, id) = (self.threaded.world(), self.id);
        self.did(action.kind, |cpu| world.store_kept(cpu, id, map, page))
    }

    pub(super) fn anon_get(&mut self, action: &Action) -> Result<bool, Stopped> {
        let Part { map, page, pages, pick, .. } = self.part(action);
        let (world, id) = (self.threaded.world(), self.id);
        let access = if pick & 1 == 0 { Access::Read } else { Access::Write };
        let gup = if pick & 2 == 0 { GupKind::Get } else { GupKind::Pin };
        let wanted = Pin { map, page, pages: pages.min(PINNED), longterm: Longterm::Short, access };
        let taken = self.did(action.kind, |cpu| -> Return {
            let ticket = world.next_pin(cpu, id)?;
            world.pin_numbered(cpu, id, ticket, gup, &wanted)
        })?;
        self.pins += usize::from(taken);
        Ok(taken)
    }

    pub(super) fn anon_vmsplice(&mut self, action: &Action) -> Result<bool, Stopped> {
        let Part { map, page, .. } = self.part(action);
        self.calls(action.kind, Vmsplice { pipe: self.pipe(), map, page, pages: 1 })
    }

    pub(super) fn anon_dontneed(&mut self, action: &Action) -> Result<bool, Stopped> {
        let Part { map, page, .. } = self.part(action);
        self.calls(action.kind, Madvise { map, advice: Advice::DontNeed, page })
    }

    pub(super) fn anon_munmap(&mut self, action: &Action) -> Result<bool, Stopped> {
        let Part { map, page, pages, size, .. } = self.part(action);
        let range = Some(PageRange { page, pages }).filter(|_| pages < size);
        self.calls(action.kind, Munmap { map, range })
    }

    pub(super) fn anon_mremap(&mut self, action: &Action) -> Result<bool, Stopped> {
        self.calls(action.kind, Mremap { map: self.part(action).map })
    }

    pub(super) fn split_huge(&mut self, action: &Action) -> Result<bool, Stopped> {
        let Part { map, page, .. } = self.part(action);
        self.calls(action.kind, SplitHugePages { map, page })
    }

    pub(super) fn anon_todev(&mut self, action: &Action) -> Result<bool, Stopped> {
        let Part { map, page, pages, .. } = self.part(action);
        self.moved(action.kind, HmmTodev { device: 0, map, page, pages })
    }

    pub(super) fn anon_tosys(&mut self, action: &Action) -> Result<bool, Stopped> {
        let Part { map, page, pages, .. } = self.part(action);
        self.moved(action.kind, HmmTosys { device: 0, map, page, pages })
    }

    pub(super) fn device_read(&mut self, action: &Action) -> Result<bool, Stopped> {
        let Part { map, page, pages, .. } = self.part(action);
        self.calls(action.kind, HmmRead { device: page % 2, map, page, pages })
    }

    pub(super) fn exclusive(&mut self, action: &Action) -> Result<bool, Stopped> {
        let Part { map, page, pages, .. } = self.part(action);
        self.calls(action.kind, Exclusive { device: page % 2, map, page, pages })
    }

    pub(super) fn move_pages(&mut self, action: &Action) -> Result<bool, Stopped> {
        let Part { map, page, .. } = self.part(action);
        self.moved(action.kind, MovePages { map, page })
    }

    pub(super) fn shrink(&mut self, action: &Action) -> Result<bool, Stopped> {
        self.moved(action.kind, Op::Shrink)
    }

    /// Moves pages, and says whether any went.
    fn moved(&self, kind: ActionKind, op: impl Into<Op>) -> Result<bool, Stopped> {
        let (world, op) = (self.threaded.world(), op.into());
        self.enter(kind, |cpu| world.execute(cpu, self.id, &op).is_ok_and(|pages| pages > 0))
    }
}
