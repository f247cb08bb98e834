//! What the tests share: a machine with a world on it, leases that must succeed, calls that must
//! succeed, and waiting for a state instead of for a time.
#![allow(dead_code)]

use std::sync::Arc;
use std::time::Duration;

use pgmap_mm::dax::{Extent, InodeId};
use pgmap_mm::page::Pfn;
use pgmap_mm::warn::Complaint;
use pgmap_mm::world::{Return, World};
use prim::{Arena, Cpu, Lease, Machine, TaskId, TaskState};
use program::op::{
    Access, Align, FdNo, FileIdx, FileRef, FileState, Get, Layout, Longterm, MapNo, Mmap, Open,
    OpenMode, Pin, Prot, Sharing, Target, Touch, WorkerId,
};
use program::{Era, Geometry, Rules};

/// Long enough never to matter, short enough that a hang fails the test instead of hanging it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Small enough to reuse blocks at once, with huge pages of eight.
pub(crate) const COSY: Geometry = Geometry {
    pmd_order: 3,
    gather_batch: 4,
    cpus: 8,
    pages: 128,
    dev_pages: 64,
    files_max: 8,
    file_pages_max: 64,
    procs_max: 8,
    ..Geometry::REAL
};

pub(crate) const W0: WorkerId = WorkerId(0);
pub(crate) const W1: WorkerId = WorkerId(1);
pub(crate) const W2: WorkerId = WorkerId(2);
pub(crate) const F: FileIdx = FileIdx(0);
pub(crate) const G: FileIdx = FileIdx(1);
pub(crate) const M: MapNo = MapNo(0);

/// A short pin of the first page of map 0, to read through.
pub(crate) const PIN: Pin =
    Pin { map: M, page: 0, pages: 1, longterm: Longterm::Short, access: Access::Read };

/// A shared mapping that no huge page fits, of a page of what is open as fd 0.
pub(crate) const MMAP: Mmap = Mmap {
    map: M,
    file: FileRef::Fd(FdNo(0)),
    offset: 0,
    pages: 1,
    prot: Prot::ReadWrite,
    sharing: Sharing::Shared,
    align: Align::Odd,
};

/// A world, the machine it runs on and the memory it lives in.
pub(crate) struct Fixture {
    pub(crate) world: World,
    pub(crate) machine: Arc<Machine>,
    pub(crate) arena: Arena,
}

impl Fixture {
    pub(crate) fn new(geometry: &Geometry, rules: Rules) -> Self {
        geometry.validate().expect("a possible geometry");
        let machine = Machine::new(geometry.cpus.into());
        let arena = Arena::new(World::reserve(geometry)).expect("address space");
        let world = {
            let cpu = machine.lease(Lease::of(TaskId(0))).expect("a CPU");
            World::new(&arena, &cpu, geometry, rules).expect("a world")
        };
        Self { world, machine, arena }
    }

    /// A CPU for a task that will wait for at most [`PATIENCE`].
    pub(crate) fn cpu(&self, task: u32) -> Cpu<'_> {
        cpu(&self.machine, task)
    }

    pub(crate) fn complaints(&self) -> Vec<Complaint> {
        complaints(&self.machine)
    }

    /// What the machine complained about since the last look.
    pub(crate) fn take_complaints(&self) -> Vec<Complaint> {
        let all = self.complaints();
        self.machine.clear_warnings();
        all
    }

    /// Waits until `task` sleeps for something of this class.
    pub(crate) fn until_waits_for(&self, task: u32, class: &str) {
        until_waits_for(&self.machine, task, class);
    }

    /// Everything in the books balances and nothing was complained about.
    pub(crate) fn assert_at_rest(&self) {
        let cpu = self.cpu(0);
        assert_eq!(self.world.quiescence(&cpu), Vec::<String>::new());
        assert_eq!(self.machine.warnings(), Vec::new(), "{:?}", self.complaints());
    }

    /// Starts `worker` with `file` mapped as map 0 and open as fd 0.
    pub(crate) fn start(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        file: FileIdx,
        pages: u32,
        align: Align,
    ) {
        self.start_with(cpu, worker, file);
        self.world.mmap(cpu, worker, &Mmap { pages, align, ..MMAP }).expect("a mapping");
    }

    /// Starts `worker` with `file` open as fd 0.
    pub(crate) fn start_with(&self, cpu: &Cpu<'_>, worker: WorkerId, file: FileIdx) {
        self.world.spawn(cpu, worker).expect("a process");
        open(&self.world, cpu, worker, file);
    }

    pub(crate) fn exit_all(&self, cpu: &Cpu<'_>) {
        let running: Vec<_> = self.world.running().collect();
        for worker in running {
            self.world.exit(cpu, worker).expect("exit");
        }
    }

    /// Everybody leaves, and what is left is a world at rest.
    pub(crate) fn leave(&self, cpu: Cpu<'_>) {
        self.exit_all(&cpu);
        drop(cpu);
        self.assert_at_rest();
    }

    pub(crate) fn file(&self, cpu: &Cpu<'_>, file: FileIdx, pages: u32, layout: Layout) -> InodeId {
        self.file_as(cpu, file, pages, Some(FileState::Written), layout)
    }

    /// A file whose blocks are in this state, or one of holes.
    pub(crate) fn file_as(
        &self,
        cpu: &Cpu<'_>,
        file: FileIdx,
        pages: u32,
        state: Option<FileState>,
        layout: Layout,
    ) -> InodeId {
        self.world.create_file(cpu, file, pages, state, layout).expect("a file");
        self.world.name_lookup(cpu, file).expect("an inode")
    }

    /// The frame behind a page of a file.
    pub(crate) fn frame(&self, inode: InodeId, index: u32) -> Pfn {
        match self.world.dax.extent(inode, index) {
            Extent::Written(pfn) | Extent::Unwritten(pfn) => pfn,
            Extent::Hole => panic!("page {index} is a hole"),
        }
    }

    pub(crate) fn write(&self, cpu: &Cpu<'_>, worker: WorkerId, page: u32) -> Return {
        touch(&self.world, cpu, worker, page, Access::Write)
    }

    pub(crate) fn read(&self, cpu: &Cpu<'_>, worker: WorkerId, page: u32) -> Return {
        touch(&self.world, cpu, worker, page, Access::Read)
    }

    /// A short pin of pages of map 0.
    pub(crate) fn pin(&self, cpu: &Cpu<'_>, worker: WorkerId, page: u32, pages: u32) -> Return {
        self.world.pin(cpu, worker, &Pin { page, pages, ..PIN })
    }

    /// A plain reference on pages of map 0, held like a pin.
    pub(crate) fn get(&self, cpu: &Cpu<'_>, worker: WorkerId, page: u32, pages: u32) -> Return {
        self.world.get(cpu, worker, &Get { map: M, page, pages })
    }
}

