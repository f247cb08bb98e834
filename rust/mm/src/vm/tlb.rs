//! The hardware: a TLB per CPU, and loads and stores that really go through it.
//!
//! An access runs inside a section that a shoot-down waits for: look the address up, on a miss walk the
//! page tables and fill, touch the page, compare the shadow. A TLB entry carries the generation of its
//! mm at the moment the section began; a flush starts a new generation, so everything older is void.
//! Until a flush, a cleared entry may well be used: that is what a TLB is.
//!
//! The entry also carries the page's [`Stamp`] at fill. If it differs at a later hit, the page changed
//! hands while this CPU could still reach it: I22. Only the owner CPU touches its TLB; but where TLBs load
//! ahead, whoever is about to clear a page-table entry loads in the others' stead (`Vm::speculate`).

use prim::{
    Arena, AtomicU32, AtomicU64, Cpu, CpuId, NoMemory, Table, by_hardware, may_speculate, zeroed,
};
use program::op::Access;

use crate::page::{Pfn, Stamp};
use crate::region;
use crate::vm::mm::TLB_GROUPS;
use crate::vm::{Fault, FaultHandler, Leaf, MmId, Pte, Vm, Vpn};
use crate::warn::{Complaint, warn_on};

/// Entries of one CPU's TLB; direct mapped.
const ENTRIES: usize = 64;

/// What a CPU does to a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuAccess {
    /// Read its contents.
    Load,
    /// Replace them.
    Store(u64),
    /// Read them, and complain unless they are zero or the mark of the page's own life.
    LoadChecked,
    /// Replace them by that mark.
    StoreMark,
}

/// The access ended the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Died {
    /// Nothing can be mapped there.
    Sigbus,
    /// Nothing may be mapped there.
    Sigsegv,
    /// No memory for a page table.
    Oom,
}

zeroed! {
    #[derive(Debug)]
    pub(crate) struct TlbEntry {
        /// `mm << 32 | vpn`, plus one; 0 is empty.
        tag: AtomicU64,
        /// The bits of the PTE it caches; huge pages are cached a page at a time.
        entry: AtomicU64,
        generation: AtomicU32,
        epoch: AtomicU32,
        shadow: AtomicU64,
    }
}

/// What other CPUs may know of a TLB entry, in one word so that it cannot be torn.
///
/// ```text
///   63      56 55      52 51            32 31                    0
///  +----------+----------+----------------+-----------------------+
///  | mm       | group    | generation     | pfn; 0 is empty       |
///  +----------+----------+----------------+-----------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Summary(u64);

impl Summary {
    const GENERATION: u32 = 0xf_ffff;

    fn new(mm: MmId, group: usize, generation: u32, pfn: Pfn) -> Self {
        let generation = u64::from(generation & Self::GENERATION);
        Self(
            (u64::from(mm.0) << 56)
                | ((group as u64) << 52)
                | (generation << 32)
                | u64::from(pfn.0),
        )
    }

    fn pfn(self) -> Pfn {
        Pfn(self.0 as u32)
    }

    fn mm(self) -> MmId {
        MmId((self.0 >> 56) as u32)
    }

    fn group(self) -> usize {
        (self.0 >> 52) as usize & 0xf
    }

    fn generation(self) -> u32 {
        (self.0 >> 32) as u32 & Self::GENERATION
    }
}

#[derive(Debug)]
pub(super) struct Tlb {
    entries: Table<TlbEntry>,
    /// A [`Summary`] per entry, for [`Vm::tlb_still_maps`].
    summaries: Table<AtomicU64>,
}

impl Tlb {
    pub(super) fn new(arena: &Arena, cpus: usize) -> Result<Self, NoMemory> {
        Ok(Self {
            entries: arena.table(region::TLB, cpus * ENTRIES)?,
            summaries: arena.table(region::TLB_PAGES, cpus * ENTRIES)?,
        })
    }

    #[inline]
    fn slot(cpu: CpuId, mm: MmId, vpn: Vpn) -> usize {
        cpu.0 * ENTRIES + (vpn.0 ^ (mm.0 << 3)) as usize % ENTRIES
    }
}

