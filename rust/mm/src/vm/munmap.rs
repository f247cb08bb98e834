//! munmap and the end of an address space (`mm/vma.c`, K§15).
//!
//! Two halves. With `mmap_lock` for writing the VMAs are cut at both ends of the range, and what lies inside is
//! detached: from here on no fault and no slow GUP finds it. The lock is then lowered, and the rest runs beside faults,
//! GUP and madvise of the same process, beside everything but who changes VMAs:
//!
//! 1. clear entries and gather pages (`unmap_vmas`);
//! 2. take the VMAs out of their files' interval lists, and unlink page tables that nobody touches any more
//!    (`free_pgtables`): until then truncate finds what is still mapped, and after it nobody walks the tables;
//! 3. flush, then put (`tlb_finish_mmu`).
//!
//! So a page of the range can still be read, and be taken by GUP-fast, while its entry is there (forced on running
//! kernels, K§16). A file dropped here is reported to the caller, who puts it after the lock is released, as the
//! kernel's task work does: the put may evict an inode and sleep for its pages.

use prim::Cpu;
use program::Errno;

use crate::vm::gather::MmuGather;
use crate::vm::mm::Layout;
use crate::vm::{FileUse, MappingId, MmId, Pmd, Vm, Vma, Vpn};
use crate::warn::must_live;

impl Vm {
    /// `munmap` of every mapped page in `[start, start + pages)`.
    ///
    /// # Errors
    /// `ENOMEM` when a VMA would have to be split and there is no slot for another half.
    #[doc(alias = "do_vmi_align_munmap")]
    pub(crate) fn munmap(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        start: Vpn,
        pages: u32,
        file: &mut dyn FnMut(FileUse),
    ) -> Result<(), Errno> {
        let end = start.add(pages);
        let mut layout = self.mm(mm).layout.write(cpu);
        let gone = self.detach(cpu, mm, &mut layout, (start, end), file)?;
        let layout = layout.downgrade();
        self.complete_munmap(cpu, mm, &layout, gone.vmas(), (start, end), file);
        drop(layout);
        self.tables.run_deferred(cpu);
        Ok(())
    }

    /// Everything that VMAs had which are detached by now: entries, places in their files' lists, page tables of the
    /// range they lay in, and uses of their files.
    #[doc(alias = "vms_complete_munmap_vmas")]
    pub(super) fn complete_munmap(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        layout: &Layout,
        gone: &[Vma],
        (start, end): (Vpn, Vpn),
        file: &mut dyn FnMut(FileUse),
    ) {
        let _forgotten = self.invalidate_range(cpu, mm, (start, end), None);
        let mut gather = MmuGather::new(self, cpu, mm);
        for vma in gone {
            self.zap_range(&mut gather, Vpn(vma.start), Vpn(vma.end()));
        }
        for vma in gone {
            self.unlink_vma(cpu, mm, vma);
        }
        self.free_pgtables(&mut gather, layout, start, end);
        gather.finish();
        gone.iter().for_each(|vma| vma.uses_file(FileUse::Put, file));
    }

    /// `exit_mmap`: the last user of the mm is gone.
    pub(crate) fn exit_mmap(&self, cpu: &Cpu<'_>, mm: MmId, file: &mut dyn FnMut(FileUse)) {
        // Nothing is split, so nothing can fail.
        let _ = self.munmap(cpu, mm, Vpn(0), self.tables.address_space(), file);
        self.mmu_notifier_release(cpu, mm);
        must_live(cpu, &self.mms, mm.0);
        self.mms.free(cpu, mm.0);
    }

    /// Takes what lies in the range out of the VMAs, cutting those that reach beyond it.
    #[doc(alias = "vms_gather_munmap_vmas")]
    fn detach(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        layout: &mut Layout,
        (start, end): (Vpn, Vpn),
        file: &mut dyn FnMut(FileUse),
    ) -> Result<Layout, Errno> {
        let around = |vma: &&Vma| vma.start < start.0 && end.0 < vma.end();
        if layout.is_full() && layout.vmas().iter().any(|vma| around(&vma)) {
            return Err(Errno::ENOMEM);
        }
        self.split_vma(cpu, mm, layout, start, file)?;
        self.split_vma(cpu, mm, layout, end, file)?;
        let mut gone = Layout::NONE;
        while let Some(at) =
            layout.vmas().iter().position(|vma| start.0 <= vma.start && vma.end() <= end.0)
        {
            gone.push(layout.remove(at));
        }
        Ok(gone)
    }

    /// Cuts the VMA around an address in two, so that one begins there; its file hears of both halves at once, or a
    /// truncate in between would miss one.
    #[doc(alias = "__split_vma")]
    fn split_vma(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        layout: &mut Layout,
        at: Vpn,
        file: &mut dyn FnMut(FileUse),
    ) -> Result<(), Errno> {
        let across = |vma: &Vma| vma.start < at.0 && at.0 < vma.end();
        let Some(slot) = layout.vmas().iter().position(across) else { return Ok(()) };
        let whole = layout.vmas()[slot];
        let halves = [whole.part(whole.start, at.0), whole.part(at.0, whole.end())];
        let entries = halves.map(|half| half.as_map_entry(mm));
        self.mapping(MappingId(whole.mapping)).split(
            cpu,
            whole.as_map_entry(mm),
            entries,
            || {
                // `vma_adjust_trans_huge`: no leaf reaches over the cut. Nobody comes by rmap meanwhile.
                if at != self.tables.start_of_pmd(at) {
                    self.split_huge_pmd(cpu, mm, at);
                }
            },
        )?;
        whole.uses_file(FileUse::Get, file);
        layout.split(slot, halves);
        Ok(())
    }

    /// `free_pgtables`: unlinks the tables of every PMD in the range that no VMA touches any more.
    fn free_pgtables(&self, gather: &mut MmuGather<'_>, layout: &Layout, start: Vpn, end: Vpn) {
        let mm = gather.mm;
        for pmd in self.tables.walk_range(mm, start, end) {
            let first = self.tables.start_of_pmd(pmd.start);
            let last = self.tables.end_of_pmd(pmd.start);
            if layout.vmas().iter().any(|vma| vma.start < last.0 && first.0 < vma.end()) {
                continue;
            }
            match pmd.word.load() {
                Pmd::None
                | Pmd::Leaf(_)
                | Pmd::Migration(_)
                | Pmd::DevicePrivate(_)
                | Pmd::Invalid => {}
                Pmd::Table(table) => {
                    pmd.word.unlink(&self.mm(mm).pmd_lock.lock(gather.cpu));
                    gather.remove_table(table, first);
                }
            }
        }
    }
}
