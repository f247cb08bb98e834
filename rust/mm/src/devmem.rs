//! A driver with memory of its own, as `lib/test_hmm.c` or a GPU driver has (K§8.3).
//!
//! The driver owns its free space and says which frames to use; `pgmap_alloc_folios` turns them into
//! folios; the last put hands them back through [`DevPagemapOps::folio_free`]. The pool remembers what
//! was freed last and offers it first, like the kernel's LIFO, so that a page pushed too early (B04) is
//! soon somebody else's.
//!
//! Every reference that the driver keeps is in the pool's table, from the moment the driver has it until
//! somebody takes it out to put it, under the pool's lock both times. So a put is of a reference that
//! exists: of two that race for the last one, the second finds none.

use prim::{Arena, Cpu, Guarded, LockClass, NoMemory, SpinLock, Table, plain};
use program::op::DriverIdx;
use program::rules::SplitAgain;
use program::{DriverSpec, Errno};

use crate::driver::Drivers;
use crate::lock_order;
use crate::page::{Folio, Hold, Order, Owner, Pfn, Span};
use crate::pagemap::{DevPagemapOps, PagemapId, Pagemaps};
use crate::warn::{Complaint, warn_on};

/// Most pages a pool keeps track of.
pub const POOL_PAGES: u32 = 1024;
const WORDS: usize = POOL_PAGES as usize / 64;

plain! {
    /// Which frames are out, where the last one came back, and the driver's references.
    #[derive(Clone, Copy, Debug)]
    pub struct FreePool {
        out: [u64; WORDS],
        hint: u32,
        /// The driver's references on the folio headed at each page.
        refs: [u16; POOL_PAGES as usize],
        /// How many of them are out of the table for as long as something is done with their folios.
        borrowed: u16,
    }
}

/// What the pool says of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pooled {
    /// On the free list.
    Free,
    /// Out, with this many references of the driver's on the folio headed there.
    Out(u16),
}

impl Guarded for FreePool {
    const CLASS: LockClass = lock_order::DRIVER_FREE_POOL;
}

impl FreePool {
    fn is_out(&self, page: u32) -> bool {
        self.out[page as usize / 64] & (1 << (page % 64)) != 0
    }

    fn mark(&mut self, page: u32, pages: u32, out: bool) {
        for page in page..page + pages {
            let bit = 1 << (page % 64);
            let word = &mut self.out[page as usize / 64];
            *word = if out { *word | bit } else { *word & !bit };
        }
    }

    /// A free run for one folio, at or after the hint, then anywhere.
    fn find_aligned(&self, order: Order, total: u32) -> Option<u32> {
        let pages = order.pages();
        let last = total.checked_sub(pages)?;
        let fits = |start: &u32| (*start..*start + pages).all(|page| !self.is_out(page));
        let from = |first: u32| (first.next_multiple_of(pages)..=last).step_by(pages as usize);
        from(self.hint.min(last)).find(fits).or_else(|| from(0).find(fits))
    }

    /// A free run of `pages` at or after the hint, then anywhere.
    fn find(&self, pages: u32, total: u32) -> Option<u32> {
        let last = total.checked_sub(pages)?;
        let fits = |start: &u32| (*start..*start + pages).all(|page| !self.is_out(page));
        (self.hint.min(last)..=last).find(fits).or_else(|| (0..=last).find(fits))
    }
}

/// The driver. Cloning it clones a handle: all state is in the arena.
#[derive(Clone, Debug)]
pub struct DevMem {
    pool: Table<SpinLock<FreePool>>,
    span: Span,
    /// Those that the program declares, over frames that are taken out of the pool.
    pub(crate) drivers: Drivers,
}

impl DevMem {
    /// A driver of the frames in `span`, all free.
    ///
    /// # Errors
    /// [`NoMemory`] when the arena is full.
    pub fn new(arena: &Arena, span: Span) -> Result<Self, NoMemory> {
        let pool = arena.table("devmem pool", 1)?;
        Ok(Self { pool, span, drivers: Drivers::new(arena)? })
    }

