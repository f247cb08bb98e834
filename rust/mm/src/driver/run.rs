//! A driver's function, primitive by primitive.
//!
//! Each primitive is a function here, and its reads and stores are steps: where another task can come in between is
//! where it could in the driver. What a function has taken when it fails, locks and references on the pagemap, it gives
//! back, as the kernel's do behind a label.

use prim::{Cpu, SpinGuard};
use program::Errno;
use program::driver::{Does, Function, NAMES_MAX, Primitive};
use program::op::DriverIdx;
use program::rules::InitMode;

use super::{Driver, DriverLocked, Drivers};
use crate::page::{Folio, Hold, Order, Owner, Pfn};
use crate::pagemap::{PagemapId, PagemapType, Pagemaps};
use crate::warn::{Complaint, warn_on};

/// What `alloc` came to.
pub(crate) struct Allocated {
    pub(crate) pfn: Pfn,
    /// What it returns.
    pub(crate) value: u32,
}

/// A function that runs.
struct Run<'a> {
    driver: &'a Driver,
    drivers: &'a Drivers,
    number: DriverIdx,
    function: Function,
    cpu: &'a Cpu<'a>,
    pagemaps: &'a Pagemaps,
    pagemap: PagemapId,
    /// The page it is about; `alloc` has none before `pop`.
    page: Option<Pfn>,
    /// References that `alloc` has given the page, or found there.
    count: i32,
    /// References on the pagemap that it has taken.
    pagemap_refs: u32,
    loaded: Option<u32>,
    held: [Option<SpinGuard<'a, DriverLocked>>; NAMES_MAX],
}

impl Drivers {
    /// `alloc` of a driver.
    ///
    /// # Errors
    /// `ENOMEM` when its list is empty, `ENODEV` when the pagemap is dying.
    pub(crate) fn alloc(
        &self,
        cpu: &Cpu<'_>,
        pagemaps: &Pagemaps,
        pagemap: PagemapId,
        number: DriverIdx,
    ) -> Result<Allocated, Errno> {
        let mut run = self.run(cpu, pagemaps, pagemap, number, Function::Alloc);
        let ended = run.all();
        if ended.is_err() {
            run.undo();
        }
        ended?;
        // A driver takes a page, or it was not read.
        let pfn = run.page.ok_or(Errno::ENOMEM)?;
        run.hand_out(pfn);
        pagemaps.memmap.shadow_assign(cpu, pfn, Owner::DRIVER);
        let value = run.loaded.unwrap_or(pfn.0 - run.driver.span().start.0);
        Ok(Allocated { pfn, value })
    }

    /// `page_free` of a driver, for a page of its own whose last reference is gone.
    pub(crate) fn page_free(
        &self,
        cpu: &Cpu<'_>,
        pagemaps: &Pagemaps,
        pagemap: PagemapId,
        number: DriverIdx,
        pfn: Pfn,
    ) {
        pagemaps.memmap.shadow_assign(cpu, pfn, Owner::NOBODY);
        let mut run = self.run(cpu, pagemaps, pagemap, number, Function::PageFree);
        run.page = Some(pfn);
        if run.all().is_err() {
            run.undo();
        }
    }

    fn run<'a>(
        &'a self,
        cpu: &'a Cpu<'a>,
        pagemaps: &'a Pagemaps,
        pagemap: PagemapId,
        number: DriverIdx,
        function: Function,
    ) -> Run<'a> {
        Run {
            driver: &self.drivers[number.index()],
            drivers: self,
            number,
            function,
            cpu,
            pagemaps,
            pagemap,
            page: None,
            count: pagemaps.base_count(PagemapType::Private),
            pagemap_refs: 0,
            loaded: None,
            held: [const { None }; NAMES_MAX],
        }
    }
}

impl<'a> Run<'a> {
    fn all(&mut self) -> Result<(), Errno> {
        self.driver.primitives(self.function).try_for_each(|primitive| self.one(primitive))
    }

    fn one(&mut self, Primitive { does, slot, value }: Primitive) -> Result<(), Errno> {
        let slot = usize::from(slot);
        match does {
            Does::Lock => self.lock(slot),
            Does::Unlock => self.unlock(slot),
            Does::Pop => return self.pop(),
            Does::Push => self.push(),
            Does::InitPage => self.init_page(),
            Does::SetCount => self.set_count(value.into()),
            Does::PagemapGet => return self.pagemap_get(),
            Does::PagemapPut => self.pagemap_put(),
            Does::Load => self.load(slot),
            Does::Store => self.store(slot, value.into()),
            Does::Add => self.add(slot, value.into()),
        }
        Ok(())
    }

