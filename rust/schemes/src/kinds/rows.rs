//! A word for each object and CPU, no two CPUs' on one line.
//!
//! The cells of a CPU lie a row apart from the next one's. `Count`s that have cells hold no index of theirs: the cell of
//! the first CPU is found from the object's place in its own table, once for each operation.

use core::fmt::Debug;

use prim::{Arena, Cpu, NoMemory, Table, ZeroInit};

/// Words from one CPU's cell to the next one's: two lines, for what fetches lines in pairs.
const ROW: usize = 16;

/// See the module.
#[derive(Debug)]
pub(crate) struct Rows<T: ZeroInit> {
    cells: Table<T>,
    cpus: usize,
}

impl<T: ZeroInit + Debug> Rows<T> {
    pub(crate) fn new(arena: &Arena, cpus: usize, objects: usize) -> Result<Self, NoMemory> {
        let cells = arena.table("percpu cells", objects * cpus * ROW)?;
        Ok(Self { cells, cpus })
    }

    /// Bytes of so many rows.
    pub(crate) fn bytes(cpus: usize, objects: usize) -> usize {
        objects * cpus * ROW * size_of::<T>()
    }

    /// The cell of CPU 0.
    #[inline(always)]
    pub(crate) fn first(&self, object: usize) -> &T {
        &self.cells[self.place(object)]
    }

    /// Where the cells of an object begin.
    #[inline(always)]
    pub(crate) fn place(&self, object: usize) -> usize {
        object * self.cpus * ROW
    }

    /// The cell of this CPU.
    #[inline(always)]
    pub(crate) fn of(&self, cpu: &Cpu<'_>, first: &T) -> &T {
        self.at(cpu, self.cells.index_of(first))
    }

    /// The same, where it is known at what place they begin.
    #[inline(always)]
    pub(crate) fn at(&self, cpu: &Cpu<'_>, place: usize) -> &T {
        self.of_nth(cpu.id().0, place)
    }

    /// The cell of the CPU of this number.
    #[inline(always)]
    pub(crate) fn of_nth(&self, cpu: usize, place: usize) -> &T {
        &self.cells[place.wrapping_add(cpu.wrapping_mul(ROW))]
    }

    /// The cells of all CPUs.
    pub(crate) fn each(&self, first: &T) -> impl Iterator<Item = &T> {
        self.each_from(self.cells.index_of(first))
    }

    pub(crate) fn each_from(&self, place: usize) -> impl Iterator<Item = &T> {
        (0..self.cpus).map(move |cpu| &self.cells[place + cpu * ROW])
    }
}