impl TlbEntry {
    #[inline]
    fn tag(mm: MmId, vpn: Vpn) -> u64 {
        ((u64::from(mm.0) << 32) | u64::from(vpn.0)) + 1
    }

    /// What it maps.
    #[inline]
    #[track_caller]
    fn page(&self) -> Leaf {
        Leaf::from_bits(self.entry.read())
    }

    #[inline]
    fn hit(&self, mm: MmId, vpn: Vpn, generation: u32) -> Option<(Leaf, Stamp)> {
        let valid = self.tag.read() == Self::tag(mm, vpn) && self.generation.read() == generation;
        let stamp = Stamp { word: self.shadow.read(), epoch: self.epoch.read() };
        valid.then(|| (self.page(), stamp))
    }

    #[inline]
    fn fill(&self, mm: MmId, vpn: Vpn, generation: u32, page: Leaf, stamp: Stamp) {
        self.tag.set(Self::tag(mm, vpn));
        self.entry.set(page.bits());
        self.generation.set(generation);
        self.epoch.set(stamp.epoch);
        self.shadow.set(stamp.word);
    }
}

impl Vm {
    /// A load or store at `vpn` by a CPU running in `mm`, faulting as needed. Returns what the page
    /// held before.
    ///
    /// # Errors
    /// [`Died`] when the access cannot be satisfied.
    pub fn access(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        vpn: Vpn,
        access: CpuAccess,
        handler: &dyn FaultHandler,
    ) -> Result<u64, Died> {
        let wanted = match access {
            CpuAccess::Load | CpuAccess::LoadChecked => Access::Read,
            CpuAccess::Store(_) | CpuAccess::StoreMark => Access::Write,
        };
        if vpn.0 >= self.tables.address_space() {
            return Err(Died::Sigsegv);
        }
        loop {
            if let Some(before) = self.cpu_access(cpu, mm, vpn, access, wanted) {
                return Ok(before);
            }
            match self.handle_fault(cpu, mm, vpn, wanted, handler) {
                Fault::Done => {}
                Fault::Sigbus | Fault::Fallback => return Err(Died::Sigbus),
                Fault::Sigsegv => return Err(Died::Sigsegv),
                Fault::Oom => return Err(Died::Oom),
            }
        }
    }

    /// One attempt: through the TLB, or a walk and a fill. None is a page fault.
    #[inline]
    fn cpu_access(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        vpn: Vpn,
        access: CpuAccess,
        wanted: Access,
    ) -> Option<u64> {
        let _section = cpu.access_begin();
        // Inside the section, before the walk: see `flush_tlb`.
        let group = self.tlb_group(vpn);
        let generation = self.mm(mm).tlb_generations[group].read();
        let at = Tlb::slot(cpu.id(), mm, vpn);
        let slot = &self.tlb.entries[at];
        let hit = slot.hit(mm, vpn, generation).filter(|(page, _)| page.allows(wanted));
        let (pfn, stamp) = match hit {
            Some((page, stamp)) => {
                cpu.count(crate::tally::TLB_HIT);
                (page.pfn(), stamp)
            }
            None => match self.walk(mm, vpn) {
                Pte::Page(page) if page.allows(wanted) => {
                    let stamp = self.pagemaps.memmap.shadow_capture(page.pfn());
                    self.tlb_fill(at, (mm, vpn), generation, page, stamp);
                    (page.pfn(), stamp)
                }
                Pte::None
                | Pte::Page(_)
                | Pte::Migration(_)
                | Pte::DevicePrivate(_)
                | Pte::Exclusive(_) => {
                    return None;
                }
            },
        };
        let contents = self.pagemaps.memmap.contents(pfn);
        let before = contents.read();
        match access {
            CpuAccess::Load => {}
            CpuAccess::Store(value) => contents.set(value),
            CpuAccess::StoreMark => contents.set(stamp.as_contents()),
            CpuAccess::LoadChecked => self.pagemaps.memmap.check_contents(cpu, pfn, before, stamp),
        }
        self.check_stamp(cpu, Complaint::StaleTranslation, pfn, stamp);
        Some(before)
    }