/// A test in a [`COSY`] world with right rules. When it is over everybody leaves, and the world must be at rest.
pub(crate) fn in_a_world(test: impl FnOnce(&Fixture, &Cpu<'_>)) {
    let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
    let cpu = fixture.cpu(1);
    test(&fixture, &cpu);
    fixture.leave(cpu);
}

/// As [`in_a_world`], where [`W0`] has mapped a file of so many pages: with huge pages if it has any.
pub(crate) fn with_mapped(
    pages: u32,
    layout: Layout,
    test: impl FnOnce(&Fixture, &Cpu<'_>, InodeId),
) {
    with_mapped_as(Some(FileState::Written), pages, layout, test);
}

/// As [`with_mapped`], of a file whose blocks are in this state, or of holes.
pub(crate) fn with_mapped_as(
    state: Option<FileState>,
    pages: u32,
    layout: Layout,
    test: impl FnOnce(&Fixture, &Cpu<'_>, InodeId),
) {
    in_a_world(|fixture, cpu| {
        let inode = fixture.file_as(cpu, F, pages, state, layout);
        let align = if layout == Layout::Huge { Align::Natural } else { Align::Odd };
        fixture.start(cpu, W0, F, pages, align);
        test(fixture, cpu, inode);
    });
}

pub(crate) fn cpu(machine: &Machine, task: u32) -> Cpu<'_> {
    let lease = Lease { task: TaskId(task), deadline: Some(PATIENCE), poll: None };
    machine.lease(lease).expect("a free CPU")
}

pub(crate) fn complaints(machine: &Machine) -> Vec<Complaint> {
    let known = |code| Complaint::from_code(code).expect("a complaint of the protocol");
    machine.warnings().iter().map(|record| known(record.warn.code)).collect()
}

pub(crate) fn until(mut cond: impl FnMut() -> bool) {
    while !cond() {
        std::thread::yield_now();
    }
}

pub(crate) fn until_waits_for(machine: &Machine, task: u32, class: &str) {
    until(|| {
        let asleep = matches!(machine.task_state(TaskId(task)), TaskState::Asleep(_));
        let here = |w: &prim::Waiter| w.task == TaskId(task) && w.class.name == class;
        asleep && machine.waiters().iter().any(here)
    });
}

pub(crate) fn fd() -> FileRef {
    FileRef::Fd(FdNo(0))
}

pub(crate) fn open(world: &World, cpu: &Cpu<'_>, worker: WorkerId, file: FileIdx) {
    let target = Target::File(file);
    world
        .open(cpu, worker, &Open { fd: FdNo(0), target, mode: OpenMode::ReadWrite })
        .expect("a descriptor");
}

pub(crate) fn touch(
    world: &World,
    cpu: &Cpu<'_>,
    worker: WorkerId,
    page: u32,
    access: Access,
) -> Return {
    world.touch_each(cpu, worker, &Touch { access, map: M, page, pages: 1 }, |_| 7)
}

/// Numbers that look random and are the same on every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 33) % u64::from(sides)) as u32
    }
}
