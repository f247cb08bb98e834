//! The ledger: who owns each reference of a folio (K§10 I02, I03, I04).
//!
//! Ghost state. Natively it has no size and no update of it is compiled; the explorer knows at every step
//! exactly what each count is made of. The rule for whoever changes a count: the ledger changes in the same
//! step, with nothing that takes a step in between. A reference that passes from one owner to another, from a
//! function's hands into a page table for instance, changes no count, and moves in the step that makes the
//! new owner findable.
//!
//! ```text
//!   try_get, inc_from_idle, publish --> Task --set PTE--> Mapping --clear PTE--> Batch --> put
//!                                        |  ^
//!                     stored in a table  v  |  taken out of it
//!                               Pin, Get, Pipe, Bio, Driver
//! ```
//!
//! Everything here peeks: it takes no step, so it neither adds schedules nor may decide anything.

use prim::{Arena, Cpu, Ghost, NoMemory, Table, plain};

use crate::page::{Folio, Memmap, Order, Pfn, Span};
use crate::refcount::Count;
use crate::warn::{Complaint, warn_on};

/// What owns a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Hold {
    /// A page that is never free: the zero page, an idle page of device-dax.
    Base,
    /// A present entry of a page table.
    Mapping,
    /// An `mmu_gather`: cleared, not flushed yet.
    Batch,
    /// A function's hands.
    Task,
    /// A plain reference kept under a number.
    Get,
    /// A pin kept under a number.
    Pin,
    /// A pipe's buffer.
    Pipe,
    /// I/O in flight.
    Bio,
    /// The driver that allocated it.
    Driver,
    /// The DAX entry that it is in, where entries hold their pages.
    Entry,
}

const KINDS: usize = 10;

impl Hold {
    /// All of them.
    pub const ALL: [Self; KINDS] = [
        Self::Base,
        Self::Mapping,
        Self::Batch,
        Self::Task,
        Self::Get,
        Self::Pin,
        Self::Pipe,
        Self::Bio,
        Self::Driver,
        Self::Entry,
    ];

    /// In a few words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "the machine",
            Self::Mapping => "page table entries",
            Self::Batch => "a gather batch",
            Self::Task => "a call in progress",
            Self::Get => "references",
            Self::Pin => "pins",
            Self::Pipe => "pipes",
            Self::Bio => "I/O in flight",
            Self::Driver => "the driver",
            Self::Entry => "DAX entries",
        }
    }
}

plain! {
    /// The owners of one folio, kept at its head.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Owners {
        /// References by [`Hold`]. A pin of a small page counts as many as it adds.
        refs: [i32; KINDS],
        /// What the mapcount must be.
        mapped: i32,
        /// What the pincount must be, while there is one.
        pinned: i32,
        /// The task that last gave or took one of each kind.
        last: [u32; KINDS],
    }
}

/// What the words of a folio say.
#[derive(Clone, Copy, Debug)]
struct Words {
    refcount: Count,
    mapcount: i32,
    pincount: Option<u32>,
}

impl Owners {
    /// References of one kind.
    #[must_use]
    pub fn of(&self, hold: Hold) -> i32 {
        self.refs[hold as usize]
    }

    /// The task that last changed how many of a kind there are.
    #[must_use]
    pub fn last(&self, hold: Hold) -> u32 {
        self.last[hold as usize]
    }

    /// What the refcount must be.
    #[must_use]
    pub fn sum(&self) -> i32 {
        // As the word itself: with `ref-limit=wraps` it goes past its largest number.
        self.refs.iter().fold(0, |sum, refs| sum.wrapping_add(*refs))
    }

    fn add(&mut self, task: u32, hold: Hold, refs: i32) {
        self.refs[hold as usize] = self.refs[hold as usize].wrapping_add(refs);
        self.last[hold as usize] = task;
    }

    /// What does not agree with the words, the worst first.
    fn judge(&self, words: Words) -> Option<(Complaint, i64)> {
        // Below zero is I01, and whoever took it there is about to say so.
        if words.refcount.is_underflown() {
            return None;
        }
        let missing = Hold::ALL.into_iter().find(|hold| self.of(*hold) < 0);
        if let Some(hold) = missing {
            return Some((Complaint::NotTheOwner, hold as i64));
        }
        if words.refcount.is_idle() && self.sum() > 0 {
            return Some((Complaint::OwnedAtZero, self.sum().into()));
        }
        if words.refcount.is_busy(self.sum()) {
            return Some((Complaint::RefcountWrong, words.refcount.into()));
        }
        if words.mapcount != self.mapped {
            return Some((Complaint::MapcountWrong, words.mapcount.into()));
        }
        let pincount = words.pincount.filter(|count| count.cast_signed() != self.pinned);
        pincount.map(|count| (Complaint::PincountWrong, count.into()))
    }
}

