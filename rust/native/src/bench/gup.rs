//! `gup_fast` and unpin: of one page against the atomics in it, of a PMD-mapped range against one page,
//! and on two threads against what the machine lets two threads gain.

use pgmap_mm::page::Pfn;
use pgmap_mm::vm::{GupKind, GupRange, GupRequest, MmId, Pte, Vm, Vpn};
use pgmap_prim::measure::{allowed_processors, opaque};
use pgmap_prim::{Cpu, Lease, TaskId};
use pgmap_program::op::{
    Access, Align, FdNo, FileIdx, FileRef, FileState, Layout, Longterm, MapNo, Mmap, Open,
    OpenMode, PageRange, Prot, Sharing, Target, Touch, WorkerId,
};
use pgmap_program::{Era, Geometry};

use crate::bench::refs::refused;
use crate::bench::together::together;
use crate::bench::words::HeldPage;
use crate::bench::workload::{BuildError, EPYC, Limit, Row, Side, Workload, nanos_each, setup};
use crate::threaded::{Patience, ThreadedWorld};

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row {
            name: "gup_fast+unpin, 1 page".into(),
            floor: "CAS + locked add + locked subtract".into(),
            unit: "ns per pair",
            limit: Limit::at_most(&[(EPYC, 3.0)]),
            build: || Ok(Box::new(OnePage::new()?)),
        },
        Row {
            name: "gup_fast+unpin, 2 MiB by PMD".into(),
            floor: "gup_fast+unpin of 1 page".into(),
            unit: "ns per pair",
            limit: Limit::at_most(&[(EPYC, 2.0)]),
            build: || Ok(Box::new(HugeRange::new()?)),
        },
        Row {
            name: "gup_fast+unpin, 2 threads".into(),
            floor: "gain of the same atomics on 2 threads".into(),
            unit: "gain over 1 thread",
            limit: Limit::at_least(&[(EPYC, 0.92)]),
            build: || Ok(Box::new(TwoThreads::new()?)),
        },
    ]
}

/// Distance between the pages of two threads: neither their words nor their entries share a line.
const APART: u32 = 64;

/// A process with a written file mapped and some of its pages touched.
pub(super) struct Mapped {
    threaded: ThreadedWorld,
    mm: MmId,
    first: Vpn,
}

impl Mapped {
    pub(super) fn new(
        layout: Layout,
        align: Align,
        pages: u32,
        touched: &[u32],
    ) -> Result<Self, BuildError> {
        let threaded = ThreadedWorld::new(&Geometry::REAL, Era::V6_15Sound.rules())?;
        let mapped = threaded.enter(0, Patience::default(), |cpu| {
            let (world, worker, map) = (threaded.world(), WorkerId(0), MapNo(0));
            let (file, fd) = (FileIdx(0), FdNo(0));
            setup("create", world.create_file(cpu, file, pages, Some(FileState::Written), layout))?;
            setup("spawn", world.spawn(cpu, worker))?;
            let target = Target::File(file);
            setup(
                "open",
                world.open(cpu, worker, &Open { fd, target, mode: OpenMode::ReadWrite }),
            )?;
            let opened = FileRef::Fd(fd);
            let rw = Prot::ReadWrite;
            setup(
                "mmap",
                world.mmap(
                    cpu,
                    worker,
                    &Mmap {
                        map,
                        file: opened,
                        offset: 0,
                        pages,
                        prot: rw,
                        sharing: Sharing::Shared,
                        align,
                    },
                ),
            )?;
            for &page in touched {
                let range = PageRange { page, pages: 1 };
                setup(
                    "touch",
                    world.touch_each(
                        cpu,
                        worker,
                        &Touch { access: Access::Write, map, page: range.page, pages: range.pages },
                        |_| 1,
                    ),
                )?;
            }
            // The only process of a fresh world has its first mm.
            let mm = MmId(0);
            let mut first = None;
            world.dax.vm.mapped(cpu, mm, |vpn, _| {
                first.get_or_insert(vpn);
            });
            first
                .map(|first| (mm, first))
                .ok_or_else(|| BuildError("nothing was mapped".to_owned()))
        });
        let (mm, first) = setup("a world", mapped)??;
        Ok(Self { threaded, mm, first })
    }

    pub(super) fn request(&self, page: u32, pages: u32) -> GupRequest {
        GupRequest {
            start: Vpn(self.first.0 + page),
            pages,
            kind: GupKind::Pin,
            access: Access::Write,
            longterm: Longterm::Short,
        }
    }

    fn vm(&self) -> &Vm {
        &self.threaded.world().dax.vm
    }

