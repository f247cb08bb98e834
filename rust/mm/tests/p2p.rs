//! Device memory that is mapped at once (`p2p_mmap`).

mod common;

use common::*;
use pgmap_mm::pagemap::PagemapType;
use pgmap_mm::vm::Pte;
use pgmap_mm::world::Return;
use prim::Cpu;
use program::op::{DeviceMemory, HmmLoad, HmmRelease, Load, Munmap, P2pMmap, Store, TryGet, Unpin};
use program::rules::P2pError;
use program::{Era, Errno, Rules};

impl Fixture {
    fn map(&self, cpu: &Cpu<'_>, pages: u32, room: u32) -> Return {
        self.world.p2p_mmap(cpu, W0, &P2pMmap { map: M, pages, room })
    }

    fn unmap(&self, cpu: &Cpu<'_>) -> Return {
        self.world.munmap(cpu, W0, &Munmap { map: M, range: None })
    }

    fn release(&self, cpu: &Cpu<'_>) -> Return {
        self.world.hmm_release(cpu, W0, &HmmRelease { device: 0 })
    }
}

/// A worker, and a device whose memory CPUs reach.
fn provider(p2p_error: P2pError) -> Fixture {
    let fixture = Fixture::new(&COSY, Rules { p2p_error, ..Era::V6_15Sound.rules() });
    {
        let cpu = fixture.cpu(1);
        fixture.world.spawn(&cpu, W0).expect("a process");
        assert_eq!(fixture.map(&cpu, 1, 1), Err(Errno::EOPNOTSUPP.into()), "no CPU reaches it yet");
        assert_eq!(fixture.release(&cpu), Ok(0));
        assert_eq!(fixture.map(&cpu, 1, 1), Err(Errno::ENODEV.into()));
        let coherent = HmmLoad { memory: DeviceMemory::Coherent };
        assert_eq!(fixture.world.hmm_load(&cpu, W0, &coherent), Ok(0));
    }
    fixture
}

#[test]
fn its_pages_are_mapped_without_a_touch_and_each_holds_the_pagemap() {
    let fixture = provider(P2pError::Undone);
    let cpu = fixture.cpu(1);
    assert_eq!((fixture.map(&cpu, 3, 3), fixture.world.devmem.allocated(&cpu)), (Ok(0), 3));
    let Ok(Pte::Page(page)) = fixture.world.entry_of(&cpu, W0, M, 2) else { panic!("unmapped") };
    let folio = fixture.world.dax.vm.pagemaps.memmap.folio(page.pfn());
    assert_eq!((folio.refcount().get(), folio.mapcount()), (1, 1));
    let store = Store { map: M, page: 2, value: 7 };
    assert_eq!(fixture.world.store(&cpu, W0, &store), Ok(0));
    assert_eq!(fixture.world.load(&cpu, W0, &Load { map: M, page: 2 }), Ok(7));
    assert_eq!((fixture.unmap(&cpu), fixture.world.devmem.allocated(&cpu)), (Ok(0), 0));
    assert_eq!(fixture.release(&cpu), Ok(0), "nobody holds it");
    fixture.leave(cpu);
}

#[test]
fn an_mmap_that_fails_half_way_leaves_nothing_behind() {
    let fixture = provider(P2pError::Undone);
    let cpu = fixture.cpu(1);
    for room in 0..3 {
        assert_eq!(fixture.map(&cpu, 3, room), Err(Errno::ENOMEM.into()));
        assert_eq!(fixture.world.devmem.allocated(&cpu), 0);
        assert_eq!(fixture.unmap(&cpu), Err(Errno::EINVAL.into()), "there is no mapping");
    }
    let all = fixture.world.devmem.span().pages;
    assert_eq!(fixture.map(&cpu, all, all), Ok(0));
    assert_eq!(fixture.unmap(&cpu), Ok(0));
    fixture.leave(cpu);
}

#[test]
fn what_its_error_path_forgets_is_there_afterwards() {
    let fixture = provider(P2pError::RefLeft);
    let cpu = fixture.cpu(1);
    let pagemaps = &fixture.world.dax.vm.pagemaps;
    let first = fixture.world.devmem.span().start;
    let id = pagemaps.of_page(first).expect("plugged in");
    assert_eq!(pagemaps.kind(id), PagemapType::Coherent);
    assert_eq!((fixture.map(&cpu, 2, 1), pagemaps.ledger(id)), (Err(Errno::ENOMEM.into()), 2));
    let fixture = provider(P2pError::CountLeft);
    let cpu = fixture.cpu(1);
    assert_eq!(fixture.map(&cpu, 2, 1), Err(Errno::ENOMEM.into()));
    assert_eq!(fixture.world.try_get(&cpu, W0, &TryGet { page: 1 }), Ok(1), "a free page");
    assert_eq!(fixture.world.unpin(&cpu, W0, &Unpin { pin: None }), Ok(1));
}
