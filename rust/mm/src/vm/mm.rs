//! `struct mm_struct`: the address space of a process, its VMAs, mmap and fork (`mm/mmap.c`).
//!
//! `layout` is `mmap_lock` with what it protects: the VMAs. Faults and slow GUP hold it for reading, mmap for
//! writing; munmap (`munmap.rs`) for writing while it changes the VMAs, and for reading while it clears entries.

use prim::{AtomicU32, Cpu, Ghost, Guarded, LockClass, ReadGuard, RwSem, SpinLock, plain, zeroed};
use program::Errno;
use program::op::Align;

use crate::lock_order;
use crate::vm::rmap::MapEntry;
use crate::vm::word::PtLocked;
use crate::vm::{Leaf, MappingId, Pte, Vm, Vpn};

/// VMAs one process can have (`max_map_count`).
pub(crate) const VMAS: usize = 72;

/// Groups of PMDs that are flushed apart, so that one flush does not hide that another is missing.
pub(super) const TLB_GROUPS: usize = 8;

/// Names a process address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MmId(pub u32);

plain! {
    /// A mapped range of a file, or of memory of its own. `pages == 0` marks an empty slot.
    #[derive(Clone, Copy, Debug)]
    pub struct Vma {
        /// First page.
        pub start: u32,
        /// Length.
        pub pages: u32,
        /// Page of the file mapped at `start`.
        pub pgoff: u32,
        /// [`MappingId`] of the file, or of the anonymous mapping.
        pub mapping: u32,
        /// 1 when stores are allowed.
        pub writable: u32,
        /// 1 when they go to copies of the file's pages.
        pub private: u32,
        /// 1 when anonymous memory comes in huge pages where they fit (`VM_HUGEPAGE`).
        pub huge: u32,
        /// The caller's handle of the open file this mapping keeps; [`Vma::NO_FILE`] of anonymous memory.
        pub file: u32,
    }
}

impl Vma {
    const EMPTY: Self = Self {
        start: 0,
        pages: 0,
        pgoff: 0,
        mapping: 0,
        writable: 0,
        private: 0,
        huge: 0,
        file: 0,
    };
    /// Keeps no file open.
    pub(crate) const NO_FILE: u32 = u32::MAX;

    /// `vma_is_anonymous`.
    #[doc(alias = "vma_is_anonymous")]
    #[inline]
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.file == Self::NO_FILE
    }

    /// One use more or fewer of the file, if there is one.
    pub(super) fn uses_file(&self, how: fn(u32) -> FileUse, file: &mut dyn FnMut(FileUse)) {
        if !self.is_anonymous() {
            file(how(self.file));
        }
    }

    /// One past the last page.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.start + self.pages
    }

    /// Whether `vpn` is inside.
    #[must_use]
    pub fn contains(&self, vpn: Vpn) -> bool {
        vpn.0.wrapping_sub(self.start) < self.pages
    }

    /// The file page mapped at `vpn`.
    #[must_use]
    pub fn pgoff_of(&self, vpn: Vpn) -> u32 {
        self.pgoff + (vpn.0 - self.start)
    }

    /// The part of this VMA between two addresses.
    pub(super) fn part(&self, start: u32, end: u32) -> Self {
        Self { start, pages: end - start, pgoff: self.pgoff_of(Vpn(start)), ..*self }
    }

    pub(super) fn as_map_entry(&self, mm: MmId) -> MapEntry {
        MapEntry { mm: mm.0, start: self.start, pages: self.pages, pgoff: self.pgoff }
    }
}

plain! {
    /// The VMAs, in no particular order; the first `count` slots are in use. There is room for one more than a process
    /// can have, for a munmap in the middle of one splits it twice before it detaches the part between.
    #[derive(Clone, Copy, Debug)]
    pub struct Layout {
        count: u32,
        vmas: [Vma; VMAS + 1],
    }
}

impl Guarded for Layout {
    const CLASS: LockClass = lock_order::MMAP_LOCK;
}

impl Layout {
    pub(super) const NONE: Self = Self { count: 0, vmas: [Vma::EMPTY; VMAS + 1] };

    /// Every VMA.
    pub(super) fn vmas(&self) -> &[Vma] {
        &self.vmas[..self.count as usize]
    }

    /// `find_vma`, exact.
    #[doc(alias = "find_vma")]
    pub(crate) fn find(&self, vpn: Vpn) -> Option<Vma> {
        self.vmas().iter().copied().find(|vma| vma.contains(vpn))
    }

    /// Whether a process may not have more.
    pub(super) fn is_full(&self) -> bool {
        self.count as usize >= VMAS
    }

    pub(super) fn push(&mut self, vma: Vma) {
        self.vmas[self.count as usize] = vma;
        self.count += 1;
    }

    /// One VMA becomes two.
    pub(super) fn split(&mut self, at: usize, halves: [Vma; 2]) {
        self.vmas[at] = halves[0];
        self.push(halves[1]);
    }

    pub(super) fn remove(&mut self, at: usize) -> Vma {
        self.count -= 1;
        let last = self.count as usize;
        self.vmas.swap(at, last);
        core::mem::replace(&mut self.vmas[last], Vma::EMPTY)
    }

    /// The lowest free range of `pages` that starts at `remainder` modulo `modulus`.
    pub(super) fn gap(&self, pages: u32, modulus: u32, remainder: u32, limit: u32) -> Option<u32> {
        let mut start = modulus + remainder;
        loop {
            let end = start.checked_add(pages).filter(|end| *end <= limit)?;
            match self.vmas().iter().find(|vma| vma.start < end && start < vma.end()) {
                None => return Some(start),
                Some(hit) => {
                    let past = hit.end().checked_sub(remainder)?;
                    start = past.next_multiple_of(modulus) + remainder;
                }
            }
        }
    }
}

