//! A page that a driver maps where nothing is mapped (`vm_insert_page`, `mm/memory.c`).

use prim::Cpu;
use program::Errno;
use program::op::Access;

use crate::page::{Folio, Hold};
use crate::vm::{Leaf, MmId, Pte, Vm, Vpn};

impl Vm {
    /// `vm_insert_page`, of a mapping that the caller has just made: the entry takes a reference of its own.
    ///
    /// # Errors
    /// `EFAULT` outside any mapping, `EBUSY` where something is mapped, `ENOMEM` without a page table.
    pub(crate) fn vm_insert_page(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        vpn: Vpn,
        folio: Folio<'_>,
    ) -> Result<(), Errno> {
        let layout = self.mm(mm).layout.read(cpu);
        let vma = layout.find(vpn).ok_or(Errno::EFAULT)?;
        let table = self.pte_alloc(cpu, mm, vpn).map_err(|()| Errno::ENOMEM)?;
        let table = table.ok_or(Errno::EBUSY)?;
        let ptl = self.tables.lock(cpu, table);
        let word = self.tables.pte(table, vpn);
        match word.load() {
            Pte::None => {}
            Pte::Page(_) | Pte::Migration(_) | Pte::DevicePrivate(_) | Pte::Exclusive(_) => {
                return Err(Errno::EBUSY);
            }
        }
        folio.set_anon(vma.mapping, vma.pgoff_of(vpn));
        folio.page().refcount.add(1);
        folio.owners_add(cpu, Hold::Task, 1);
        self.add_rmap_pte(cpu, folio, folio.pfn());
        let leaf = Leaf::new(folio.pfn(), Access::Write);
        word.publish(&ptl, Pte::Page(leaf));
        self.entry_owns(cpu, leaf, Hold::Task, Hold::Mapping);
        Ok(())
    }
}