    /// The driver's frames.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// Takes a free run of `pages` frames and makes folios of it, one reference each.
    ///
    /// # Errors
    /// `ENOMEM` when no run is free, `EINVAL` for none or more than there are, `ENODEV` when the pagemap is dying.
    pub fn alloc(
        &self,
        cpu: &Cpu<'_>,
        pagemaps: &Pagemaps,
        id: PagemapId,
        pages: u32,
    ) -> Result<Span, Errno> {
        if pages == 0 || pages > self.span.pages {
            return Err(Errno::EINVAL);
        }
        let start = {
            let mut pool = self.pool[0].lock(cpu);
            let start = pool.find(pages, self.span.pages).ok_or(Errno::ENOMEM)?;
            pool.mark(start, pages, true);
            start
        };
        self.allocate(cpu, pagemaps, id, start, pages)
    }

    /// Takes exactly the range `[first, first + pages)`.
    ///
    /// # Errors
    /// `EBUSY` when part of it is out, `EINVAL` when part of it is not the driver's; otherwise as [`Self::alloc`].
    pub fn claim_range(
        &self,
        cpu: &Cpu<'_>,
        pagemaps: &Pagemaps,
        id: PagemapId,
        first: Pfn,
        pages: u32,
    ) -> Result<Span, Errno> {
        let start = first.0.checked_sub(self.span.start.0).ok_or(Errno::EINVAL)?;
        if pages == 0 || start.checked_add(pages).is_none_or(|end| end > self.span.pages) {
            return Err(Errno::EINVAL);
        }
        {
            let mut pool = self.pool[0].lock(cpu);
            if (start..start + pages).any(|page| pool.is_out(page)) {
                return Err(Errno::EBUSY);
            }
            pool.mark(start, pages, true);
        }
        self.allocate(cpu, pagemaps, id, start, pages)
    }

    /// `dmirror_devmem_alloc_page`: a folio for what a process has, its reference the caller's.
    #[doc(alias = "dmirror_devmem_alloc_page")]
    #[must_use]
    pub fn alloc_folio(
        &self,
        cpu: &Cpu<'_>,
        pagemaps: &Pagemaps,
        id: PagemapId,
        order: Order,
    ) -> Option<Pfn> {
        let start = {
            let mut pool = self.pool[0].lock(cpu);
            // Frames of a device begin on the boundary of a PMD.
            let start = pool.find_aligned(order, self.span.pages)?;
            pool.mark(start, order.pages(), true);
            start
        };
        self.make_folios(cpu, pagemaps, id, start, order.pages()).ok().map(|span| span.start)
    }

    /// Frames the pool has just marked become folios, whose references the driver counts.
    fn allocate(
        &self,
        cpu: &Cpu<'_>,
        pagemaps: &Pagemaps,
        id: PagemapId,
        start: u32,
        pages: u32,
    ) -> Result<Span, Errno> {
        let span = self.make_folios(cpu, pagemaps, id, start, pages)?;
        let mut pool = self.pool[0].lock(cpu);
        pagemaps.folios(span).for_each(|folio| {
            // Not the first, if somebody was quick to get one more.
            pool.refs[self.page_of(folio)] += 1;
            folio.owners_move(cpu, Hold::Task, Hold::Driver, 1);
        });
        Ok(span)
    }

    /// Frames the pool has just marked become folios, or are free again.
    fn make_folios(
        &self,
        cpu: &Cpu<'_>,
        pagemaps: &Pagemaps,
        id: PagemapId,
        start: u32,
        pages: u32,
    ) -> Result<Span, Errno> {
        let first = self.span.start.add(start);
        pagemaps.alloc_folios(cpu, id, first, pages).inspect_err(|errno| {
            if *errno == Errno::EBUSY {
                // The pool said free and the page says held: it was pushed too early, or twice.
                let count = pagemaps.memmap.folio(first).refcount();
                warn_on(cpu, Complaint::FreePageBusy, first, count.into());
            }
            self.pool[0].lock(cpu).mark(start, pages, false);
        })
    }

    /// Gives a driver of the program its frames, which are out for good.
    ///
    /// # Errors
    /// `EEXIST` when there is such a driver or no room for one, `ENOMEM` when no run is free.
    pub fn load(
        &self,
        cpu: &Cpu<'_>,
        pagemaps: &Pagemaps,
        number: DriverIdx,
        spec: &DriverSpec,
    ) -> Result<(), Errno> {
        let mut pool = self.pool[0].lock(cpu);
        if !self.drivers.has_room(number) {
            return Err(Errno::EEXIST);
        }
        let start = pool.find(spec.pages, self.span.pages).ok_or(Errno::ENOMEM)?;
        pool.mark(start, spec.pages, true);
        let span = Span { start: self.span.start.add(start), pages: spec.pages };
        self.drivers.load(&pagemaps.memmap, number, spec, span);
        Ok(())
    }

