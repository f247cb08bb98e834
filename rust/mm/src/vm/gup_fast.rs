//! `gup_fast`: references by address without a lock (`mm/gup.c`, K§4.3).
//!
//! With interrupts off, so that no page table on the way can be freed:
//!
//! 1. read PMD and PTE once each;
//! 2. take the reference: a full barrier (`try_get_folio`); for a pin, upgrade it;
//! 3. read the PMD **and** the PTE again; if either differs, give the reference back and stop.
//!
//! The unmapper clears the entry, fully ordered, before it reads the count (K§4.1), so either it sees
//! this reference or step 3 sees its clear. Anything unusual stops the walk; the slow path takes over
//! from there.

use prim::{Cpu, smp_mb_after_atomic};
use program::op::{Access, Longterm};
use program::rules::Switch;

use crate::page::{Folio, Hold, Pfn, Stamp};
use crate::tally;
use crate::vm::entry::TableId;
use crate::vm::gup::{GupKind, GupRange, GupRequest};
use crate::vm::word::Snapshot;
use crate::vm::{MmId, Pmd, Pte, Vm, Vpn};
use crate::warn::{Complaint, warn_on};

/// What the walk has collected.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Pages referenced.
    pub(super) pages: u32,
    /// Entries of the output used.
    pub(super) ranges: usize,
}

/// What the walk read on its way to a page: each entry once, and whose page it was then.
#[derive(Clone, Copy, Debug)]
struct Seen {
    pmd: Snapshot,
    /// None under a PMD leaf, which has one word to look at again.
    pte: Option<(TableId, Snapshot)>,
    first: Pfn,
    pages: u32,
    /// By an entry that holds nothing of its page.
    devmap: bool,
    before: Stamp,
}

impl Vm {
    /// References as many of the `request.pages` pages at `request.start` as the page tables give
    /// without help. Small folios yield a range each, a PMD leaf one range for all its pages.
    #[inline(always)]
    pub(super) fn gup_fast(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        request: &GupRequest,
        out: &mut [GupRange],
    ) -> Taken {
        let mut taken = Taken::default();
        let _irq = cpu.local_irq_save();
        while taken.pages < request.pages && taken.ranges < out.len() {
            let vpn = request.start.add(taken.pages);
            let wanted = request.pages - taken.pages;
            let Some(seen) = self.look(mm, vpn, wanted, request.access) else { break };
            let Some(range) = self.take(cpu, mm, vpn, &seen, request) else { break };
            out[taken.ranges] = range;
            taken.ranges += 1;
            taken.pages += range.pages;
        }
        taken
    }

    /// Step 1.
    #[inline(always)]
    #[track_caller]
    fn look(&self, mm: MmId, vpn: Vpn, wanted: u32, access: Access) -> Option<Seen> {
        let (entry, pmd) = self.tables.pmd(mm, vpn).load_lockless();
        let (pte, page, pages) = match entry {
            Pmd::Table(table) => {
                let (entry, pte) = self.tables.pte(table, vpn).load_lockless();
                match entry {
                    Pte::Page(page) if page.allows(access) => (Some((table, pte)), page, 1),
                    Pte::None
                    | Pte::Page(_)
                    | Pte::Migration(_)
                    | Pte::DevicePrivate(_)
                    | Pte::Exclusive(_) => {
                        return None;
                    }
                }
            }
            Pmd::Leaf(leaf) if leaf.allows(access) => {
                let left = self.tables.end_of_pmd(vpn).0 - vpn.0;
                // Frames that are no folio are taken one by one.
                let pages = if leaf.is_devmap() { 1 } else { wanted.min(left) };
                (None, self.tables.page_of_leaf(leaf, vpn), pages)
            }
            Pmd::None | Pmd::Leaf(_) | Pmd::Migration(_) | Pmd::DevicePrivate(_) | Pmd::Invalid => {
                return None;
            }
        };
        let (first, devmap) = (page.pfn(), page.is_devmap());
        let before = self.pagemaps.memmap.shadow_capture(first);
        Some(Seen { pmd, pte, first, pages, devmap, before })
    }

