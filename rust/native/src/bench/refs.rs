//! Page references and percpu references against the atomics in them.

use std::sync::Arc;

use pgmap_mm::page::{Folio, Pfn, Span};
use pgmap_mm::pagemap::{DevPagemapOps, PagemapId, PagemapType, Pagemaps};
use pgmap_mm::percpu_ref::{Init, PercpuRefs, Put, RefId, RefOnCpu};
use pgmap_mm::world::World;
use pgmap_prim::measure::opaque;
use pgmap_prim::{Arena, Cpu, Lease, Machine, TaskId};
use pgmap_program::{Era, Geometry};

use crate::bench::words::{Counters, HeldPage};
use crate::bench::workload::{
    BuildError, EPYC, Limit, Row, Side, Workload, XEON, nanos_each, setup,
};

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row {
            name: "try_get+put".into(),
            floor: "CAS + locked decrement".into(),
            unit: "ns per pair",
            limit: Limit::at_most(&[(EPYC, 1.1)]),
            build: || Ok(Box::new(TryGet::new(Era::V6_15)?)),
        },
        Row {
            name: "try_get+put, sound idle rule".into(),
            floor: "CAS + locked decrement".into(),
            unit: "ns per pair",
            limit: Limit::at_most(&[(EPYC, 1.2)]),
            build: || Ok(Box::new(TryGet::new(Era::V6_15Sound)?)),
        },
        Row {
            name: "percpu_ref get+put, inlined".into(),
            floor: "plain increment + decrement of a thread's own word".into(),
            unit: "ns per pair",
            // On the Xeon 2.0 when it is quiet, 3.2 at worst beside busy neighbours; 7 when the add does not go
            // through a plain register.
            limit: Limit::at_most(&[(XEON, 4.0)]),
            build: || Ok(Box::new(PercpuPair::new(Shape::Inlined)?)),
        },
        Row {
            name: "percpu_ref get+put, called".into(),
            floor: "locked increment + decrement of a shared word".into(),
            unit: "ns per pair",
            // On the EPYC two calls that only add are 0.6 of a locked pair already.
            limit: Limit::at_most(&[(EPYC, 1.25), (XEON, 0.5)]),
            build: || Ok(Box::new(PercpuPair::new(Shape::Called)?)),
        },
    ]
}

/// A floor against itself: how far from 1 a ratio of equals is, here and now.
pub(super) const NULL: &str = "null";
/// The floor of a null row that stands for every floor without one.
pub(super) const ITSELF: &str = "itself";
/// A floor of calls, which says whether the limit of the called percpu row can be kept here at all.
pub(super) const BARE_CALLS: &str = "bare calls";

/// Rows that judge the machine instead of us.
pub(super) fn controls() -> [Row; 2] {
    let limit = Limit::at_most(&[]);
    [
        Row {
            name: NULL.into(),
            floor: ITSELF.into(),
            unit: "ns per pair",
            limit,
            build: || Ok(Box::new(Null::default())),
        },
        Row {
            name: BARE_CALLS.into(),
            floor: "locked increment + decrement of a shared word".into(),
            unit: "ns per pair",
            limit,
            build: || Ok(Box::new(BareCalls::default())),
        },
    ]
}

/// Device memory and nothing else: no filesystem, no processes.
#[derive(Debug)]
pub(super) struct Device {
    machine: Arc<Machine>,
    pub(super) pagemaps: Pagemaps,
    pub(super) id: PagemapId,
    pub(super) first: Pfn,
}

/// The driver of a device whose memory is never handed out by anybody but the benchmark.
#[derive(Debug)]
struct NoPool;

impl DevPagemapOps for NoPool {
    fn folio_free(&self, _: &Cpu<'_>, _: &Pagemaps, _: PagemapId, _: Folio<'_>) {}
}

impl Device {
    pub(super) fn new(kind: PagemapType, pages: u32) -> Result<Self, BuildError> {
        Self::of(Era::V6_15Sound, kind, pages)
    }

    /// Device memory under the rules of an era.
    pub(super) fn of(era: Era, kind: PagemapType, pages: u32) -> Result<Self, BuildError> {
        let geometry = Geometry { pages, dev_pages: 0, ..Geometry::REAL };
        let machine = Machine::new(geometry.cpus.into());
        let arena = Arena::new(World::reserve(&geometry))?;
        let first = Pfn(geometry.pmd_pages());
        let frames = first.0 + pages;
        let rules = era.rules();
        let pagemaps = Pagemaps::new(&arena, &geometry, rules, frames, Box::new(NoPool))?;
        let id = {
            let cpu = lease(&machine);
            let span = Span { start: first, pages };
            setup("memremap_pages", pagemaps.memremap_pages(&cpu, kind, span))?
        };
        Ok(Self { machine, pagemaps, id, first })
    }

    pub(super) fn cpu(&self) -> Cpu<'_> {
        lease(&self.machine)
    }
}

