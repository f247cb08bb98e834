//! Accesses by users who know what a page may hold.
//!
//! They write the mark of the page's current life and accept nothing else but zero, so that a write
//! with rights from an earlier life is seen as what it is: corruption (I18). Programs with contents of
//! their own use the plain calls.

use prim::Cpu;
use program::op::{Load, MapNo, PageRange, Pread, Pwrite, WorkerId};

use crate::page::Stamp;
use crate::vm::CpuAccess;
use crate::warn::{Complaint, warn_on};
use crate::world::{PAGE_SIZE, Return, World};

impl World {
    /// Loads and checks.
    ///
    /// # Errors
    /// As [`World::load`].
    pub fn load_checked(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Load) -> Return {
        let slot = self.addressed(cpu, worker, op.map)?;
        self.access(cpu, worker, slot, op.page, CpuAccess::LoadChecked).map(u64::cast_signed)
    }

    /// Stores the mark.
    ///
    /// # Errors
    /// As [`World::store`].
    pub fn store_mark(&self, cpu: &Cpu<'_>, worker: WorkerId, map: MapNo, page: u32) -> Return {
        let slot = self.addressed(cpu, worker, map)?;
        self.access(cpu, worker, slot, page, CpuAccess::StoreMark).map(u64::cast_signed)
    }

    /// Stores what a page of anonymous memory keeps wherever it is moved: its number in a mapping that begins at a PMD.
    ///
    /// # Errors
    /// As [`World::store`].
    pub fn store_kept(&self, cpu: &Cpu<'_>, worker: WorkerId, map: MapNo, page: u32) -> Return {
        let slot = self.addressed(cpu, worker, map)?;
        let value = Self::kept(page);
        self.access(cpu, worker, slot, page, CpuAccess::Store(value)).map(u64::cast_signed)
    }

    /// Loads, and complains of what is neither that nor zero (I28).
    ///
    /// # Errors
    /// As [`World::load`].
    pub fn load_kept(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Load) -> Return {
        let slot = self.addressed(cpu, worker, op.map)?;
        let held = self.access(cpu, worker, slot, op.page, CpuAccess::Load)?;
        if held != 0 && held != Self::kept(op.page) {
            warn_on(cpu, Complaint::NotKept, op.page, held.cast_signed());
        }
        Ok(held.cast_signed())
    }

    fn kept(page: u32) -> u64 {
        u64::from(page) + 1
    }

    /// A device writes the mark of the life it took its reference in, through the most recent pin.
    ///
    /// # Errors
    /// As [`World::dma_write`].
    pub fn dma_mark(&self, cpu: &Cpu<'_>, worker: WorkerId) -> Return {
        Ok(self.dma(cpu, worker, None, Some(&Stamp::as_contents)).map(|_| 0)?)
    }

    /// `pread` of a range, checking.
    ///
    /// # Errors
    /// As [`World::pread`].
    pub fn pread_checked(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Pread) -> Return {
        self.with_inode(cpu, worker, op.file, |inode| {
            let read = self.dax.read_pages_checked(
                cpu,
                inode,
                PageRange { page: op.page, pages: op.pages },
            )?;
            Ok(i64::from(read) * PAGE_SIZE)
        })
    }

    /// `pwrite` of the mark to each page.
    ///
    /// # Errors
    /// As [`World::pwrite`].
    pub fn pwrite_mark(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Pwrite) -> Return {
        self.write_pages(cpu, worker, op, |_, life| life.as_contents())
    }
}
