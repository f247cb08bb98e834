//! Who took part in what a stress run found, as values; they become words where they leave the run.

use std::fmt;

use pgmap_mm::page::Pfn;
use pgmap_mm::world::{HeldBy, Party, Side};
use pgmap_prim::{WaitClass, Waiter};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// Who took part: who noticed, and who the other side is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parties(pub Vec<FoundParty>);

impl Parties {
    /// The calls that take part, by the names of the table of operations.
    pub fn calls(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.iter().flat_map(FoundParty::calls)
    }
}

/// In words, and the calls beside them.
impl Serialize for Parties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let words: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        let calls: Vec<&str> = self.calls().collect();
        let mut told = serializer.serialize_struct("Parties", 2)?;
        told.serialize_field("parties", &words)?;
        told.serialize_field("operations", &calls)?;
        told.end()
    }
}

/// A party to what was found.
#[derive(Clone, Debug, PartialEq)]
pub enum FoundParty {
    Side(Side),
    Sleeper(Sleeper),
    Holder(PageHolder),
    /// The books do not balance, and nobody is there any more.
    AllThreadsGone,
}

impl FoundParty {
    fn calls(&self) -> impl Iterator<Item = &'static str> {
        let (call, other) = match self {
            Self::Side(side) => (side.call(), None),
            Self::Sleeper(sleeper) => sleeper.calls(),
            Self::Holder(holder) => (holder.by.call(), None),
            Self::AllThreadsGone => (None, None),
        };
        call.into_iter().chain(other)
    }
}

impl fmt::Display for FoundParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Side(side) => write!(f, "{side}"),
            Self::Sleeper(sleeper) => write!(f, "{sleeper}"),
            Self::Holder(holder) => write!(f, "{holder}"),
            Self::AllThreadsGone => write!(f, "all threads, gone"),
        }
    }
}

/// Who waits for what, how long, and who has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sleeper {
    pub party: Party,
    pub class: WaitClass,
    pub object: u64,
    pub owner: Option<Party>,
    pub seconds: f64,
}

impl Sleeper {
    pub(super) fn of(waiter: &Waiter) -> Self {
        Self {
            party: Party::of(waiter.task.0),
            class: waiter.class,
            object: waiter.object,
            owner: waiter.owner.map(|task| Party::of(task.0)),
            seconds: waiter.for_.as_secs_f64(),
        }
    }

    /// The calls of who sleeps and of who has what is waited for.
    pub(super) fn calls(&self) -> (Option<&'static str>, Option<&'static str>) {
        (self.party.call(), self.owner.and_then(Party::call))
    }
}

impl fmt::Display for Sleeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { party, class, object, owner, seconds } = self;
        write!(f, "{party} waits {seconds:.1} s for {class} {object:#x}")?;
        owner.map_or(Ok(()), |owner| write!(f, ", held by {owner}"))
    }
}

/// What holds a page that somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageHolder {
    pub pfn: Pfn,
    pub by: HeldBy,
}

impl fmt::Display for PageHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pfn, self.by)
    }
}
