//! Complaints as violations, and quiescence.
//!
//! On real threads there is no ledger (`owners` tells what the explorer's says). What there is: the
//! shadow, checked at each access; counters that saturate and complain; and join points, where nothing is
//! in flight and the books must balance exactly (K§10 "Quiescence").

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Display};

use prim::{Cpu, WarnRecord};
use program::Invariant;
use program::rules::TeardownPages;

use crate::page::{Hold, Pfn, Stamp};
use crate::pagemap::{PagemapId, PagemapType};
use crate::warn::{Complaint, Told};
use crate::world::World;
use crate::world::holders::HeldBy;
use crate::world::party::Party;

/// A side of a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who noticed it, or gave the page away last.
    Caller(Party),
    /// What holds the page.
    Holder(HeldBy),
    /// Whose call made it an owner of this kind, by the ledger.
    Owner(Party, Hold),
    /// No owner, and nobody ever gave the page away.
    NobodyYet,
    /// Who else was in the middle of a call when it was noticed, on real threads: perhaps the other side, whose call is
    /// over by the time that holders are asked for.
    Meanwhile(Party),
}

impl Side {
    /// The call that takes part in it, by the name of the table of operations.
    #[must_use]
    pub fn call(self) -> Option<&'static str> {
        match self {
            Self::Caller(party) | Self::Owner(party, _) | Self::Meanwhile(party) => party.call(),
            Self::Holder(by) => by.call(),
            Self::NobodyYet => None,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caller(party) => write!(f, "{party}"),
            Self::Holder(by) => write!(f, "{by}"),
            Self::Owner(party, hold) => write!(f, "{party}: {}", hold.name()),
            Self::NobodyYet => write!(f, "nobody yet"),
            Self::Meanwhile(party) => write!(f, "meanwhile {party}"),
        }
    }
}

/// An invariant was seen broken.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// By what.
    pub complaint: Option<Complaint>,
    /// In a few words.
    pub title: String,
    /// The page, when it is about one.
    pub pfn: Option<Pfn>,
    /// Who noticed, and who last gave the page away or holds it.
    pub parties: Vec<Side>,
    /// Values and lives.
    pub detail: String,
}

impl World {
    /// A machine complaint as a violation.
    #[must_use]
    pub fn violation(&self, cpu: &Cpu<'_>, record: &WarnRecord) -> Violation {
        let noticed = Side::Caller(Party::of(record.task.0));
        let Some(complaint) = Complaint::from_code(record.warn.code) else {
            return Violation {
                invariant: Invariant::I20,
                complaint: None,
                title: format!("misuse of a primitive (code {:#x})", record.warn.code),
                pfn: None,
                parties: Vec::from([noticed]),
                detail: format!("object {:#x} value {}", record.warn.object, record.warn.value),
            };
        };
        let object = record.warn.object as u32;
        let pfn = complaint.told().is_of_page().then_some(Pfn(object));
        let mut parties = Vec::from([noticed]);
        parties.extend(pfn.map(|pfn| self.other_side(cpu, pfn, record.task.0)));
        parties.extend(record.beside.iter().map(|task| Side::Meanwhile(Party::of(task.0))));
        let detail = self.detail(complaint.told(), object, record.warn.value);
        Violation {
            invariant: complaint.invariant(),
            complaint: Some(complaint),
            title: complaint.title().into(),
            pfn,
            parties,
            detail,
        }
    }

    fn detail(&self, told: Told, object: u32, value: i64) -> String {
        let now = || self.pagemaps().memmap.shadow_capture(Pfn(object));
        match told {
            Told::Life => {
                let now = now();
                let (life, owner) = (now.generation(), Self::owner_name(now));
                format!("value {value}, life {life} ({owner})")
            }
            Told::EarlierLife => {
                let seen = Stamp { word: value.cast_unsigned(), ..now() };
                let (life, owner) = (seen.generation(), Self::owner_name(seen));
                format!("page was in its life {life} ({owner})")
            }
            Told::Owners => {
                let count = self.pagemaps().memmap.folio(Pfn(object)).refcount().get();
                let owners = self.owners_told(Pfn(object)).unwrap_or_default();
                format!("refcount {count}, owned: {owners}; value {value}")
            }
            Told::Tlb => format!("still in the TLB of CPU {value}"),
            Told::PagemapOwners => {
                let owners = self.pagemap_owners_told(PagemapId(object)).unwrap_or_default();
                format!("owned: {owners}; value {value}")
            }
            Told::Value => format!("value {value}"),
        }
    }

    /// A holder of the page if there is one, else who last gave it away.
    fn other_side(&self, cpu: &Cpu<'_>, pfn: Pfn, noticed: u32) -> Side {
        let found = self.holders(cpu, pfn).first().map(|holder| Side::Holder(holder.by));
        let owner = || {
            let besides = self.owner_besides(pfn, Party::of(noticed));
            besides.map(|(party, hold)| Side::Owner(party, hold))
        };
        let last = || {
            let task = self.pagemaps().memmap.shadow_last_task(pfn);
            task.map(|task| Side::Caller(Party::of(task)))
        };
        found.or_else(owner).or_else(last).unwrap_or(Side::NobodyYet)
    }

