//! A world with one process and one file, outside the scheduler: what a check complains of is recorded.

use std::sync::Arc;

use pgmap_mm_explored::page::{Folio, Pfn};
use pgmap_mm_explored::pagemap::Pagemaps;
use pgmap_mm_explored::vm::GupKind;
use pgmap_mm_explored::warn::Complaint;
use pgmap_mm_explored::world::World;
use prim::{Arena, Cpu, Lease, Machine, TaskId};
use program::op::{
    Access, Align, FdNo, FileIdx, FileRef, FileState, Get, Layout, Longterm, MapNo, Mmap, Open,
    OpenMode, PageRange, Pin, Prot, Sharing, Target, Touch, WorkerId,
};
use program::{Era, Geometry};

pub(crate) const W0: WorkerId = WorkerId(0);
pub(crate) const M: MapNo = MapNo(0);
const F: FileIdx = FileIdx(0);

pub(crate) struct Rig {
    pub(crate) world: World,
    pub(crate) machine: Arc<Machine>,
    /// The first page of the file.
    pub(crate) head: Pfn,
}

impl Rig {
    /// A process that has written to the first page of a huge file, or of one without huge pages.
    pub(crate) fn new(layout: Layout) -> Self {
        let geometry = Geometry::SMALL;
        let machine = Machine::new(geometry.cpus.into());
        let arena = Arena::new(World::reserve(&geometry)).expect("address space");
        let (world, head) = {
            let cpu = lease(&machine);
            let rules = Era::V6_15Sound.rules();
            let world = World::new(&arena, &cpu, &geometry, rules).expect("a world");
            world.spawn(&cpu, W0).expect("a process");
            world.create_file(&cpu, F, 4, Some(FileState::Written), layout).expect("a file");
            let target = Target::File(F);
            world
                .open(&cpu, W0, &Open { fd: FdNo(0), target, mode: OpenMode::ReadWrite })
                .expect("a descriptor");
            let align = if layout == Layout::Huge { Align::Natural } else { Align::Odd };
            let fd = FileRef::Fd(FdNo(0));
            world
                .mmap(
                    &cpu,
                    W0,
                    &Mmap {
                        map: M,
                        file: fd,
                        offset: 0,
                        pages: 4,
                        prot: Prot::ReadWrite,
                        sharing: Sharing::Shared,
                        align,
                    },
                )
                .expect("a mapping");
            let first = PageRange { page: 0, pages: 1 };
            world
                .touch_each(
                    &cpu,
                    W0,
                    &Touch { access: Access::Write, map: M, page: first.page, pages: first.pages },
                    |_| 7,
                )
                .expect("a page");
            let inode = world.name_lookup(&cpu, F).expect("an inode");
            let head = world.dax.extent(inode, 0).block().expect("a block");
            (world, head)
        };
        Self { world, machine, head }
    }

    pub(crate) fn small() -> Self {
        Self::new(Layout::Contiguous)
    }

    pub(crate) fn cpu(&self) -> Cpu<'_> {
        lease(&self.machine)
    }

    pub(crate) fn pagemaps(&self) -> &Pagemaps {
        &self.world.dax.vm.pagemaps
    }

    pub(crate) fn folio(&self) -> Folio<'_> {
        self.pagemaps().memmap.folio(self.head)
    }

    pub(crate) fn hold(&self, kind: GupKind, pages: u32) {
        let cpu = self.cpu();
        let (map, page, access) = (M, 0, Access::Read);
        let held = match kind {
            GupKind::Pin => {
                let longterm = Longterm::Short;
                self.world.pin(&cpu, W0, &Pin { map, page, pages, longterm, access })
            }
            GupKind::Get => self.world.get(&cpu, W0, &Get { map, page, pages }),
        };
        held.expect("held");
    }

    pub(crate) fn complaints(&self) -> Vec<Complaint> {
        let known = |code| Complaint::from_code(code).expect("a complaint of the protocol");
        self.machine.warnings().iter().map(|record| known(record.warn.code)).collect()
    }
}

fn lease(machine: &Machine) -> Cpu<'_> {
    machine.lease(Lease::of(TaskId(1))).expect("a free CPU")
}