    /// Steps 2 and 3.
    #[inline(always)]
    #[track_caller]
    fn take(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        vpn: Vpn,
        seen: &Seen,
        request: &GupRequest,
    ) -> Option<GupRange> {
        let folio = match seen.devmap {
            false => self.try_grab_folio_fast(cpu, seen.first, seen.pages, request)?,
            // Whether it may be for long the slow path says.
            true if request.longterm == Longterm::Long => return None,
            true => self.try_grab_devmap(cpu, seen.first, request.kind)?,
        };
        let range = GupRange::new(self, seen.first, seen.pages, request.kind);
        let rules = &self.pagemaps.rules;
        let pmd = self.tables.pmd(mm, vpn);
        let pmd_changed = pmd.differs(seen.pmd);
        let pmd_differed = pmd.differed(seen.pmd, pmd_changed);
        let (pte_changed, pte_differed) = match seen.pte {
            Some((table, before)) => {
                let pte = self.tables.pte(table, vpn);
                let changed = pte.differs(before);
                (changed, pte.differed(before, changed))
            }
            None => (false, false),
        };
        if pmd_changed && rules.gup_pmd_recheck == Switch::On
            || pte_changed && rules.gup_pte_recheck == Switch::On
        {
            self.lost(cpu, folio, &range);
            return None;
        }
        self.accept(cpu, folio, range, seen.before, pmd_differed || pte_differed)
    }

    /// The re-check failed: the unmapper may not have seen this reference.
    #[cold]
    fn lost(&self, cpu: &Cpu<'_>, folio: Folio<'_>, range: &GupRange) {
        cpu.count(tally::RECHECK_LOST);
        self.give_back(cpu, folio, range);
    }

    #[cold]
    fn give_back(&self, cpu: &Cpu<'_>, folio: Folio<'_>, range: &GupRange) {
        self.gup_put_folio(cpu, folio, range.pages, range.kind());
    }

    /// `try_grab_folio_fast`: reference first, pin second, barrier third.
    #[inline(always)]
    fn try_grab_folio_fast(
        &self,
        cpu: &Cpu<'_>,
        pfn: Pfn,
        pages: u32,
        request: &GupRequest,
    ) -> Option<Folio<'_>> {
        let for_long = request.longterm == Longterm::Long;
        if request.kind == GupKind::Pin && pfn == Pfn::ZERO_PAGE {
            return Some(self.pagemaps.memmap.folio(pfn)).filter(|_| !for_long);
        }
        let folio = self.pagemaps.try_get_folio(cpu, pfn, pages.cast_signed())?;
        if for_long && !self.pagemaps.is_longterm_pinnable(pfn) {
            // Not pinnable for long (`folio_is_longterm_pinnable`), which is asked with the reference taken: its put
            // may be the last one. The slow path has the errno (K§4.4, K§15).
            self.pagemaps.folio_put_refs(cpu, folio, pages.cast_signed());
            return None;
        }
        if request.kind == GupKind::Pin {
            if folio.is_large() {
                folio.pincount().add(pages);
                folio.owners_pinned(cpu, pages);
            } else {
                let more = folio.pin_weight(pages) - pages.cast_signed();
                folio.page().refcount.add(more);
                folio.owners_add(cpu, Hold::Task, more);
            }
            // Pairs with the full exchange of the unmapper, for a reader of the pincount (K§2.3).
            smp_mb_after_atomic();
        }
        Some(folio)
    }

    /// `gup_fast_folio_allowed`: a file page without a mapping was truncated; let the slow path look.
    ///
    /// Here I24 is checked: whoever keeps a reference although the entry had `changed` must not find
    /// that the page also changed hands since the entry was read. With the re-checks in place nothing
    /// changed ever gets here.
    #[doc(alias = "gup_fast_folio_allowed")]
    #[inline(always)]
    fn accept(
        &self,
        cpu: &Cpu<'_>,
        folio: Folio<'_>,
        range: GupRange,
        before: Stamp,
        changed: bool,
    ) -> Option<GupRange> {
        if folio.mapping().is_none() && folio.pfn() != Pfn::ZERO_PAGE {
            self.give_back(cpu, folio, &range);
            return None;
        }
        if changed && before != range.stamp() {
            warn_on(cpu, Complaint::WrongPage, range.first(), range.stamp().word.cast_signed());
        }
        Some(range)
    }
}

#[cfg(test)]
mod tests {
    //! The unmapper runs to its end between `look` and `take`: the worst it can do.

    use alloc::boxed::Box;

    use prim::{Arena, AtomicU32, Lease, Machine, TaskId};
    use program::rules::Switch;
    use program::{Era, Geometry, Rules};

