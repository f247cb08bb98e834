//! Accesses by users who know what a page may hold.
//!
//! They write the mark of the page's current life and accept nothing else but zero, so that a write
//! with rights from an earlier life is seen as what it is: corruption (I18). Programs with contents of
//! their own use the plain calls.

use prim::Cpu;
use program::Errno;
use program::op::{FileRef, MapNo, PageRange, WorkerId};

use crate::page::Stamp;
use crate::vm::Access;
use crate::world::{PAGE_SIZE, Return, World};

impl World {
    /// Loads and checks.
    ///
    /// # Errors
    /// As [`World::load`].
    pub fn load_checked(&self, cpu: &Cpu<'_>, worker: WorkerId, map: MapNo, page: u32) -> Return {
        let slot = self.map_slot(cpu, worker, map)?;
        self.access(cpu, worker, slot, page, Access::LoadChecked).map(u64::cast_signed)
    }

    /// Stores the mark.
    ///
    /// # Errors
    /// As [`World::store`].
    pub fn store_mark(&self, cpu: &Cpu<'_>, worker: WorkerId, map: MapNo, page: u32) -> Return {
        let slot = self.map_slot(cpu, worker, map)?;
        self.access(cpu, worker, slot, page, Access::StoreMark).map(u64::cast_signed)
    }

    /// A device writes the mark of the life it took its reference in, through the most recent pin.
    ///
    /// # Errors
    /// As [`World::dma`].
    pub fn dma_mark(&self, cpu: &Cpu<'_>, worker: WorkerId) -> Result<u64, Errno> {
        self.dma(cpu, worker, None, Some(&Stamp::as_contents))
    }

    /// `pread` of a range, checking.
    ///
    /// # Errors
    /// As [`World::pread`].
    pub fn pread_checked(
        &self,
        cpu: &Cpu<'_>,
        worker: WorkerId,
        file: FileRef,
        range: PageRange,
    ) -> Return {
        self.with_inode(cpu, worker, file, |inode| {
            let read = self.dax.read_pages_checked(cpu, inode, range)?;
            Ok(i64::from(read) * PAGE_SIZE)
        })
    }

    /// `pwrite` of the mark to one page.
    ///
    /// # Errors
    /// As [`World::pwrite`].
    pub fn pwrite_mark(&self, cpu: &Cpu<'_>, worker: WorkerId, file: FileRef, page: u32) -> Return {
        self.with_inode(cpu, worker, file, |inode| {
            self.dax.write_page(cpu, inode, page, |life| life.as_contents()).map(|()| PAGE_SIZE)
        })
    }
}
