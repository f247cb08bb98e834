//! What the kernel did in each step of a recording, as it stands: what was returned, who waited and until when, and
//! how every page looked that was watched. Nothing here is judged.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::op::WorkerId;
use crate::recording::asked::Asked;

/// A step's remark and outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// What was asked for, where it is nothing that a program could ask for.
    pub asked: Option<Asked>,
    /// The recorder's remark.
    pub note: String,
    /// What the step's own program printed: a byte that was read, the signal it died of.
    pub detail: String,
    /// Where a worker slept or ran, as the kernel tells it.
    pub evidence: Vec<String>,
    /// The held tasks, as whoever held them tells it.
    pub slowpoints: Vec<String>,
    /// What happened.
    pub expect: Expect,
}

impl Observed {
    /// Whether a task was where it was to be held, if that was asked.
    #[must_use]
    pub fn held(&self) -> Option<bool> {
        let asked = matches!(self.asked, Some(Asked::Held { .. }));
        let held = |line: &String| line.split_whitespace().nth(1) == Some("held");
        asked.then(|| self.slowpoints.iter().any(held))
    }

    /// The byte that was found, where the step returns something else.
    #[must_use]
    pub fn byte(&self) -> Option<u8> {
        let asked = matches!(self.asked, Some(Asked::DrainPeek { .. }));
        let told = |word: &str| u8::from_str_radix(word.strip_prefix("byte=")?, 16).ok();
        self.detail.split_whitespace().find_map(told).filter(|_| asked)
    }
}

/// What happened in a step, and how every watched page looked after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Default)]
pub struct Expect {
    /// Return value; absent means 0.
    pub ret: Option<i64>,
    /// Had not returned 3 s after it was issued.
    pub blocked: bool,
    /// Its I/O was still in flight afterwards.
    pub in_flight: bool,
    /// Issued without waiting.
    pub asynchronous: bool,
    /// The later step that let it go; a blocked step without one never returned.
    pub completes_at: Option<u32>,
    /// Earlier steps that returned during this one.
    pub completed_now: Vec<Completion>,
    /// A worker that was waited for, in vain.
    pub still_blocked: Option<WorkerId>,
    /// The task was killed by a kernel oops.
    pub died: bool,
    /// Watched pages, by page of the file; empty: not looked at.
    pub pages: BTreeMap<u32, PageState>,
}

impl Expect {
    /// The return value, 0 where none is written.
    #[must_use]
    pub fn returned(&self) -> i64 {
        self.ret.unwrap_or(0)
    }
}

/// An earlier step that returned during this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Completion {
    /// The step.
    pub step: u32,
    /// Who had issued it.
    pub actor: WorkerId,
    /// What it returned.
    pub ret: i64,
}

/// All mappings of a large folio, a PMD counting once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LargeMap {
    /// So many.
    Counted(i64),
    /// The kernel does not count them together, as v6.1 does not; recorded as null.
    NotThere(()),
}

impl LargeMap {
    /// The count, where there is one.
    #[must_use]
    pub fn count(self) -> Option<i64> {
        match self {
            Self::Counted(count) => Some(count),
            Self::NotThere(()) => None,
        }
    }
}

/// A struct page as it was read from kernel memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct PageState {
    /// Refcount; of the head if this is a tail.
    #[serde(rename = "ref", default, deserialize_with = "present")]
    pub refcount: Option<i64>,
    /// Mapcount of this page alone.
    #[serde(default, deserialize_with = "present")]
    pub map: Option<i64>,
    /// Order of its folio.
    #[serde(default, deserialize_with = "present")]
    pub order: Option<u8>,
    /// Mappings of the whole large folio and its parts.
    #[serde(default, deserialize_with = "present")]
    pub large_map: Option<LargeMap>,
    /// Mappings of the whole large folio by a PMD.
    #[serde(default, deserialize_with = "present")]
    pub entire_map: Option<i64>,
    /// Pins of a large folio.
    #[serde(default, deserialize_with = "present")]
    pub pin: Option<i64>,
    /// The share word.
    #[serde(default, deserialize_with = "present")]
    pub share: Option<u64>,
    /// `page->mapping` is set.
    #[serde(default)]
    pub mapping: bool,
    /// Who has this frame in a page table, `"w0/m1"`; where the key is missing, see
    /// [`mappers`](Self::mappers).
    #[serde(default, deserialize_with = "names")]
    pub mapped_by: Option<BTreeSet<String>>,
    /// A tail: the head is that many pages away.
    #[serde(default, deserialize_with = "present")]
    pub tail_of: Option<i64>,
    /// The mapping shows another frame here.
    #[serde(default)]
    pub va_elsewhere: bool,
    /// The struct page no longer exists.
    #[serde(default)]
    pub gone: bool,
}

impl PageState {
    /// Who has this frame in a page table; `None` if that was not recorded. The recorder writes no empty list, so
    /// a missing one stands for nobody, but not where the counts or the folio say that there may be somebody.
    #[must_use]
    pub fn mappers(&self) -> Option<BTreeSet<String>> {
        let counted = |count: Option<i64>| count.is_some_and(|n| n > 0);
        let silent = counted(self.map)
            || counted(self.entire_map)
            || counted(self.large_map.and_then(LargeMap::count))
            || self.tail_of.is_some();
        self.mapped_by.clone().or_else(|| (!silent).then(BTreeSet::new))
    }
}

/// A key that may be left out but not be null.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    d: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(d).map(Some)
}

/// A list of names without duplicates.
fn names<'de, D: Deserializer<'de>>(d: D) -> Result<Option<BTreeSet<String>>, D::Error> {
    let list = Vec::<String>::deserialize(d)?;
    let mut set = BTreeSet::new();
    for name in list {
        if set.contains(&name) {
            return Err(D::Error::custom(format!("mapped_by names {name} twice")));
        }
        set.insert(name);
    }
    Ok(Some(set))
}