    use super::*;
    use crate::devmem::DevMem;
    use crate::page::{Order, Owner, Span};
    use crate::pagemap::{PagemapId, PagemapType, Pagemaps};
    use crate::vm::{CpuAccess, Fault, FaultHandler, FileRange, Insert, MappingId, VmFault, Vma};
    use program::op::Align;

    /// A device of frames 4 to 19 and files that map one run of them.
    struct Rig {
        vm: Vm,
        pagemap: PagemapId,
        /// First frame every file maps at offset 0.
        frame: AtomicU32,
        order: Order,
    }

    impl Rig {
        fn map(&self, cpu: &Cpu<'_>, insert: impl FnOnce(Pfn) -> Insert) -> Fault {
            let memmap = &self.vm.pagemaps.memmap;
            let head = Pfn(self.frame.read());
            if memmap.folio(head).refcount().is_idle() {
                memmap.prep_folio(head, self.order, self.pagemap.head()).set_mapping(Some(0));
            }
            let folio = memmap.folio(head);
            assert!(self.vm.pagemaps.folio_get_owned(cpu, self.pagemap, folio));
            assert_eq!(insert(head), Insert::Done);
            self.vm.pagemaps.folio_put_refs(cpu, folio, 1);
            Fault::Done
        }
    }

    impl FaultHandler for Rig {
        fn copy(&self, _: &Cpu<'_>, _: &VmFault, _: Pfn) -> Fault {
            Fault::Sigbus
        }

        fn is_fsdax(&self, _: &Vma) -> bool {
            true
        }

        fn huge_fault(&self, cpu: &Cpu<'_>, fault: &VmFault) -> Fault {
            if self.order == Order::PAGE {
                return Fault::Fallback;
            }
            self.map(cpu, |head| self.vm.insert_huge(cpu, fault, head))
        }

        fn fault(&self, cpu: &Cpu<'_>, fault: &VmFault) -> Fault {
            self.map(cpu, |pfn| self.vm.insert_page(cpu, fault, pfn))
        }
    }