    fn owner_name(stamp: Stamp) -> String {
        match stamp.owner() {
            crate::page::Owner::NOBODY => "free".into(),
            crate::page::Owner::DRIVER => "driver's".into(),
            owner => owner.as_file().map_or_else(|| "?".into(), |inode| format!("inode {inode}'s")),
        }
    }

    /// What a page counts while nobody uses it: in files, what their entries hold; a driver's, what a free one has. No step.
    fn peek_at_rest(&self, pfn: Pfn) -> i64 {
        let count = match self.devmem.span().contains(pfn) {
            true => self.pagemaps().base_count(PagemapType::Private),
            false => self.dax.peek_refs_of_entries(pfn),
        };
        count.into()
    }

    /// What does not balance on a machine at rest: no call in progress, no process, nothing in flight.
    /// Empty when all is well.
    #[must_use]
    pub fn quiescence(&self, cpu: &Cpu<'_>) -> Vec<String> {
        let mut wrong = Vec::new();
        let vm = &self.dax.vm;
        let pagemaps = self.pagemaps();
        pagemaps.run_deferred(cpu);
        let mut expect = |what: &dyn Display, found: i64, wanted: i64| {
            if found != wanted {
                wrong.push(format!("{what}: {found}, expected {wanted}"));
            }
        };
        expect(&"processes", self.procs.live() as i64, 0);
        expect(&"address spaces", vm.live_mms() as i64, 0);
        expect(&"page tables", vm.live_tables() as i64, 0);
        expect(&"anonymous mappings", vm.live_anon_vmas() as i64, 0);
        expect(&"pages of ordinary memory", pagemaps.ram.used(cpu).into(), 0);
        expect(&"open files", self.open_files.live() as i64, 0);
        expect(&"pipes", self.pipes.live() as i64, 0);
        expect(&"I/O in flight", self.bios.live() as i64, 0);
        expect(&"driver pages out", self.devmem.allocated(cpu).into(), 0);
        for (number, free, wanted) in self.devmem.drivers.at_rest(&pagemaps.memmap) {
            expect(&format_args!("pages on the free list of driver {number}"), free, wanted);
        }
        for (what, found, wanted) in pagemaps.at_rest() {
            expect(&what, found as i64, wanted as i64);
        }
        expect(&"percpu switches pending", pagemaps.percpu.pending_switches() as i64, 0);
        let bulk = |id| i64::from(pagemaps.span(id).pages) + 1;
        if let Some(id) = self.dax.pagemap() {
            // A folio in use holds its pagemap once, whoever uses it.
            let used = || self.dax.span.iter().filter(|pfn| self.peek_at_rest(*pfn) > 0).count();
            let held = match pagemaps.rules.teardown_pages {
                TeardownPages::Ignore => 0,
                TeardownPages::WaitIdle => used() as i64,
            };
            expect(&"references on the pmem pagemap", pagemaps.ledger(id), bulk(id) + held);
        }
        if let Some(id) = self.dev_pagemap() {
            expect(&"references on the driver's pagemap", pagemaps.ledger(id), 1);
        }
        expect(
            &"references on the zero page",
            pagemaps.memmap.page(Pfn::ZERO_PAGE).refcount.count().into(),
            1,
        );
        let mut entries = 0;
        expect(&"blocks out of place", self.dax.misplaced_blocks() as i64, 0);
        for inode in self.dax.live_inodes() {
            let names = i64::from(self.is_named(cpu, inode));
            expect(&"a file without a name", 1 - names, 0);
            expect(&"names of a file", self.dax.inode(inode).nlink().into(), names);
            expect(&"users of a file", self.dax.inode(inode).users().into(), 0);
            entries += i64::from(self.dax.nrpages(cpu, inode));
        }
        for span in [self.dax.span, self.devmem.span()] {
            for pfn in pagemaps.memmap.used(span) {
                let page = pagemaps.memmap.page(pfn);
                let count = page.refcount.count();
                expect(&format_args!("refcount of {pfn}"), count.into(), self.peek_at_rest(pfn));
                expect(&format_args!("mapcount of {pfn}"), page.mapcount.read().into(), 0);
            }
        }
        // Not at rest: umount would sleep for whoever holds a page, and nobody asked for that.
        if !wrong.is_empty() {
            return wrong;
        }
        // Entries may stay with files that keep their names; they hold nothing, and umount removes them.
        if let Err(errno) = self.dax.umount(cpu) {
            wrong.push(format!("umount: {}", errno.name()));
        } else if entries > 0 {
            for inode in self.dax.live_inodes() {
                let left = self.dax.nrpages(cpu, inode);
                if left != 0 {
                    wrong.push(format!("nrpages after umount: {left}, expected 0"));
                }
            }
        }
        wrong
    }
}
