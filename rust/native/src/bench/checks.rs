//! What the oracle costs: one list of operations, on a machine that checks and on one that does not.

use pgmap_mm::page::Oracle;
use pgmap_program::op::{
    Access, Advice, Align, FdNo, FileIdx, FileRef, FileState, Layout, Longterm, MapNo, OpenMode,
    PageRange, Prot, Sharing, Target, WorkerId,
};
use pgmap_program::{Era, Geometry, Op};

use crate::bench::refs::refused;
use crate::bench::workload::{BuildError, Limit, Row, Side, Workload, nanos_each, setup};
use crate::lab::{Lab, Patience};

pub(super) fn rows() -> Vec<Row> {
    vec![Row {
        name: "operations with checks",
        floor: "the same operations without",
        unit: "ns per operation",
        limit: Limit::at_most(2.0),
        build: || {
            let build = |oracle| -> Result<Box<dyn OpRunner>, BuildError> {
                Ok(Box::new(OpList::new(oracle)?))
            };
            let (checked, unchecked) = (build(Oracle::On)?, build(Oracle::Off)?);
            Ok(Box::new(Checks { checked, unchecked }))
        },
    }]
}

/// Something that executes a fixed list of operations again and again.
pub trait OpRunner: Send {
    /// Operations in one turn.
    fn ops(&self) -> u64;

    /// Executes the list once; the machine is then as before.
    fn turn(&mut self);
}

struct Checks {
    checked: Box<dyn OpRunner>,
    unchecked: Box<dyn OpRunner>,
}

impl Workload for Checks {
    fn measure(&mut self, side: Side, iterations: u64) -> f64 {
        let runner = match side {
            Side::Subject => &mut self.checked,
            Side::Floor => &mut self.unchecked,
        };
        let turns = iterations.div_ceil(runner.ops());
        nanos_each(turns * runner.ops(), || (0..turns).for_each(|_| runner.turn()))
    }
}

/// Operations of one worker on one file, in the proportions of a stress run on one thread.
#[derive(Debug)]
pub struct OpList {
    lab: Lab,
    ops: Vec<Op>,
}

const WORKER: WorkerId = WorkerId(0);

impl OpList {
    /// A fresh machine with one process that has a file open.
    ///
    /// # Errors
    /// [`BuildError`] when it cannot be built.
    pub fn new(oracle: Oracle) -> Result<Self, BuildError> {
        let lab = Lab::with_oracle(&Geometry::stress(1), Era::V6_15Sound.rules(), oracle)?;
        let file = FileIdx(0);
        let made = lab.enter(0, Patience::default(), |cpu| {
            let written = Some(FileState::Written);
            lab.world().create_file(cpu, file, 32, written, Layout::Huge)
        });
        setup("create", setup("a world", made)?)?;
        let list = Self { lab, ops: one_turn() };
        list.execute(&Op::Spawn);
        let target = Target::File(file);
        list.execute(&Op::Open { fd: FdNo(0), target, mode: OpenMode::ReadWrite });
        // Twice: pages are touched and folios built.
        for _ in 0..2 {
            list.ops.iter().for_each(|op| list.execute(op));
        }
        Ok(list)
    }

    fn execute(&self, op: &Op) {
        match self.lab.execute(WORKER, op, Patience::default()) {
            Ok(Ok(_)) => {}
            _ => refused("an operation"),
        }
    }
}

impl OpRunner for OpList {
    fn ops(&self) -> u64 {
        self.ops.len() as u64
    }

    fn turn(&mut self) {
        self.ops.iter().for_each(|op| self.execute(op));
    }
}

fn one_turn() -> Vec<Op> {
    let map = MapNo(0);
    let file = FileRef::Fd(FdNo(0));
    let mmap = |align| Op::Mmap {
        map,
        file,
        offset: 0,
        pages: 32,
        prot: Prot::ReadWrite,
        sharing: Sharing::Shared,
        align,
    };
    let touch = |access, page, pages| Op::Touch { map, access, page, pages };
    let pin = |page, pages, access| Op::Pin { map, page, pages, longterm: Longterm::Short, access };
    let in_a_mapping = || {
        let mut ops = Vec::new();
        for page in (0..32).step_by(4) {
            ops.extend([
                touch(Access::Write, page, 4),
                touch(Access::Read, page, 4),
                touch(Access::Read, page, 4),
                pin(page, 2, Access::Write),
                Op::DmaWrite { pin: None, value: 9 },
                Op::DmaRead { pin: None },
                Op::Unpin { pin: None },
                Op::Get { map, page, pages: 1 },
                Op::Unpin { pin: None },
                Op::Pwrite { file, page, pages: 1 },
                Op::Pread { file, page, pages: 1 },
                Op::Madvise { map, advice: Advice::DontNeed, page },
                touch(Access::Read, page, 1),
            ]);
        }
        ops.push(Op::Munmap { map, range: Some(PageRange { page: 8, pages: 4 }) });
        ops.push(Op::Punch { file, page: 16, pages: 8 });
        ops.push(Op::Munmap { map, range: None });
        ops
    };
    let mut ops = vec![mmap(Align::Odd)];
    ops.extend(in_a_mapping());
    ops.push(mmap(Align::Natural));
    ops.extend(in_a_mapping());
    // A truncated file gives all its blocks back and gets others.
    ops.push(Op::Ftruncate { file, pages: 0 });
    ops.push(Op::Ftruncate { file, pages: 32 });
    ops
}