/// One row a frame; those of heads are in use.
#[derive(Debug)]
pub(super) struct Ledger {
    rows: Table<Ghost<Owners>>,
}

impl Ledger {
    pub(super) fn new(arena: &Arena, pages: usize) -> Result<Self, NoMemory> {
        Ok(Self { rows: arena.table("page owners", pages)? })
    }
}

/// What is done here is done only when explored. A ghost of its own, so that a complaint, which ends the
/// execution where it stands, leaves none behind in the middle of an update.
#[inline(always)]
fn explored(work: impl FnOnce()) {
    Ghost::<()>::new().with(|()| work());
}

impl Folio<'_> {
    /// `refs` references more, owned by `hold`. In the step that changed the refcount.
    #[inline(always)]
    pub fn owners_add(self, cpu: &Cpu<'_>, hold: Hold, refs: i32) {
        self.account(cpu, |owners, task| owners.add(task, hold, refs));
    }

    /// `refs` references fewer: `hold` put them. The sign is turned in here, since natively even that would be
    /// an instruction.
    #[inline(always)]
    pub fn owners_sub(self, cpu: &Cpu<'_>, hold: Hold, refs: i32) {
        self.account(cpu, |owners, task| owners.add(task, hold, -refs));
    }

    /// `refs` references pass from one owner to another.
    #[inline(always)]
    pub fn owners_move(self, cpu: &Cpu<'_>, from: Hold, to: Hold, refs: i32) {
        self.account(cpu, |owners, task| {
            owners.add(task, from, -refs);
            owners.add(task, to, refs);
        });
    }

    /// In the step that changed a page's own mapcount, which is its folio's while that is small.
    #[inline(always)]
    pub fn owners_page_mapped(self, cpu: &Cpu<'_>, by: i32) {
        self.account(cpu, |owners, _| {
            if self.page().peek_order() == Order::PAGE {
                owners.mapped += by;
            }
        });
    }

    /// In the step that changed a large folio's mapcount.
    #[inline(always)]
    pub fn owners_mapped(self, cpu: &Cpu<'_>, by: i32) {
        self.account(cpu, |owners, _| owners.mapped += by);
    }

    /// In the step that changed the pincount.
    #[inline(always)]
    pub fn owners_pinned(self, cpu: &Cpu<'_>, pages: u32) {
        self.account(cpu, |owners, _| owners.pinned += pages.cast_signed());
    }

    /// In the step that changed the pincount: `pages` fewer.
    #[inline(always)]
    pub fn owners_unpinned(self, cpu: &Cpu<'_>, pages: u32) {
        self.account(cpu, |owners, _| owners.pinned -= pages.cast_signed());
    }

    /// Complains unless counts and owners agree. In the step that stored a count.
    #[inline(always)]
    pub fn owners_check(self, cpu: &Cpu<'_>) {
        self.account(cpu, |_, _| {});
    }

    /// What a large folio without a reference still counts of itself as mapped: all of it, or pages.
    fn left_mapped(self, words: Words) -> Option<(Complaint, i64)> {
        if !words.refcount.is_idle() || self.page().peek_order() == Order::PAGE {
            return None;
        }
        let counts = [self.entire_mapcount().peek(), self.nr_pages_mapped().peek()];
        let left = counts.into_iter().find(|count| *count != 0)?;
        Some((Complaint::MapcountWrong, left.cast_signed().into()))
    }

    #[inline(always)]
    fn account(self, cpu: &Cpu<'_>, change: impl FnOnce(&mut Owners, u32)) {
        explored(|| {
            let mut wrong = None;
            self.memmap().ledger.rows[self.pfn().as_index()].with(|owners| {
                change(owners, cpu.task().0);
                let words = self.peek();
                wrong = owners.judge(words).or_else(|| self.left_mapped(words));
            });
            if let Some((complaint, value)) = wrong {
                warn_on(cpu, complaint, self.pfn(), value);
            }
        });
    }

    /// `folio_mapcount` for a check: no step.
    pub(crate) fn peek_mapcount(self) -> i32 {
        self.peek().mapcount
    }

    /// The counts, without a step.
    fn peek(self) -> Words {
        let refcount = self.page().refcount.peek();
        if self.page().peek_order() == Order::PAGE {
            let mapcount = self.page().mapcount.peek();
            return Words { refcount, mapcount, pincount: None };
        }
        let mapcount = self.large_mapcount().peek().cast_signed();
        Words { refcount, mapcount, pincount: Some(self.pincount().peek()) }
    }

    /// References of `pages` pages: each one, or what a pin of them weighs. Without a step.
    fn peek_weight(self, pages: u32, pinned: bool) -> i32 {
        match (pinned, self.page().peek_order()) {
            (true, _) if self.pfn() == Pfn::ZERO_PAGE => 0,
            (true, Order::PAGE) => pages.cast_signed() * self.memmap().pin_bias,
            _ => pages.cast_signed(),
        }
    }
}

