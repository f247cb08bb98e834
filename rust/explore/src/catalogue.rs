//! Programs that are known to tell a right rule from a wrong one.
//!
//! Under the sound era each is exhausted; with the one rule changed it fails, with the fewest preemptions
//! noted here, on the memory noted here. They are what `explore --break RULE=VALUE` runs when no program is
//! given, what `selftest` runs, and where the search for what real threads saw begins (`reproduce`).

mod not_on_x86;

use pgmap_program::{Era, Invariant, Memory, ParseError, Program};

pub use not_on_x86::{NOT_ON_X86, NotOnX86};

use crate::scenario::Scenario;

/// A wrong rule and a program that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// As `--break` takes it.
    pub rule: &'static str,
    pub value: &'static str,
    /// What breaks.
    pub invariant: Invariant,
    /// Fewest preemptions that a failing schedule has; a store that waits counts as one.
    pub preemptions: u32,
    /// The memory on which it is found; on a stronger one, earlier in [`Memory::ALL`], it is silent.
    pub needs: Memory,
    /// What happens.
    pub note: &'static str,
    pub program: &'static str,
}

impl Known {
    /// `RULE=VALUE`.
    #[must_use]
    pub fn assignment(&self) -> String {
        format!("{}={}", self.rule, self.value)
    }

    /// The program under the sound era's rules and the memory it needs: what must be exhausted.
    ///
    /// # Errors
    /// When the program does not parse; a test says that all do.
    pub fn right(&self) -> Result<Scenario, ParseError> {
        let scenario = Scenario::new(Program::parse(self.program)?, Era::V6_15Sound);
        Ok(Scenario { memory: self.needs, ..scenario })
    }

    /// The entry for a wrong rule.
    #[must_use]
    pub fn find(rule: &str, value: &str) -> Option<&'static Self> {
        CATALOGUE.iter().find(|known| (known.rule, known.value) == (rule, value))
    }
}

/// Wrong rules that no program can show yet, and why.
pub const NOT_SHOWN: &[(&str, &str, &str)] = &[(
    "share-reset",
    "kept-at-order-0",
    "the stale count is misread only when files share blocks, which no program can ask for yet (B48)",
)];