    /// The MMU remembers a translation.
    #[inline]
    fn tlb_fill(
        &self,
        at: usize,
        (mm, vpn): (MmId, Vpn),
        generation: u32,
        page: Leaf,
        stamp: Stamp,
    ) {
        let _mmu = by_hardware();
        self.tlb.entries[at].fill(mm, vpn, generation, page, stamp);
        let summary = Summary::new(mm, self.tlb_group(vpn), generation, page.pfn());
        self.tlb.summaries[at].set(summary.0);
    }

    /// A CPU that runs a process may load a translation at any moment, whether or not its program asks for
    /// it. That can be seen only if the entry changes later, so it is enough to ask here, where a present
    /// entry is about to be cleared, whether one of them had just done so. Of a huge entry the `page` at `vpn`
    /// stands for all: every check is about single pages.
    #[inline(always)]
    pub(super) fn speculate(&self, mm: MmId, vpn: Vpn, page: Leaf) {
        let mut cpumask = 0;
        self.mm(mm).cpumask.with(|mask| cpumask = *mask);
        if cpumask == 0 {
            return;
        }
        for cpu in (0..u64::BITS).filter(|cpu| cpumask & 1 << cpu != 0) {
            let at = Tlb::slot(CpuId(cpu as usize), mm, vpn);
            may_speculate(|| self.load_translation(at, mm, vpn, page));
        }
    }

    fn load_translation(&self, at: usize, mm: MmId, vpn: Vpn, page: Leaf) {
        let generation = self.mm(mm).tlb_generations[self.tlb_group(vpn)].read();
        if self.tlb.entries[at].hit(mm, vpn, generation).is_none() {
            let stamp = self.pagemaps.memmap.shadow_capture(page.pfn());
            self.tlb_fill(at, (mm, vpn), generation, page, stamp);
        }
    }

    /// Which generation a flush of this address starts.
    #[inline]
    pub(super) fn tlb_group(&self, vpn: Vpn) -> usize {
        (vpn.0 >> self.tables.pmd_order.0) as usize % TLB_GROUPS
    }

    /// I22 at the moment a page is given away: a CPU that could still reach it, if there is one.
    ///
    /// Exact: an entry valid under the current generation was walked to after the last flush, so the
    /// page table still had it then, and a page that is mapped is not given away.
    ///
    /// Entries of other pages are passed over with a look and no step: as steps these would be most of a
    /// program's. What is asked of an entry of this page are steps, so that a flush that comes before or after
    /// them makes a difference to whoever orders steps.
    #[must_use]
    #[track_caller]
    pub fn tlb_still_maps(&self, pfn: Pfn) -> Option<CpuId> {
        for at in 0..self.tlb.summaries.len() {
            let summary = Summary(self.tlb.summaries[at].peek());
            if summary.pfn() != pfn {
                continue;
            }
            // The summary's generation is short: the entry itself has the last word.
            let entry = &self.tlb.entries[at];
            let now = self.mm(summary.mm()).tlb_generations[summary.group()].read();
            if now & Summary::GENERATION == summary.generation()
                && now == entry.generation.read()
                && entry.page().pfn() == pfn
                && Summary(self.tlb.summaries[at].read()) == summary
            {
                return Some(CpuId(at / ENTRIES));
            }
        }
        None
    }

    /// The oracle: the page is still whose it was when access to it was gained.
    #[inline]
    #[track_caller]
    pub(super) fn check_stamp(&self, cpu: &Cpu<'_>, complaint: Complaint, pfn: Pfn, stamp: Stamp) {
        if pfn == Pfn::ZERO_PAGE {
            return;
        }
        let now = self.pagemaps.memmap.shadow_capture(pfn);
        if now != stamp {
            // Struct pages went, but those of the file system's device.
            if now.word == stamp.word && self.pagemaps.peek_outlasts_unbind(pfn) {
                return;
            }
            let complaint =
                if now.epoch == stamp.epoch { complaint } else { Complaint::UsedAfterUnplug };
            warn_on(cpu, complaint, pfn, now.word.cast_signed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_keeps_its_fields_apart() {
        let summary = Summary::new(MmId(63), 7, 0xf_ffff, Pfn(0xfff_ffff));
        assert_eq!((summary.mm(), summary.group()), (MmId(63), 7));
        assert_eq!((summary.generation(), summary.pfn()), (0xf_ffff, Pfn(0xfff_ffff)));
    }
}
