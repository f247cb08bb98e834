//! Drivers that a program declares: `alloc` and `page_free` as data, a free list, locks and cells of their own.
//!
//! The list is that of `lib/test_hmm.c`: a head, and in each page on it a link, `zone_device_data`. Who may change head
//! and links when is the driver's affair: it has locks, and its functions take them or do not. What is broken by a
//! driver that does not is found as for any other: by the ledger, by a count that is not zero on a page of the list, by
//! pages that are gone from it when everybody has left.
//!
//! | file | one idea |
//! |---|---|
//! | `mod` | what a driver has, and its list at rest |
//! | `run` | its two functions, primitive by primitive |
//! | `kept` | the pages that workers have of drivers |
//!
//! A driver's code and place are written once, when it is loaded, before anybody can name it. So looking at them is no
//! step of the protocol's.

mod kept;
mod run;

use prim::{Arena, AtomicU32, Guarded, LockClass, NoMemory, SpinLock, Table, plain, zeroed};
use program::driver::{DRIVERS_MAX, DriverSpec, Function, NAMES_MAX, PRIMITIVES_MAX, Primitive};
use program::op::{DriverIdx, WORKERS_MAX};

use crate::lock_order;
use crate::page::{Memmap, Pfn, Span};
use crate::region;

use kept::Kept;

zeroed! {
    /// One driver.
    #[derive(Debug)]
    pub struct Driver {
        /// Its frames. No pages: it is not loaded.
        first: AtomicU32,
        pages: AtomicU32,
        /// First page of the free list; frame 0 is nobody's, and stands for none.
        free_list: AtomicU32,
        /// `alloc` and `page_free`, a word for each primitive; 0 ends a list that is shorter.
        alloc: [AtomicU32; PRIMITIVES_MAX],
        page_free: [AtomicU32; PRIMITIVES_MAX],
    }
}

plain! {
    /// What a lock of a driver guards is for the driver to say.
    #[derive(Clone, Copy, Debug)]
    pub struct DriverLocked;
}

impl Guarded for DriverLocked {
    const CLASS: LockClass = lock_order::DRIVER_LOCK;
}

/// Every driver that a program can declare. Cloning it clones a handle: all state is in the arena.
#[derive(Clone, Debug)]
pub(crate) struct Drivers {
    drivers: Table<Driver>,
    /// [`NAMES_MAX`] for each driver, as of the locks.
    cells: Table<AtomicU32>,
    locks: Table<SpinLock<DriverLocked>>,
    /// By worker.
    kept: Table<SpinLock<Kept>>,
}

impl Driver {
    fn list(&self, function: Function) -> &[AtomicU32] {
        match function {
            Function::Alloc => &self.alloc,
            Function::PageFree => &self.page_free,
        }
    }

    fn primitives(&self, function: Function) -> impl Iterator<Item = Primitive> {
        self.list(function).iter().map_while(|word| Primitive::from_word(word.peek()))
    }

    fn span(&self) -> Span {
        Span { start: Pfn(self.first.peek()), pages: self.pages.peek() }
    }
}

impl Drivers {
    pub(crate) fn new(arena: &Arena) -> Result<Self, NoMemory> {
        Ok(Self {
            drivers: arena.table(region::DRIVER, DRIVERS_MAX)?,
            cells: arena.table(region::DRIVER_CELL, DRIVERS_MAX * NAMES_MAX)?,
            locks: arena.table(region::DRIVER_LOCK, DRIVERS_MAX * NAMES_MAX)?,
            kept: arena.table("driver pages", usize::from(WORKERS_MAX))?,
        })
    }

    /// Loads a driver over frames that nobody uses: all of them are on its free list, the first one in front.
    pub(crate) fn load(&self, memmap: &Memmap, number: DriverIdx, spec: &DriverSpec, span: Span) {
        let driver = &self.drivers[number.index()];
        for function in Function::ALL {
            for (word, primitive) in driver.list(function).iter().zip(spec.list(function)) {
                word.set(primitive.to_word());
            }
        }
        let after = span.iter().skip(1).chain([Pfn::ZERO_PAGE]);
        for (page, next) in memmap.pages(span).iter().zip(after) {
            page.private.set(next.0);
        }
        driver.free_list.set(span.start.0);
        driver.first.set(span.start.0);
        driver.pages.set(span.pages);
    }

    /// Whether there is a driver of this number.
    pub(crate) fn is_loaded(&self, number: DriverIdx) -> bool {
        self.drivers.iter().nth(number.index()).is_some_and(|driver| driver.pages.peek() > 0)
    }

    /// Whether there is room for a driver of this number.
    pub(crate) fn has_room(&self, number: DriverIdx) -> bool {
        number.index() < DRIVERS_MAX && !self.is_loaded(number)
    }

    /// The driver whose frame this is.
    pub(crate) fn of(&self, pfn: Pfn) -> Option<DriverIdx> {
        self.loaded().find(|(_, driver)| driver.span().contains(pfn)).map(|(number, _)| number)
    }

    /// Frames that drivers have.
    pub(crate) fn pages(&self) -> u32 {
        self.loaded().map(|(_, driver)| driver.pages.peek()).sum()
    }

    fn loaded(&self) -> impl Iterator<Item = (DriverIdx, &Driver)> {
        // They are numbered from 0 on.
        let numbered = (0..).map(DriverIdx).zip(self.drivers.iter());
        numbered.take_while(|(_, driver)| driver.pages.peek() > 0)
    }

    /// Each frame of a free list, without a step; one that leads back to itself is walked round once.
    pub(crate) fn peek_free(&self, memmap: &Memmap, mut each: impl FnMut(Pfn)) {
        for (_, driver) in self.loaded() {
            Self::walk(memmap, driver).for_each(&mut each);
        }
    }

    /// Of each driver its number, how many pages its free list has, and how many it should have at rest.
    pub(crate) fn at_rest(&self, memmap: &Memmap) -> impl Iterator<Item = (DriverIdx, i64, i64)> {
        self.loaded().map(|(number, driver)| {
            let free = Self::walk(memmap, driver).count();
            (number, free as i64, driver.span().pages.into())
        })
    }

    /// The pages of a free list as far as it leads, and no more than one further than there can be.
    fn walk<'a>(memmap: &'a Memmap, driver: &'a Driver) -> impl Iterator<Item = Pfn> {
        let span = driver.span();
        let on = move |word: u32| Some(Pfn(word)).filter(|pfn| span.contains(*pfn));
        let next = move |pfn: &Pfn| on(memmap.page(*pfn).private.peek());
        core::iter::successors(on(driver.free_list.peek()), next).take(span.pages as usize + 1)
    }
}