    /// One more reference of the driver's on the folio around an allocated frame.
    ///
    /// # Errors
    /// `ENXIO` when the frame is free, `ENOMEM` when the driver can count no more.
    pub fn get(
        &self,
        cpu: &Cpu<'_>,
        pagemaps: &Pagemaps,
        id: PagemapId,
        pfn: Pfn,
    ) -> Result<(), Errno> {
        let folio = pagemaps.folio_get(cpu, id, pfn).ok_or(Errno::ENXIO)?;
        self.keep(cpu, pagemaps, folio)
    }

    /// Puts one of the driver's references on the folio around a frame; the last hands it back.
    ///
    /// # Errors
    /// `ENXIO` when the driver has none.
    pub fn put(&self, cpu: &Cpu<'_>, pagemaps: &Pagemaps, pfn: Pfn) -> Result<(), Errno> {
        let folio = self.take(cpu, pagemaps, pfn).ok_or(Errno::ENXIO)?;
        pagemaps.folio_put_refs(cpu, folio, 1);
        Ok(())
    }

    /// Splits the folio around an allocated frame: the driver's reference on it becomes one on each part. Returns how
    /// many parts there are.
    ///
    /// # Errors
    /// `ENXIO` when the driver has no reference there, otherwise as `folio_split_unmapped`: it has the reference still.
    #[track_caller]
    pub fn split(
        &self,
        cpu: &Cpu<'_>,
        pagemaps: &Pagemaps,
        id: PagemapId,
        pfn: Pfn,
        order: Order,
    ) -> Result<u32, Errno> {
        let folio = self.borrow(cpu, pagemaps, pfn)?;
        let done = self.split_borrowed(cpu, pagemaps, id, folio, order);
        self.give_back(cpu);
        done
    }

    #[track_caller]
    fn split_borrowed(
        &self,
        cpu: &Cpu<'_>,
        pagemaps: &Pagemaps,
        id: PagemapId,
        folio: Folio<'_>,
        order: Order,
    ) -> Result<u32, Errno> {
        pagemaps.vmemmap_restore(folio);
        match pagemaps.folio_split_unmapped(cpu, id, folio, order) {
            Ok(span) => {
                for part in pagemaps.memmap.heads(span, order) {
                    self.keep(cpu, pagemaps, part)?;
                }
                Ok(span.pages / order.pages())
            }
            Err(errno) => {
                match (errno, pagemaps.rules.split_again) {
                    (Errno::EAGAIN, SplitAgain::Lost) => {}
                    (_, SplitAgain::Kept | SplitAgain::Lost) => self.keep(cpu, pagemaps, folio)?,
                }
                Err(errno)
            }
        }
    }

    /// Folds the struct pages of the folio around an allocated frame.
    ///
    /// # Errors
    /// `ENXIO` when the driver has no reference there, `EINVAL` when it is not as large as a PMD.
    pub fn fold(&self, cpu: &Cpu<'_>, pagemaps: &Pagemaps, pfn: Pfn) -> Result<(), Errno> {
        let folio = self.borrow(cpu, pagemaps, pfn)?;
        let folded = pagemaps.vmemmap_fold(cpu, folio);
        let kept = self.keep(cpu, pagemaps, folio);
        self.give_back(cpu);
        kept.and(folded)
    }