/// Every other wrong rule with its program.
pub const CATALOGUE: &[Known] = &[
    Known {
        rule: "gup-pte-recheck",
        value: "off",
        invariant: Invariant::I24,
        preemptions: 1,
        needs: Memory::Sc,
        note: "lock-free GUP read the entry before truncate gave the block away, and takes its reference in \
               the page's next life",
        program: "\
file f 1
file g 8
w0 mmap 0 f 0 1 rw shared
w1 mmap 0 f 0 1 rw shared
w0 w 0 0
start
w0 pin 0 0
w1 ftruncate f 0 | w1 ftruncate f 1 | w1 w 0 0
",
    },
    Known {
        rule: "gup-pmd-recheck",
        value: "off",
        invariant: Invariant::I24,
        preemptions: 1,
        needs: Memory::Sc,
        note: "as above, through a huge leaf: its block comes back as single pages of the same file",
        program: "\
file f 4 huge
file g 8
file h 4
w0 mmap 0 f 0 4 rw shared
w1 mmap 0 f 0 4 rw shared
w0 w 0 0
start
w0 pin 0 0 | w0 unpin
w1 ftruncate f 0 | w1 ftruncate f 4 | w1 w 0 0 2
",
    },
    Known {
        rule: "zap-put",
        value: "before-flush",
        invariant: Invariant::I22,
        preemptions: 1,
        needs: Memory::Sc,
        note: "munmap puts the page before it flushes; truncate finds it idle and frees it while the CPU \
               still has a translation",
        program: "\
file f 1
w0 mmap 0 f 0 1 rw shared
w0 w 0 0
start
w0 munmap 0
w1 ftruncate f 0
",
    },
    Known {
        rule: "zap-clear",
        value: "load-store",
        invariant: Invariant::I18,
        preemptions: 2,
        needs: Memory::Tso,
        note: "the cleared entry waits in a store buffer while the counts are read; lock-free GUP pins the page, \
               finds its entry unchanged, and keeps a page that moves away",
        program: "\
file f 1
w0 mmap 0 f 0 1 rw shared
w1 mmap 0 f 0 1 rw shared
w0 w 0 0
start
w0 pin 0 0 | w0 unpin
w1 madvise 0 soft_offline 0
",
    },
    Known {
        rule: "truncate-break-layout",
        value: "off",
        invariant: Invariant::I18,
        preemptions: 0,
        needs: Memory::Sc,
        note: "truncate does not wait for the pin and takes the page out of the file under DMA",
        program: "\
file f 1
w0 mmap 0 f 0 1 rw shared
w0 w 0 0 | w0 pin 0 0
start
w0 dma_write | w0 unpin
w1 ftruncate f 0
",
    },
    Known {
        rule: "block-free",
        value: "before-idle",
        invariant: Invariant::I18,
        preemptions: 0,
        needs: Memory::Sc,
        note: "the block goes back to the allocator first, and its page is waited for afterwards",
        program: "\
file f 1
w0 mmap 0 f 0 1 rw shared
w0 w 0 0 | w0 pin 0 0
start
w0 unpin
w1 ftruncate f 0
",
    },
    Known {
        rule: "evict-wait",
        value: "none",
        invariant: Invariant::I18,
        preemptions: 0,
        needs: Memory::Sc,
        note: "the last link goes, and eviction frees the blocks under a pin",
        program: "\
file f 1
w0 mmap 0 f 0 1 rw shared
w0 pin 0 0 | w0 munmap 0
start
w0 unpin
w1 unlink f
",
    },
    Known {
        rule: "memunmap-wait",
        value: "off",
        invariant: Invariant::I13Weak,
        preemptions: 0,
        needs: Memory::Sc,
        note: "unbind goes on while a reference on the pagemap is out",
        program: "\
file f 1
w0 mmap 0 f 0 1 rw shared
w0 w 0 0 | w0 pin 0 0
start
w0 unpin
w1 unbind
",
    },
    Known {
        rule: "teardown-pages",
        value: "ignore",
        invariant: Invariant::I13Strong,
        preemptions: 0,
        needs: Memory::Sc,
        note: "the struct pages go away under a pin (B31)",
        program: "\
file f 1
w0 mmap 0 f 0 1 rw shared
w0 w 0 0 | w0 pin 0 0
start
w0 unpin
w1 unbind
",
    },
    Known {
        rule: "request-folio",
        value: "by-inspection",
        invariant: Invariant::I12,
        preemptions: 1,
        needs: Memory::Sc,
        note: "a fault raises the count of a page that is mapped elsewhere; that mapping goes, the count reads \
               one, and the page takes a second reference on its pagemap (B07)",
        program: "\
file f 1
w0 mmap 0 f 0 1 rw shared
w1 mmap 0 f 0 1 rw shared
w1 w 0 0
start
w0 w 0 0
w1 munmap 0
",
    },
    Known {
        rule: "free-push",
        value: "before-settled",
        invariant: Invariant::I02,
        preemptions: 1,
        needs: Memory::Sc,
        note: "the page is on the free list before its count is stored; who allocates it in between has the \
               count wiped, and owns a reference on a page whose count is zero",
        program: "\
w0 dev_alloc 0 1
start
w0 dev_put 0
w1 dev_alloc 0 1
",
    },
    Known {
        rule: "idle-pred",
        value: "ref-zero",
        invariant: Invariant::L2,
        preemptions: 0,
        needs: Memory::Sc,
        note: "the page is faulted in again while truncate sleeps; when the pin goes it is idle, and nobody \
               says so (B33)",
        program: "\
file f 1
w0 mmap 0 f 0 1 rw shared
w0 w 0 0 | w0 pin 0 0
start
w0 w 0 0 | w0 unpin
w1 ftruncate f 0
",
    },
    Known {
        rule: "wait-drops-lock",
        value: "off",
        invariant: Invariant::I20,
        preemptions: 0,
        needs: Memory::Sc,
        note: "truncate sleeps for the page with the invalidate lock held; its holder needs that lock for a \
               fault before it can unpin (B40)",
        program: "\
file f 1
w0 mmap 0 f 0 1 rw shared
w0 w 0 0 | w0 pin 0 0
start
w0 w 0 0 | w0 unpin
w1 ftruncate f 0
",
    },
    Known {
        rule: "entry-wait-key",
        value: "unrounded",
        invariant: Invariant::L4,
        preemptions: 1,
        needs: Memory::Sc,
        note: "a fault waits for a huge entry at the index it came for; the unlocker wakes at the first (B25)",
        program: "\
file f 4 huge
w0 mmap 0 f 0 4 rw shared
w1 mmap 0 f 0 4 rw shared odd
start
w0 w 0 0
w1 w 0 1
",
    },
    Known {
        rule: "iomap-lock",
        value: "until-end",
        invariant: Invariant::I20,
        preemptions: 1,
        needs: Memory::Sc,
        note: "a write waits for the DAX entry with the extent lock held; the fault that locked the entry \
               needs the extent lock to go on",
        program: "\
file f 1 unwritten
w0 mmap 0 f 0 1 rw shared
start
w0 r 0 0
w1 pwrite f 0 1
",
    },
    Known {
        rule: "busy-scan",
        value: "next-index",
        invariant: Invariant::L3,
        preemptions: 0,
        needs: Memory::Sc,
        note: "truncate looks for busy pages and goes from a huge entry to its next index, where it finds \
               the same entry, for ever",
        program: "\
file f 4 huge
w0 mmap 0 f 0 4 rw shared
w0 w 0 0
start
w0 ftruncate f 0
",
    },
];