impl Memmap {
    /// What the ledger of a frame takes: nothing natively.
    pub const LEDGER_BYTES: usize = size_of::<Ghost<Owners>>();

    /// The references on `pages` pages from `first` on, in one folio, pass from one owner to another.
    /// `pinned` says whether they are pins.
    #[inline(always)]
    pub fn owners_move(
        &self,
        cpu: &Cpu<'_>,
        (first, pages): (Pfn, u32),
        pinned: bool,
        from: Hold,
        to: Hold,
    ) {
        explored(|| {
            let folio = self.peek_folio(first);
            folio.owners_move(cpu, from, to, folio.peek_weight(pages, pinned));
        });
    }

    /// Who owns the folio around a frame; nothing natively.
    #[must_use]
    pub fn owners(&self, pfn: Pfn) -> Option<Owners> {
        self.owners_of_frame(self.peek_folio(pfn).pfn())
    }

    /// Who owns the folio headed at this very frame; nothing natively.
    #[must_use]
    pub fn owners_of_frame(&self, pfn: Pfn) -> Option<Owners> {
        let mut known = None;
        self.ledger.rows[pfn.as_index()].with(|owners| known = Some(*owners));
        known
    }

    /// The head of the folio around a frame, and how many references on it `pages` pages are. No step.
    #[must_use]
    pub fn peek_refs(&self, first: Pfn, pages: u32, pinned: bool) -> (Pfn, i32) {
        let folio = self.peek_folio(first);
        (folio.pfn(), folio.peek_weight(pages, pinned))
    }

    /// A count that whoever makes the machine, or plugs a device in, stores.
    pub fn owners_base(&self, pfn: Pfn) {
        explored(|| {
            self.ledger.rows[pfn.as_index()].with(|owners| owners.refs[Hold::Base as usize] = 1);
        });
    }

    /// The struct pages are gone, and with them who owned what.
    pub(super) fn owners_forget(&self, span: Span) {
        explored(|| {
            span.iter().for_each(|pfn| {
                self.ledger.rows[pfn.as_index()].with(|owners| *owners = Owners::default());
            });
        });
    }

    fn peek_folio(&self, pfn: Pfn) -> Folio<'_> {
        Folio::at(self, self.page(pfn).peek_head(pfn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Words = Words { refcount: Count::of(2), mapcount: 1, pincount: None };

    fn owned(holds: &[(Hold, i32)]) -> Owners {
        let mut owners = Owners { mapped: 1, ..Owners::default() };
        holds.iter().for_each(|(hold, refs)| owners.add(7, *hold, *refs));
        owners
    }

    #[test]
    fn counts_that_are_what_is_owned_are_right() {
        let owners = owned(&[(Hold::Mapping, 1), (Hold::Task, 1)]);
        assert_eq!((owners.sum(), owners.last(Hold::Task)), (2, 7));
        assert_eq!(owners.judge(SMALL), None);
        let idle = Owners::default();
        assert_eq!(
            idle.judge(Words { refcount: Count::of(0), mapcount: 0, pincount: Some(0) }),
            None
        );
    }

    #[test]
    fn a_count_that_nobody_owns_is_wrong() {
        let owners = owned(&[(Hold::Mapping, 1)]);
        assert_eq!(owners.judge(SMALL), Some((Complaint::RefcountWrong, 2)));
    }

    #[test]
    fn an_owner_who_never_got_a_reference_has_none_to_give_up() {
        let owners = owned(&[(Hold::Mapping, 3), (Hold::Pin, -1)]);
        assert_eq!(owners.judge(SMALL), Some((Complaint::NotTheOwner, Hold::Pin as i64)));
    }

    #[test]
    fn a_free_page_has_no_owner() {
        let owners = owned(&[(Hold::Batch, 1)]);
        let free = Words { refcount: Count::of(0), ..SMALL };
        assert_eq!(owners.judge(free), Some((Complaint::OwnedAtZero, 1)));
    }

    #[test]
    fn mapcount_and_pincount_are_what_was_mapped_and_pinned() {
        let owners = owned(&[(Hold::Mapping, 2)]);
        let twice = Words { mapcount: 2, ..SMALL };
        assert_eq!(owners.judge(twice), Some((Complaint::MapcountWrong, 2)));
        let pinned = Words { pincount: Some(1), ..SMALL };
        assert_eq!(owners.judge(pinned), Some((Complaint::PincountWrong, 1)));
    }

    #[test]
    fn a_count_below_zero_is_somebody_elses_complaint() {
        assert_eq!(Owners::default().judge(Words { refcount: Count::of(-1), ..SMALL }), None);
    }

    #[test]
    fn every_kind_has_its_own_place() {
        for (at, hold) in (0..).zip(Hold::ALL) {
            assert_eq!(hold as u8, at, "{hold:?}");
        }
    }
}