    /// As [`Self::take`], to do something with the folio around a frame. The reference is the driver's all the while:
    /// whoever asks meanwhile whether it has some is told so.
    ///
    /// # Errors
    /// `ENXIO` when the driver has none there.
    #[track_caller]
    fn borrow<'a>(
        &self,
        cpu: &Cpu<'_>,
        pagemaps: &'a Pagemaps,
        pfn: Pfn,
    ) -> Result<Folio<'a>, Errno> {
        let mut pool = self.pool[0].lock(cpu);
        let folio = self.take_from(cpu, &mut pool, pagemaps, pfn).ok_or(Errno::ENXIO)?;
        pool.borrowed += 1;
        Ok(folio)
    }

    /// What was done with a folio is done, and the references on its parts are in the table.
    #[track_caller]
    fn give_back(&self, cpu: &Cpu<'_>) {
        self.pool[0].lock(cpu).borrowed -= 1;
    }

    /// A reference becomes the driver's, which counts it in its table; one that the table has no room for is put.
    ///
    /// # Errors
    /// `ENOMEM` when it can count no more: never of one that has just been taken out of it.
    #[track_caller]
    fn keep(&self, cpu: &Cpu<'_>, pagemaps: &Pagemaps, folio: Folio<'_>) -> Result<(), Errno> {
        let kept = {
            let mut pool = self.pool[0].lock(cpu);
            let refs = &mut pool.refs[self.page_of(folio)];
            let more = refs.checked_add(1);
            if let Some(more) = more {
                *refs = more;
                folio.owners_move(cpu, Hold::Task, Hold::Driver, 1);
            }
            more
        };
        if kept.is_none() {
            pagemaps.folio_put_refs(cpu, folio, 1);
        }
        kept.map(drop).ok_or(Errno::ENOMEM)
    }

    /// Takes a reference out of the table: from now on it is the caller's.
    #[track_caller]
    fn take<'a>(&self, cpu: &Cpu<'_>, pagemaps: &'a Pagemaps, pfn: Pfn) -> Option<Folio<'a>> {
        self.take_from(cpu, &mut self.pool[0].lock(cpu), pagemaps, pfn)
    }

    #[track_caller]
    fn take_from<'a>(
        &self,
        cpu: &Cpu<'_>,
        pool: &mut FreePool,
        pagemaps: &'a Pagemaps,
        pfn: Pfn,
    ) -> Option<Folio<'a>> {
        if !self.span.contains(pfn) {
            return None;
        }
        // May be stale, but not while the driver has a reference there: then it is a folio and stays one.
        let folio = pagemaps.memmap.folio(pfn);
        let at = self.page_of(folio);
        if pool.refs[at] == 0 || !folio.span().contains(pfn) {
            return None;
        }
        pool.refs[at] -= 1;
        folio.owners_move(cpu, Hold::Driver, Hold::Task, 1);
        Some(folio)
    }

    fn page_of(&self, folio: Folio<'_>) -> usize {
        // Folios do not reach across the first frame of a pagemap, which is a PMD boundary.
        (folio.pfn().0 - self.span.start.0) as usize
    }

    /// Whether the driver has references of its own.
    #[must_use]
    pub(crate) fn has_own(&self, cpu: &Cpu<'_>) -> bool {
        let pool = self.pool[0].lock(cpu);
        pool.borrowed > 0 || pool.refs.iter().any(|refs| *refs != 0)
    }

    /// What the pool says of each frame, without a step; nothing while somebody holds its lock.
    pub(crate) fn peek(&self, mut each: impl FnMut(Pfn, Pooled)) -> Option<()> {
        self.pool[0].peek(|pool| {
            for (page, pfn) in (0..).zip(self.span.iter()) {
                let refs = pool.refs[page as usize];
                each(pfn, if pool.is_out(page) { Pooled::Out(refs) } else { Pooled::Free });
            }
        })
    }

    /// Frames that are out; 0 at quiescence.
    #[must_use]
    pub fn allocated(&self, cpu: &Cpu<'_>) -> u32 {
        let out: u32 = self.pool[0].lock(cpu).out.iter().map(|word| word.count_ones()).sum();
        out - self.drivers.pages()
    }
}

impl DevPagemapOps for DevMem {
    fn folio_free(&self, cpu: &Cpu<'_>, pagemaps: &Pagemaps, id: PagemapId, folio: Folio<'_>) {
        if let Some(number) = self.drivers.of(folio.pfn()) {
            self.drivers.page_free(cpu, pagemaps, id, number, folio.pfn());
            return;
        }
        let span = folio.span();
        span.iter().for_each(|pfn: Pfn| pagemaps.memmap.shadow_assign(cpu, pfn, Owner::NOBODY));
        let start = span.start.0.wrapping_sub(self.span.start.0);
        if self.span.contains(span.start) && span.end() <= self.span.end() {
            let mut pool = self.pool[0].lock(cpu);
            pool.mark(start, span.pages, false);
            pool.hint = start;
        }
    }
}