    /// A page that file 0 has mapped, and a walk that has read its entries.
    struct Walked<'a> {
        rig: &'a Rig,
        cpu: &'a Cpu<'a>,
        mm: MmId,
        seen: Seen,
        request: GupRequest,
    }

    const PAGE: Pfn = Pfn(8);

    impl Walked<'_> {
        fn folio(&self) -> Folio<'_> {
            self.rig.vm.pagemaps.memmap.folio(PAGE)
        }

        /// The rest of the walk.
        fn take(&self) -> Option<GupRange> {
            self.rig.vm.take(self.cpu, self.mm, self.request.start, &self.seen, &self.request)
        }
    }

    fn map(rig: &Rig, cpu: &Cpu<'_>, mapping: u32) -> (MmId, Vpn) {
        let mm = rig.vm.mm_create(cpu).expect("an mm");
        let vma = Vma {
            start: 0,
            pages: 4,
            pgoff: 0,
            mapping,
            writable: 1,
            private: 0,
            huge: 0,
            file: 0,
        };
        let vpn = rig.vm.mmap(cpu, mm, vma, Align::Natural).expect("room");
        rig.vm.access(cpu, mm, vpn, CpuAccess::Load, rig).expect("mapped");
        (mm, vpn)
    }

    /// A walk for `pages` pages under `rules`, as it stands between its two looks at the entries.
    fn walked<R>(
        rules: Rules,
        order: Order,
        pages: u32,
        rest: impl FnOnce(&Machine, &Walked<'_>) -> R,
    ) -> R {
        let machine = Machine::new(2);
        let cpu = machine.lease(Lease::of(TaskId(1))).expect("a CPU");
        let arena = Arena::new(64 << 20).expect("address space");
        let geometry = Geometry::SMALL;
        let devmem = DevMem::new(&arena, Span { start: Pfn(32), pages: 4 }).expect("memory");
        let pagemaps = Pagemaps::new(&arena, &geometry, rules, 64, Box::new(devmem));
        let vm = Vm::new(&arena, &geometry, pagemaps.expect("memory")).expect("memory");
        let span = Span { start: Pfn(4), pages: 16 };
        let pagemap =
            vm.pagemaps.memremap_pages(&cpu, PagemapType::FsDax, span).expect("a pagemap");
        let rig = Rig { vm, pagemap, frame: AtomicU32::new(PAGE.0), order };
        rig.vm.pagemaps.memmap.shadow_assign(&cpu, PAGE, Owner::file(0));
        let (mm, start) = map(&rig, &cpu, 0);
        let (kind, access, longterm) = (GupKind::Get, Access::Read, Longterm::Short);
        let request = GupRequest { start, pages, kind, access, longterm };
        let seen = rig.vm.look(mm, start, pages, Access::Read).expect("mapped");
        rest(&machine, &Walked { rig: &rig, cpu: &cpu, mm, seen, request })
    }

    /// A grab that began while file 0 had the page and ends after file 1 got it. Returns what was
    /// taken, the count left, and the complaints.
    fn grab_late(rules: Rules, order: Order, pages: u32) -> (Option<GupRange>, i32, usize) {
        walked(rules, order, pages, |machine, walk| {
            let Walked { rig, cpu, .. } = *walk;
            rig.vm.unmap_mapping_pages(cpu, MappingId(0), FileRange::of(0, 4));
            assert!(walk.folio().refcount().is_idle());
            rig.vm.pagemaps.memmap.shadow_assign(cpu, PAGE, Owner::file(1));
            map(rig, cpu, 1);

            let taken = walk.take();
            assert_eq!(machine.tally(tally::RECHECK_LOST), u64::from(taken.is_none()));
            let wrong = machine.warnings();
            assert!(wrong.iter().all(|record| record.warn.code == Complaint::WrongPage as u16));
            (taken, walk.folio().refcount().get(), wrong.len())
        })
    }

    #[test]
    fn a_grab_whose_page_table_was_taken_away_with_its_entries_gives_the_page_back() {
        // What collapse into a huge page does: first the PMD, and later the entries below it.
        let rules = Era::V6_15Sound.rules();
        walked(rules, Order::PAGE, 1, |machine, walk| {
            let lock = &walk.rig.vm.mm(walk.mm).pmd_lock;
            let pmd = walk.rig.vm.tables.pmd(walk.mm, walk.request.start);
            let was = pmd.load();
            pmd.unlink(&lock.lock(walk.cpu));
            assert_eq!((walk.take(), walk.folio().refcount().get()), (None, 1));
            assert_eq!(machine.tally(tally::RECHECK_LOST), 1);
            pmd.publish(&lock.lock(walk.cpu), was);
            assert!(walk.take().is_some(), "put back, it is as it was");
        });
    }

    #[test]
    fn a_page_that_left_its_file_is_given_back_even_if_its_entry_stands() {
        for (order, pages) in [(Order::PAGE, 1), (Order(2), 3)] {
            walked(Era::V6_15Sound.rules(), order, pages, |machine, walk| {
                walk.folio().set_mapping(None);
                assert_eq!((walk.take(), walk.folio().refcount().get()), (None, 1));
                assert_eq!(machine.warnings(), []);
                walk.folio().set_mapping(Some(0));
                assert_eq!(walk.take().map(|range| range.pages), Some(pages));
            });
        }
    }

    #[test]
    fn a_grab_that_finds_its_entry_changed_gives_the_page_back() {
        let rules = Era::V6_15Sound.rules();
        for (order, pages) in [(Order::PAGE, 1), (Order(2), 1), (Order(2), 4)] {
            let left = grab_late(rules, order, pages);
            assert_eq!(left, (None, 1, 0), "only file 1's mapping is left");
        }
    }

    #[test]
    fn without_the_pte_recheck_it_keeps_somebody_elses_page() {
        let rules = Rules { gup_pte_recheck: Switch::Off, ..Era::V6_15Sound.rules() };
        let (taken, count, complaints) = grab_late(rules, Order::PAGE, 1);
        assert!(taken.is_some());
        assert_eq!((count, complaints), (2, 1));
        assert_eq!(grab_late(rules, Order(2), 1).0, None, "a leaf is the other rule's business");
    }

    #[test]
    fn without_the_pmd_recheck_a_leaf_is_never_looked_at_again() {
        let rules = Rules { gup_pmd_recheck: Switch::Off, ..Era::V6_15Sound.rules() };
        let (taken, count, complaints) = grab_late(rules, Order(2), 1);
        assert!(taken.is_some());
        assert_eq!((count, complaints), (2, 1));
        assert_eq!(grab_late(rules, Order::PAGE, 1).0, None, "the PTE is still looked at");
    }
}
