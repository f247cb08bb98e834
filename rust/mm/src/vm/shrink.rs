//! Memory is short, or in the wrong place (`deferred_split_scan`, `mm/huge_memory.c`; `do_pages_move`, `mm/migrate.c`).
//!
//! A huge page of which a part is mapped no more is queued when that part goes, and taken apart here (K§7.5). Ordinary memory
//! moves to other frames, huge pages as they are, which takes them off the queue: only while their count is frozen, for
//! whoever splits them has a reference and a list of his own (B23).

use prim::Cpu;
use program::Errno;

use crate::vm::migrate_device::{Goes, Moved};
use crate::vm::{MappingId, MmId, Vm, Vpn};

impl Vm {
    /// `deferred_split_scan`: what is mapped in parts is taken apart. Says how many pages that were. What somebody has
    /// locked or refers to stays on the queue.
    pub(crate) fn deferred_split_scan(&self, cpu: &Cpu<'_>) -> u32 {
        let memmap = &self.pagemaps.memmap;
        let mut split = 0;
        for pfn in self.pagemaps.deferred.isolate(cpu, memmap).into_iter().flatten() {
            let folio = memmap.folio_at(pfn);
            let parts = folio.try_lock(cpu).then(|| {
                let parts = self.folio_split(cpu, folio, None, 1);
                folio.unlock(cpu);
                parts
            });
            match parts {
                Some(Ok(parts)) => split += parts,
                Some(Err(_)) | None => self.pagemaps.deferred.put_back(cpu, folio),
            }
            self.pagemaps.folio_put_refs(cpu, folio, 1);
        }
        split
    }

    /// `move_pages` of one address: what is mapped there goes to other frames. Says how many pages went, none if somebody
    /// refers to it.
    ///
    /// # Errors
    /// `EFAULT` where no anonymous memory is mapped, `ENOENT` when no page is, `EBUSY` when somebody has it locked or it is a
    /// device's, `ENOMEM`.
    #[doc(alias = "do_pages_move")]
    pub(crate) fn move_pages(&self, cpu: &Cpu<'_>, mm: MmId, vpn: Vpn) -> Result<u32, Errno> {
        let layout = self.mm(mm).layout.read(cpu);
        if !layout.find(vpn).is_some_and(|vma| vma.is_anonymous()) {
            return Err(Errno::EFAULT);
        }
        let folio = self.folio_walk_get(cpu, mm, vpn).ok_or(Errno::ENOENT)?;
        let moved = if !self.pagemaps.ram.contains(folio.pfn()) || !folio.try_lock(cpu) {
            Err(Errno::EBUSY)
        } else {
            let pages = folio.order().pages();
            let moved = folio.anon_space().map_or(Moved::No, |space| {
                let list = (self.mapping(MappingId(space)), space);
                self.migrate_collected(cpu, list, folio, 1, Goes::Home)
            });
            folio.unlock(cpu);
            match moved {
                Moved::Yes => Ok(pages),
                Moved::No => Ok(0),
                Moved::NoMemory => Err(Errno::ENOMEM),
            }
        };
        self.pagemaps.folio_put_refs(cpu, folio, 1);
        moved
    }
}