zeroed! {
    /// `struct mm_struct`.
    #[derive(Debug)]
    pub struct Mm {
        /// Per group of PMDs, bumped by every TLB flush of it; a TLB entry of an older value is void.
        pub(super) tlb_generations: [AtomicU32; TLB_GROUPS],
        /// Gathers running on this mm (`tlb_flush_pending`).
        pub(super) gathers: AtomicU32,
        /// `mm_cpumask`: CPUs that run the process, a bit each, which are here those that made a mapping or began as a
        /// thread. Only explored machines need to know. Written under `layout`, or before workers run at the same time.
        pub(super) cpumask: Ghost<u64>,
        pub(super) pmd_lock: SpinLock<PtLocked>,
        /// `mmap_lock`.
        pub(super) layout: RwSem<Layout>,
    }
}

/// What happens to the open file behind a VMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileUse {
    /// `get_file`: a VMA was split.
    Get(u32),
    /// `fput`, to be done without `mmap_lock`.
    Put(u32),
}

impl Vm {
    /// `mm_alloc`.
    ///
    /// # Errors
    /// `ENOMEM`.
    #[doc(alias = "mm_alloc")]
    pub fn mm_create(&self, cpu: &Cpu<'_>) -> Result<MmId, Errno> {
        self.mms.alloc(cpu).map(MmId).map_err(|_| Errno::ENOMEM)
    }

    /// `mmap` of a file, or of memory of its own, which gets a place where those are listed who map it: nothing is
    /// mapped until touched.
    ///
    /// # Errors
    /// `EINVAL` for no pages, `ENOMEM` without room for the range or the VMA.
    pub(crate) fn mmap(
        &self,
        cpu: &Cpu<'_>,
        mm: MmId,
        wanted: Vma,
        alignment: Align,
    ) -> Result<Vpn, Errno> {
        if wanted.pages == 0 {
            return Err(Errno::EINVAL);
        }
        let modulus = self.tables.pmd_order.pages();
        let shift = u32::from(alignment == Align::Odd);
        let remainder = (wanted.pgoff + shift) % modulus;
        let mut layout = self.mm(mm).layout.write(cpu);
        let limit = self.tables.address_space();
        let start = layout.gap(wanted.pages, modulus, remainder, limit).ok_or(Errno::ENOMEM)?;
        let vma = Vma { start, ..wanted };
        if layout.is_full() {
            return Err(Errno::ENOMEM);
        }
        let vma = self.link_vma(cpu, mm, vma)?;
        layout.push(vma);
        self.runs_on(cpu, mm);
        Ok(Vpn(start))
    }

    /// `switch_mm`: this CPU runs the process.
    #[doc(alias = "switch_mm")]
    pub(crate) fn runs_on(&self, cpu: &Cpu<'_>, mm: MmId) {
        self.mm(mm).cpumask.with(|mask| *mask |= 1 << (cpu.id().0 % 64));
    }

    /// Copies the VMAs of `parent` into the fresh `child` (`dup_mmap`). Shared file mappings copy no
    /// entries: the child faults anew (K§14).
    ///
    /// # Errors
    /// `ENOMEM`; what was copied by then is taken back through `file`.
    pub(crate) fn fork_mm(
        &self,
        cpu: &Cpu<'_>,
        parent: MmId,
        child: MmId,
        file: &mut dyn FnMut(FileUse),
    ) -> Result<(), Errno> {
        let copied = {
            // Held throughout, so that no file of the parent's goes before the child has its use of it.
            let source = self.mm(parent).layout.write(cpu);
            let mut layout = self.mm(child).layout.write(cpu);
            source.vmas().iter().try_for_each(|vma| {
                self.mapping(MappingId(vma.mapping)).link(cpu, vma.as_map_entry(child))?;
                vma.uses_file(FileUse::Get, file);
                layout.push(*vma);
                self.copy_page_range(cpu, (parent, child), vma).map_err(|()| Errno::ENOMEM)
            })
        };
        copied.inspect_err(|_| self.exit_mmap(cpu, child, file))
    }

    /// `mmap_read_lock`.
    #[doc(alias = "mmap_read_lock")]
    pub(crate) fn mm_layout<'a>(&'a self, cpu: &'a Cpu<'_>, mm: MmId) -> ReadGuard<'a, Layout> {
        self.mm(mm).layout.read(cpu)
    }

    /// The VMA at an address, as it is now.
    #[must_use]
    pub fn find_vma(&self, cpu: &Cpu<'_>, mm: MmId, vpn: Vpn) -> Option<Vma> {
        self.mm(mm).layout.read(cpu).find(vpn)
    }

    /// Pages of `mm` mapped somewhere, for whoever looks at a machine at rest.
    pub fn mapped(&self, cpu: &Cpu<'_>, mm: MmId, mut each: impl FnMut(Vpn, Leaf)) {
        let layout = *self.mm(mm).layout.read(cpu);
        for vpn in layout.vmas().iter().flat_map(|vma| vma.start..vma.end()).map(Vpn) {
            match self.walk(mm, vpn) {
                Pte::None | Pte::Migration(_) | Pte::DevicePrivate(_) | Pte::Exclusive(_) => {}
                Pte::Page(page) => each(vpn, page),
            }
        }
    }
}
