//! Which objects of two tasks count as shared: what an outcome can hang on.
//!
//! A program of several workers tests something if one of them writes what another one touches. But on one machine
//! everybody shares something, and who shares no more than that might as well run alone. So it counts what the
//! outcome can hang on: a page and its data, page tables, TLBs, a file (its inode, entries, mapping, locks), an mm, a
//! pipe, an I/O, a pagemap, the device, a driver of the program with its list; also by its lock alone, which orders who takes it, so that two workers on
//! different pages of one file have met. It does not count what only has to be handed out or looked up: free lists,
//! the cursor over free blocks, the directory, the table of open files, counts of read-side sections, the zero page,
//! virtual time, what the emulator keeps for itself.
//!
//! A page or a page table that one worker gave back and another one got is a meeting: races live there.

use pgmap_mm::dax::SRCU_BYTES;
use pgmap_mm::region;
use pgmap_prim::{Arena, Region, Subject};
use pgmap_sched::Object;

use crate::thing::{Tables, Thing};

/// Tables of what belongs to the workers' doing rather than to the machine's keeping.
const COMMON: [&str; 9] = [
    region::INODE,
    region::ADDRESS_SPACE,
    region::ANON_VMA,
    region::MM_STRUCT,
    region::PIPE,
    region::BIO,
    region::DEV_PAGEMAP,
    region::PERCPU_REF,
    region::DAX_DEVICE,
];

/// Whether tasks that share this object, and one of which writes it, have to do with each other.
pub(crate) fn is_shared(arena: &Arena, object: Object) -> bool {
    let tables = Tables::of(arena);
    let thing = tables.thing(object);
    match thing {
        Thing::Page { .. } | Thing::Contents { .. } | Thing::Life { .. } => thing.pfn() != Some(0),
        Thing::Pte | Thing::Pmd | Thing::DaxEntry | Thing::Tlb | Thing::TlbPage => true,
        Thing::FreeList { .. } | Thing::DriverCell { .. } | Thing::DriverLock { .. } => true,
        Thing::Queue | Thing::Other => {
            let at = match Subject::of(object) {
                Subject::Word(at) | Subject::Queue(at) | Subject::Range(at) => at,
                _ => return false,
            };
            let Some(located) = usize::try_from(at).ok().and_then(|at| arena.locate(at)) else {
                return false;
            };
            let Region { name, part, .. } = located.region;
            let kept = name == region::DAX_DEVICE && SRCU_BYTES.contains(&located.byte);
            part.is_empty() && COMMON.contains(&name) && !kept
        }
        Thing::Outside => false,
    }
}