    fn folio(&self) -> Option<Folio<'a>> {
        self.page.map(|pfn| self.pagemaps.memmap.folio(pfn))
    }

    fn lock(&mut self, slot: usize) {
        self.held[slot] = Some(self.drivers.locks[self.place(slot)].lock(self.cpu));
    }

    fn unlock(&mut self, slot: usize) {
        self.held[slot] = None;
    }

    fn pop(&mut self) -> Result<(), Errno> {
        let free_list = &self.driver.free_list;
        let first = Pfn(free_list.read());
        if first == Pfn::ZERO_PAGE {
            return Err(Errno::ENOMEM);
        }
        let page = self.pagemaps.memmap.page(first);
        free_list.set(page.private.read());
        let count = page.refcount.peek();
        if count.is_idle() && self.count > 0 {
            warn_on(self.cpu, Complaint::FreePageUnsettled, first, count.into());
        } else if count.is_busy(self.count) {
            warn_on(self.cpu, Complaint::FreePageBusy, first, count.into());
        }
        self.page = Some(first);
        Ok(())
    }

    fn push(&mut self) {
        let Some(pfn) = self.page else { return };
        let free_list = &self.driver.free_list;
        self.pagemaps.memmap.page(pfn).private.set(free_list.read());
        free_list.set(pfn.0);
    }

    /// `zone_device_page_init`, but for the count, which is a primitive of its own.
    fn init_page(&mut self) {
        let Some(pfn) = self.page else { return };
        self.pagemaps.memmap.page(pfn).private.set(0);
        self.pagemaps.memmap.prep_folio(pfn, Order::PAGE, self.pagemap.head());
    }

    /// `set_page_count`. Who allocates owns what it stores; who frees owns nothing any more.
    fn set_count(&mut self, count: i32) {
        let Some(folio) = self.folio() else { return };
        folio.page().refcount.set(count);
        match self.function {
            Function::Alloc => {
                let before = core::mem::replace(&mut self.count, count);
                folio.owners_add(self.cpu, Hold::Task, count - before);
                if before == 0 && count > 0 {
                    self.pagemaps.page_in_use(self.cpu, folio);
                }
            }
            Function::PageFree => folio.owners_check(self.cpu),
        }
    }

    /// Where a free page has a count, it becomes the reference of who asked for the page.
    fn hand_out(&self, pfn: Pfn) {
        match self.pagemaps.rules.init_mode {
            InitMode::Idle => {}
            InitMode::Busy => {
                let folio = self.pagemaps.memmap.folio_at(pfn);
                folio.owners_move(self.cpu, Hold::Base, Hold::Task, 1);
                self.pagemaps.page_in_use(self.cpu, folio);
            }
        }
    }

    fn pagemap_get(&mut self) -> Result<(), Errno> {
        if !self.pagemaps.tryget_for_page(self.cpu, self.pagemap) {
            return Err(Errno::ENODEV);
        }
        self.pagemap_refs += 1;
        Ok(())
    }

    fn pagemap_put(&mut self) {
        self.pagemaps.put_refs(self.cpu, self.pagemap, 1);
        self.pagemap_refs = self.pagemap_refs.saturating_sub(1);
    }

    /// The place of a lock or cell of this driver among all.
    fn place(&self, slot: usize) -> usize {
        self.number.index() * NAMES_MAX + slot
    }

    fn load(&mut self, slot: usize) {
        self.loaded = Some(self.drivers.cells[self.place(slot)].read());
    }

    fn store(&mut self, slot: usize, value: u32) {
        self.drivers.cells[self.place(slot)].set(value);
    }

    /// `cell += value`: two steps, and no locked instruction.
    fn add(&mut self, slot: usize, value: u32) {
        let cell = &self.drivers.cells[self.place(slot)];
        cell.set(cell.read().wrapping_add(value));
    }

    /// What the function has taken before it failed.
    fn undo(&mut self) {
        self.held = [const { None }; NAMES_MAX];
        while self.pagemap_refs > 0 {
            self.pagemap_put();
        }
    }
}
