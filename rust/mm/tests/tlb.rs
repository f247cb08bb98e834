//! Translations that CPUs keep: what an unmap must take from them, and what they allow.

mod common;

use common::*;
use pgmap_mm::vm::{CpuAccess, Died, MmId, Vm, Vpn};
use prim::Cpu;
use program::op::{Advice, Align, Layout, Load, Madvise, Mmap, Munmap, Prot, Store, WorkerId};
use program::{Era, Geometry};

/// The first process of a world has the first mm, and so on.
fn mm(process: u32) -> MmId {
    MmId(process)
}

/// The pages of a process's only mapping.
fn addresses(fixture: &Fixture, cpu: &Cpu<'_>, process: u32) -> Vec<Vpn> {
    let mapped = |at: &Vpn| fixture.world.dax.vm.find_vma(cpu, mm(process), *at).is_some();
    let first = (0..).map(Vpn).find(mapped).expect("a mapping");
    (first.0..).map(Vpn).take_while(mapped).collect()
}

/// An access past every check of a system call: what the CPU itself does.
fn access(
    fixture: &Fixture,
    cpu: &Cpu<'_>,
    process: u32,
    at: Vpn,
    access: CpuAccess,
) -> Result<u64, Died> {
    fixture.world.dax.vm.access(cpu, mm(process), at, access, &fixture.world.dax)
}

#[test]
fn an_unmap_takes_the_translations_of_its_whole_range_from_every_cpu() {
    for (layout, align) in [(Layout::Contiguous, Align::Odd), (Layout::Huge, Align::Natural)] {
        let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
        let (first, second) = (fixture.cpu(1), fixture.cpu(2));
        fixture.file(&first, F, 32, layout);
        fixture.start(&first, W0, F, 32, align);
        let all = addresses(&fixture, &first, 0);
        assert_eq!(all.len(), 32);
        let load = |at: &Vpn| access(&fixture, &second, 0, *at, CpuAccess::Load);
        assert!(all.iter().all(|at| load(at).is_ok()), "a translation of each");
        fixture.world.munmap(&first, W0, &Munmap { map: M, range: None }).expect("munmap");
        let served: Vec<_> = all.iter().filter(|at| load(at) != Err(Died::Sigsegv)).collect();
        assert!(served.is_empty(), "{layout:?}: {served:?}");
        assert_eq!(fixture.complaints(), []);
    }
}

#[test]
fn what_may_only_be_read_is_not_written_through_a_translation_for_reading() {
    for (layout, align) in [(Layout::Contiguous, Align::Odd), (Layout::Huge, Align::Natural)] {
        let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
        let cpu = fixture.cpu(1);
        fixture.file(&cpu, F, 8, layout);
        fixture.start_with(&cpu, W0, F);
        fixture
            .world
            .mmap(&cpu, W0, &Mmap { pages: 8, prot: Prot::Read, align, ..MMAP })
            .expect("a mapping");
        let at = addresses(&fixture, &cpu, 0)[2];
        assert_eq!(
            access(&fixture, &cpu, 0, at, CpuAccess::Store(5)),
            Err(Died::Sigsegv),
            "at once"
        );
        assert_eq!(access(&fixture, &cpu, 0, at, CpuAccess::Load), Ok(0));
        assert_eq!(
            access(&fixture, &cpu, 0, at, CpuAccess::Store(5)),
            Err(Died::Sigsegv),
            "translated"
        );
        assert_eq!(access(&fixture, &cpu, 0, at, CpuAccess::Load), Ok(0));
    }
}

#[test]
fn a_translation_is_of_one_process() {
    // So many that two of them keep a page at the same place of a TLB.
    let geometry = Geometry { procs_max: 17, files_max: 17, ..COSY };
    let fixture = Fixture::new(&geometry, Era::V6_15Sound.rules());
    let cpu = fixture.cpu(1);
    for process in 0..17_u8 {
        let file = program::op::FileIdx(process.into());
        fixture.file(&cpu, file, 1, Layout::Contiguous);
        fixture.start(&cpu, WorkerId(process), file, 1, Align::Odd);
        let stored = fixture.world.store(
            &cpu,
            WorkerId(process),
            &Store { map: M, page: 0, value: u64::from(process) + 100 },
        );
        assert_eq!(stored, Ok(0));
    }
    for process in (0..17).chain((0..17).rev()) {
        let seen = fixture.world.load(&cpu, WorkerId(process), &Load { map: M, page: 0 });
        assert_eq!(seen, Ok(i64::from(process) + 100), "w{process}");
    }
    fixture.exit_all(&cpu);
}

#[test]
fn nothing_is_mapped_past_the_end_of_an_address_space() {
    let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
    let cpu = fixture.cpu(1);
    fixture.file(&cpu, F, 1, Layout::Contiguous);
    let processes = u32::from(COSY.procs_max);
    (0..COSY.procs_max as u8).for_each(|it| fixture.start(&cpu, WorkerId(it), F, 1, Align::Odd));
    let tables = Vm::tables_of(&COSY) as u32;
    let end = tables / processes * COSY.pmd_pages();
    for process in 0..processes {
        for at in [end - 1, end, end + 1, u32::MAX] {
            let died = access(&fixture, &cpu, process, Vpn(at), CpuAccess::Load);
            assert_eq!(died, Err(Died::Sigsegv), "process {process} at {at}");
        }
    }
    fixture.exit_all(&cpu);
}

#[test]
fn a_page_table_without_entries_waits_for_walks_of_the_hardware_too() {
    let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
    {
        let cpu = fixture.cpu(1);
        fixture.file(&cpu, F, 1, Layout::Contiguous);
        fixture.start(&cpu, W0, F, 1, Align::Odd);
        assert_eq!(fixture.write(&cpu, W0, 0), Ok(0));
        fixture
            .world
            .madvise(&cpu, W0, &Madvise { map: M, advice: Advice::DontNeed, page: 0 })
            .expect("the table stays, and has no entry");
    }
    assert_eq!(fixture.world.dax.vm.live_tables(), 1);
    std::thread::scope(|threads| {
        let walker = fixture.cpu(1);
        let walk = walker.access_begin();
        let unmap = threads.spawn(|| {
            fixture
                .world
                .munmap(&fixture.cpu(2), W0, &Munmap { map: M, range: None })
                .expect("munmap")
        });
        let waits = || fixture.machine.waiters().iter().any(|it| it.class.name == "flush_tlb");
        until(|| waits() || unmap.is_finished());
        assert_eq!(fixture.world.dax.vm.live_tables(), 1, "unlinked, and not free");
        drop(walk);
    });
    assert_eq!(fixture.world.dax.vm.live_tables(), 0);
}
