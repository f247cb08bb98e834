//! Eras: named presets of rules (K§3.7). A faithful era does what that kernel shipped, faults
//! included, and lists them; its sound variant is the same kernel with those faults mended.
//!
//! Conformance with recordings is judged against faithful eras; "clean" is a claim about sound ones.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::invariant::Invariant;
use crate::nearest::hint;
use crate::rules::{RuleInfo, Rules};

/// A named preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Era {
    /// Linux v6.15 to v6.18 as shipped.
    #[allow(non_camel_case_types)]
    V6_15,
    /// The same with B31, B33, B48 and B50 mended.
    #[default]
    V6_15Sound,
}

/// A race that a faithful era is known to have: reported as known, not as news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KnownRace {
    /// Number in the catalogue, `"B33"`.
    pub id: &'static str,
    /// A few words.
    pub title: &'static str,
    /// What it is seen to break, the most usual first.
    pub breaks: &'static [Invariant],
    /// `(rule, value)` that makes the difference; [`Era::mend`] has the other value.
    pub rule: (&'static str, &'static str),
    /// The operations of which one takes part, as a violation names them.
    pub operations: &'static [&'static str],
    /// Kernels on which it was seen, or that have it by their source.
    pub kernels: &'static str,
    /// Where the evidence is.
    pub source: &'static str,
    /// What happens.
    pub note: &'static str,
}

const V6_15_KNOWN: &[KnownRace] = &[
    KnownRace {
        id: "B31",
        title: "unbind does not wait for page references",
        breaks: &[Invariant::I13Strong],
        rule: ("teardown-pages", "ignore"),
        operations: &["unbind"],
        kernels: "v5.18 and later; recorded on 6.1, 6.12, 6.16 and 7.2",
        source: "K§3.3, K§14, recordings *_unbind_ref",
        note: "file system DAX and generic pages hold no pagemap reference, so unbind frees their \
               struct pages under a pin; the later unpin writes to freed memory",
    },
    KnownRace {
        id: "B33",
        title: "a layout break is never woken when the page is faulted in again",
        breaks: &[Invariant::L2],
        rule: ("idle-pred", "ref-zero"),
        operations: LAYOUT_BREAKS,
        kernels: "v6.15 and later; recorded on 6.16, 6.18 and 7.2",
        source: "K§5.5, K§14, recordings *_refault_while_*",
        note: "the sleeper waits for refcount 0, but the refault keeps a reference of its own: when \
               the pin goes the page is idle, nobody says so, and truncate sleeps until the munmap",
    },
    KnownRace {
        id: "B48",
        title: "an old index is read as a share count",
        breaks: &[Invariant::I17],
        rule: ("share-reset", "kept-at-order-0"),
        operations: &["write", "read"],
        kernels: "v6.15 to v6.18; recorded on 6.16, clean on 7.2",
        source: "K§5.3, K§14, recording xfs_stale_share",
        note: "index and share are one word; it is not cleared when an order-0 page loses its last \
               entry, so the next life of the block starts with a share count that nobody holds",
    },
    KnownRace {
        id: "B50",
        title: "unmapping works on struct pages that unbind took away",
        breaks: &[Invariant::I27],
        rule: ("teardown-pages", "ignore"),
        operations: &["unbind"],
        kernels: "v5.18 and later; recorded on 6.1, 6.12, 6.16 and 7.2",
        source: "K§14, recordings *_unbind_mounted_ref",
        note: "unbind waits for nobody who still has a page in hand: a munmap or an exit in the middle of a zap \
               finishes on a struct page that is gone, or in its next life",
    },
];

/// What waits for a page to become idle.
const LAYOUT_BREAKS: &[&str] =
    &["ftruncate", "punch", "zerorange", "unlink", "close", "munmap", "exit", "umount"];

impl Era {
    /// Every era, in the order of [`RuleInfo::defaults`](crate::rules::RuleInfo::defaults).
    pub const ALL: [Era; 2] = [Era::V6_15, Era::V6_15Sound];

    /// The name on command lines and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Era::V6_15 => "v6.15",
            Era::V6_15Sound => "v6.15-sound",
        }
    }

    /// One sentence about it.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        match self {
            Era::V6_15 => {
                "Linux v6.15 to v6.18 as shipped: zero-based counts, known races included."
            }
            Era::V6_15Sound => "Linux v6.15 with its known races mended.",
        }
    }

    /// The facts behind it.
    #[must_use]
    pub const fn k(self) -> &'static str {
        match self {
            Era::V6_15 => "K§3.7 Era C, K§14",
            Era::V6_15Sound => "K§3.7 Era C, K§9 B31 B33 B48, K§14 B50",
        }
    }

    /// Its rules.
    #[must_use]
    pub const fn rules(self) -> Rules {
        Rules::of(self)
    }

    /// The races it is known to have.
    #[must_use]
    pub const fn known(self) -> &'static [KnownRace] {
        match self {
            Era::V6_15 => V6_15_KNOWN,
            Era::V6_15Sound => &[],
        }
    }

    /// The same kernel with its known races mended.
    #[must_use]
    pub const fn sound(self) -> Era {
        match self {
            Era::V6_15 | Era::V6_15Sound => Era::V6_15Sound,
        }
    }

    /// `(rule, value)` that mends a race of this era.
    #[must_use]
    pub fn mend(self, race: &KnownRace) -> (&'static str, &'static str) {
        let (rule, wrong) = race.rule;
        (rule, RuleInfo::find(rule).map_or(wrong, |info| info.default_in(self.sound())))
    }

    /// The known race of this era that breaks `invariant`.
    #[must_use]
    pub fn known_for(self, invariant: Invariant) -> Option<&'static KnownRace> {
        self.known().iter().find(|race| race.breaks.contains(&invariant))
    }

    /// The faithful era of a running kernel's version string (`"6.16.12+deb13"`), if there is one.
    #[must_use]
    pub fn of_kernel(version: &str) -> Option<Era> {
        let number = |s: &str| -> Option<u32> {
            s.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok())
        };
        let mut parts = version.split('.');
        match (number(parts.next()?)?, number(parts.next()?)?) {
            (6, 15..=18) => Some(Era::V6_15),
            _ => None,
        }
    }
}

/// No era has that name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no era is called \"{name}\"{hint}; eras are: {known}")]
pub struct EraError {
    /// What was asked for.
    pub name: String,
    hint: String,
    known: String,
}

impl FromStr for Era {
    type Err = EraError;

    fn from_str(name: &str) -> Result<Era, EraError> {
        Era::ALL.into_iter().find(|era| era.name() == name).ok_or_else(|| EraError {
            name: name.to_owned(),
            hint: hint(name, Era::ALL.map(Era::name)),
            known: Era::ALL.map(Era::name).join(", "),
        })
    }
}

impl fmt::Display for Era {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Era {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