/// The one CPU a benchmark needs at a time.
fn lease(machine: &Machine) -> Cpu<'_> {
    machine.lease(Lease::of(TaskId(0))).expect("a machine of our own has a CPU to spare")
}

/// What was to be measured did not happen; a figure for it would be a lie.
#[cold]
#[inline(never)]
pub(super) fn refused(what: &str) -> ! {
    panic!("benchmark: {what} was refused");
}

/// A folio somebody holds, got and put: `folio_try_get` and `folio_put`, without finding it by address.
/// Under the sound era each put also looks for a waiter whom it may have made the page idle for (B33).
struct TryGet {
    device: Device,
    floor: Box<HeldPage>,
}

impl TryGet {
    fn new(era: Era) -> Result<Self, BuildError> {
        let device = Device::of(era, PagemapType::FsDax, 512)?;
        let allocated = device.pagemaps.alloc_folios(&device.cpu(), device.id, device.first, 1);
        setup("alloc_folios", allocated)?;
        Ok(Self { device, floor: Box::default() })
    }
}

impl Workload for TryGet {
    fn measure(&mut self, side: Side, iterations: u64) -> f64 {
        if side == Side::Floor {
            return nanos_each(iterations, || self.floor.cas_and_dec(iterations));
        }
        let cpu = self.device.cpu();
        let folio = self.device.pagemaps.memmap.folio(self.device.first);
        let pagemaps = opaque(&self.device.pagemaps);
        // Every access in the loop is atomic and stays. Hiding the folio again each time would cost loads
        // that the floor, whose address is one register, does not have.
        nanos_each(iterations, || {
            for _ in 0..iterations {
                if folio.page().refcount.try_add(1).is_err() {
                    refused("try_get");
                }
                pagemaps.folio_put_refs(&cpu, folio, 1);
            }
        })
    }
}

/// How a percpu reference is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// In a loop, with the address of the CPU's cell resolved before it, as the floor's is.
    Inlined,
    /// Two real calls of what the release build makes of it.
    Called,
}

struct PercpuPair {
    machine: Arc<Machine>,
    refs: PercpuRefs,
    id: RefId,
    shape: Shape,
    floor: Box<Counters>,
}

impl PercpuPair {
    fn new(shape: Shape) -> Result<Self, BuildError> {
        let machine = Machine::new(4);
        let arena = Arena::new(1 << 20)?;
        let refs = PercpuRefs::new(&arena, machine.cpus(), 8)?;
        let id = refs.init(&lease(&machine), Init::Percpu)?;
        Ok(Self { machine, refs, id, shape, floor: Box::default() })
    }
}

#[inline(never)]
fn get(mine: &RefOnCpu<'_>) {
    mine.get_many(1);
}

#[inline(never)]
fn put(mine: &RefOnCpu<'_>) -> Put {
    mine.put_many(1)
}

impl Workload for PercpuPair {
    fn measure(&mut self, side: Side, iterations: u64) -> f64 {
        let cpu = lease(&self.machine);
        match (side, self.shape) {
            (Side::Floor, Shape::Inlined) => {
                nanos_each(iterations, || self.floor.plain_pairs(iterations))
            }
            (Side::Floor, Shape::Called) => {
                nanos_each(iterations, || self.floor.locked_pairs(iterations))
            }
            (Side::Subject, Shape::Inlined) => {
                // Every access in the loop is atomic and stays; hiding the address again each time would
                // cost loads that the floor, whose address is one register, does not have.
                let mine = opaque(&self.refs).on(&cpu, self.id);
                nanos_each(iterations, || {
                    for _ in 0..iterations {
                        mine.get_many(1);
                        if mine.put_many(1) == Put::Zero {
                            refused("percpu_ref_put");
                        }
                    }
                })
            }
            (Side::Subject, Shape::Called) => {
                let mine = self.refs.on(&cpu, self.id);
                nanos_each(iterations, || {
                    for _ in 0..iterations {
                        let mine = opaque(&mine);
                        get(mine);
                        if put(mine) == Put::Zero {
                            refused("percpu_ref_put");
                        }
                    }
                })
            }
        }
    }
}

/// Two real calls that do nothing but add to and subtract from a word of their own: the least that
/// `percpu_ref get+put, called` can come to on this machine.
#[derive(Default)]
struct BareCalls(Box<Counters>);

impl Workload for BareCalls {
    fn measure(&mut self, side: Side, iterations: u64) -> f64 {
        nanos_each(iterations, || match side {
            Side::Subject => self.0.called_pairs(iterations),
            Side::Floor => self.0.locked_pairs(iterations),
        })
    }
}

/// The floor of `try_get+put` twice.
#[derive(Default)]
struct Null {
    one: Box<HeldPage>,
    other: Box<HeldPage>,
}

impl Workload for Null {
    fn measure(&mut self, side: Side, iterations: u64) -> f64 {
        let page = match side {
            Side::Subject => &self.one,
            Side::Floor => &self.other,
        };
        nanos_each(iterations, || page.cas_and_dec(iterations))
    }
}
