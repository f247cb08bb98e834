//! The memmap: one [`Page`], one content word and one shadow word per frame.
//!
//! Reserved, not touched: mapping 1 TiB of device memory costs microseconds and no resident memory,
//! where Linux writes every `struct page` (K§3.2 step h). A page's contents are a single 64-bit word,
//! enough to see corruption as corruption.

use prim::{Arena, AtomicU32, AtomicU64, Cpu, NoMemory, Table};

use crate::page::ledger::Ledger;
use crate::page::shadow::{Oracle, Owner, Shadow, Stamp};
use crate::page::{Folio, Order, Page, Pfn, Span};
use crate::region;
use crate::warn::{Complaint, warn_on};

/// Granule in which use of the memmap is remembered, so that looking at all of it costs what was used.
const REGION: Order = Order(9);

/// Every frame of the machine.
#[derive(Debug)]
pub struct Memmap {
    pages: Table<Page>,
    contents: Table<AtomicU64>,
    shadow: Shadow,
    pub(super) ledger: Ledger,
    /// One word per [`REGION`] pages, non-zero once a page of it was ever prepared.
    touched: Table<AtomicU32>,
    /// `GUP_PIN_COUNTING_BIAS`.
    pub pin_bias: i32,
    /// Chosen before the machine is shared, and never changed after.
    pub oracle: Oracle,
}

impl Memmap {
    /// Room for `pages` frames, frame 0 being the shared zero page.
    ///
    /// # Errors
    /// [`NoMemory`] when the address space for it cannot be reserved.
    pub fn new(arena: &Arena, pages: u32, pin_bias: u32) -> Result<Self, NoMemory> {
        let count = pages as usize;
        let memmap = Self {
            pages: arena.table(region::PAGE, count)?,
            contents: arena.table(region::CONTENTS, count)?,
            shadow: Shadow::new(arena, count)?,
            ledger: Ledger::new(arena, count)?,
            touched: arena.table("touched", (count >> REGION.0) + 1)?,
            pin_bias: pin_bias.cast_signed(),
            oracle: Oracle::On,
        };
        memmap.page(Pfn::ZERO_PAGE).refcount.set(1);
        memmap.owners_base(Pfn::ZERO_PAGE);
        Ok(memmap)
    }

    /// Frames in the machine.
    #[must_use]
    pub fn frames(&self) -> u32 {
        self.pages.len() as u32
    }

    /// `pfn_to_page`.
    #[doc(alias = "pfn_to_page")]
    #[inline(always)]
    #[must_use]
    pub fn page(&self, pfn: Pfn) -> &Page {
        &self.pages[pfn.as_index()]
    }

    /// `page_to_pfn`.
    #[doc(alias = "page_to_pfn")]
    #[inline(always)]
    #[must_use]
    pub(super) fn pfn_of(&self, page: &Page) -> Pfn {
        Pfn(self.pages.index_of(page) as u32)
    }

    /// The descriptors of a run of frames.
    ///
    /// # Panics
    /// When part of it is outside the machine.
    #[inline]
    #[must_use]
    pub fn pages(&self, span: Span) -> &[Page] {
        &self.pages.as_slice()[span.start.as_index()..span.end().as_index()]
    }

    /// `pfn_folio`: the folio `pfn` seems to belong to right now.
    #[doc(alias = "pfn_folio")]
    #[inline(always)]
    #[must_use]
    pub fn folio(&self, pfn: Pfn) -> Folio<'_> {
        Folio::at(self, self.page(pfn).head_pfn(pfn))
    }

    /// The folio headed at this very frame, by somebody who knows that it is one.
    #[inline(always)]
    #[must_use]
    pub fn folio_at(&self, head: Pfn) -> Folio<'_> {
        Folio::at(self, head)
    }

    /// What is stored in a page.
    #[inline(always)]
    #[must_use]
    pub fn contents(&self, pfn: Pfn) -> &AtomicU64 {
        &self.contents[pfn.as_index()]
    }

    /// Complains when what a page holds was written by somebody with rights from another life of it.
    #[inline]
    pub fn check_contents(&self, cpu: &Cpu<'_>, pfn: Pfn, held: u64, stamp: Stamp) {
        if held != 0 && held != stamp.as_contents() {
            warn_on(cpu, Complaint::ForeignContents, pfn, held.cast_signed());
        }
    }

    /// Gives a page to `owner` and starts a new generation of it.
    #[track_caller]
    pub fn shadow_assign(&self, cpu: &Cpu<'_>, pfn: Pfn, owner: Owner) {
        if self.oracle == Oracle::On {
            self.shadow.assign(cpu, pfn, owner);
        }
    }

    /// What a user of the page remembers at TLB fill and at pin.
    #[inline(always)]
    #[must_use]
    #[track_caller]
    pub fn shadow_capture(&self, pfn: Pfn) -> Stamp {
        match self.oracle {
            Oracle::On => self.shadow.capture(pfn),
            Oracle::Off => Stamp::default(),
        }
    }

    /// Who last gave the page away, as a task number; none if nobody ever did.
    #[must_use]
    pub fn shadow_last_task(&self, pfn: Pfn) -> Option<u32> {
        self.shadow.last_task(pfn)
    }

    /// A new epoch of the struct pages: every stamp taken before is void.
    pub fn shadow_unplug(&self) -> &AtomicU32 {
        self.shadow.epoch()
    }

    /// The parts of `span` that were ever used.
    pub fn used(&self, span: Span) -> impl Iterator<Item = Pfn> {
        let regions = span.start.0 >> REGION.0..=(span.end().0 - 1) >> REGION.0;
        regions.filter(|region| self.touched[*region as usize].read() != 0).flat_map(
            move |region| {
                let first = (region << REGION.0).max(span.start.0);
                (first..((region + 1) << REGION.0).min(span.end().0)).map(Pfn)
            },
        )
    }

    /// Forgets the descriptors of a range: the struct pages are gone, or never were. Contents stay,
    /// persistent memory being persistent.
    pub fn reset_pages(&self, span: Span) {
        self.pages.zero(span.start.as_index()..span.end().as_index());
        self.owners_forget(span);
    }

    /// Remembers that the region of `pfn` is in use. A store only the first time.
    #[inline]
    pub(super) fn touch(&self, pfn: Pfn) {
        let region = &self.touched[(pfn.0 >> REGION.0) as usize];
        if region.read() == 0 {
            region.set(1);
        }
    }
}