    pub(super) fn cpu(&self, task: u32) -> Cpu<'_> {
        let lease = Lease::of(TaskId(task));
        self.threaded.machine().lease(lease).expect("a machine of our own has a CPU to spare")
    }

    /// Pins what `request` says as one range, and unpins it.
    #[inline(always)]
    pub(super) fn pin_and_unpin(&self, cpu: &Cpu<'_>, request: &GupRequest, pairs: u64) {
        let vm = self.vm();
        let mut out = [GupRange::EMPTY];
        for _ in 0..pairs {
            let vm = opaque(vm);
            let (pages, ranges) = vm.gup_fast_only(cpu, self.mm, opaque(request), &mut out);
            if pages != request.pages || ranges != 1 {
                refused("gup_fast");
            }
            vm.gup_put(cpu, &out[0]);
        }
    }
}

struct OnePage {
    mapped: Mapped,
    floor: Box<HeldPage>,
}

impl OnePage {
    fn new() -> Result<Self, BuildError> {
        let mapped = Mapped::new(Layout::Contiguous, Align::Odd, 16, &[0])?;
        Ok(Self { mapped, floor: Box::default() })
    }
}

impl Workload for OnePage {
    fn measure(&mut self, side: Side, iterations: u64) -> f64 {
        if side == Side::Floor {
            return nanos_each(iterations, || self.floor.pin_and_unpin(iterations));
        }
        let (cpu, request) = (self.mapped.cpu(0), self.mapped.request(0, 1));
        nanos_each(iterations, || self.mapped.pin_and_unpin(&cpu, &request, iterations))
    }
}

/// One reference for 512 pages, against one reference for one.
struct HugeRange {
    huge: Mapped,
    small: Mapped,
}

impl HugeRange {
    fn new() -> Result<Self, BuildError> {
        let huge = Mapped::new(Layout::Huge, Align::Natural, 512, &[0])?;
        let frame = |page| match huge.vm().walk(huge.mm, huge.first.add(page)) {
            Pte::None | Pte::Migration(_) | Pte::DevicePrivate(_) | Pte::Exclusive(_) => None,
            Pte::Page(page) => Some(page.pfn()),
        };
        let is_whole = |head: Pfn| {
            let folio = huge.vm().pagemaps.memmap.folio(head);
            folio.is_large() && frame(511) == Some(head.add(511))
        };
        if !frame(0).is_some_and(is_whole) {
            return Err(BuildError("the file was not mapped by a PMD".to_owned()));
        }
        Ok(Self { huge, small: Mapped::new(Layout::Contiguous, Align::Odd, 16, &[0])? })
    }
}

impl Workload for HugeRange {
    fn measure(&mut self, side: Side, iterations: u64) -> f64 {
        let (mapped, pages) = match side {
            Side::Subject => (&self.huge, 512),
            Side::Floor => (&self.small, 1),
        };
        let (cpu, request) = (mapped.cpu(0), mapped.request(0, pages));
        nanos_each(iterations, || mapped.pin_and_unpin(&cpu, &request, iterations))
    }
}

/// Threads of one process pin pages that have nothing in common but file, page table and pagemap.
struct TwoThreads {
    mapped: Mapped,
    floors: [Box<HeldPage>; 2],
    processors: [usize; 2],
}

impl TwoThreads {
    fn new() -> Result<Self, BuildError> {
        let [first, second, ..] = allowed_processors()[..] else {
            return Err(BuildError("needs two processors".to_owned()));
        };
        let mapped = Mapped::new(Layout::Contiguous, Align::Odd, 2 * APART, &[0, APART])?;
        Ok(Self { mapped, floors: Default::default(), processors: [first, second] })
    }

    fn work(&self, side: Side, thread: usize, iterations: u64) {
        match side {
            Side::Floor => self.floors[thread].pin_and_unpin(iterations),
            Side::Subject => {
                let request = self.mapped.request(thread as u32 * APART, 1);
                let cpu = self.mapped.cpu(thread as u32);
                self.mapped.pin_and_unpin(&cpu, &request, iterations);
            }
        }
    }

    /// Iterations a nanosecond of `threads` threads together.
    fn rate(&self, side: Side, threads: usize, iterations: u64) -> f64 {
        let work = |thread, iterations| self.work(side, thread, iterations);
        let times = together(threads, &self.processors, iterations, work);
        times.iter().map(|it| iterations as f64 / it.as_nanos().max(1) as f64).sum()
    }
}

impl Workload for TwoThreads {
    /// The gain of a second thread.
    fn measure(&mut self, side: Side, iterations: u64) -> f64 {
        let alone = self.rate(side, 1, iterations);
        self.rate(side, 2, iterations) / alone
    }

    fn nanos_per_iteration(&mut self, side: Side) -> f64 {
        // Twice: alone, then together.
        2.0 / self.rate(side, 1, 512).max(1e-6)
    }
}
