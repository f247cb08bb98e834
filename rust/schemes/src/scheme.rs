//! What a reference-count scheme is: one trait, and what each implementation says it can do.
//!
//! A scheme is a domain of objects that lie in an arena, and the functions over their counts. Two roles meet
//! here: counts of pages, of which there are millions, and counts of pagemaps, of which there are few and which
//! may cost a word for each CPU. Not every scheme sees its last reference go, so a put does not answer yes
//! or no; and which schemes may be put in one ranking follows from what they can do ([`Caps::group`]).
//!
//! The order that every scheme owes, whatever it is made of (the partner in brackets):
//! * `get`: none; whoever calls it holds a reference already.
//! * `try_get` that succeeds: acquire (the release of `init` or `unfreeze`).
//! * `put`: release, and acquire by whoever is told [`Put::Zero`] (the release of every other put).
//! * `kill`: full on both sides (every put before it).
//!
//! `prim` is the only door to memory here, so that the same source runs on threads, under the explorer and
//! under loom.

use core::fmt::Debug;

use prim::{Arena, Cpu, NoMemory, ZeroInit};

/// What a put knows afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "on Zero the caller owns the object"]
pub enum Put {
    /// Somebody else still holds a reference.
    Live,
    /// It was the last one: the caller owns the object.
    Zero,
    /// The scheme cannot tell: see [`Caps::zero`].
    Unknown,
}

/// Who learns that the last reference has gone, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learns {
    /// Whoever puts it, at once.
    AtPut,
    /// Whoever puts it, once the object has been killed.
    AfterKill,
    /// Whoever reviews it, some time afterwards.
    AtReview,
    /// Whoever kills it, by waiting until nobody uses it.
    AtKill,
    /// Nobody.
    Never,
}

/// Who may take a reference without holding one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speculates {
    /// Anybody, unless nobody holds one or the count is frozen.
    UnlessZero,
    /// Anybody, unless the object has been killed.
    UnlessDying,
    /// Nobody.
    Never,
}

/// What a scheme asks of its surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// Speculative gets and puts inside RCU sections, and a grace period before the object's next life.
    Grace,
    /// A row of words for each object and CPU.
    Rows,
    /// A table of words for each CPU, however many objects there are.
    Tables,
    /// One thread alone.
    Alone,
}

/// What a scheme can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Who learns of the last put.
    pub zero: Learns,
    /// Who may take a reference without one.
    pub try_get: Speculates,
    /// An owner can freeze the count, change the object and unfreeze it.
    pub freeze: bool,
    /// What it asks for.
    pub needs: Needs,
}

/// Schemes that can be compared with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// A floor: what no count can be cheaper than.
    Floor,
    /// The last put is told at once.
    ZeroAtPut,
    /// Killed first, then counted.
    KillThenCount,
    /// The last put is found out later.
    Deferred,
    /// Nothing is counted: users are waited for.
    PinOnly,
    /// A sum that nobody is told the zero of.
    CountOnly,
}

impl Caps {
    /// Those that it may be ranked with.
    #[must_use]
    pub fn group(self) -> Group {
        match (self.needs, self.zero) {
            (Needs::Alone, _) => Group::Floor,
            (_, Learns::AtPut) => Group::ZeroAtPut,
            (_, Learns::AfterKill) => Group::KillThenCount,
            (_, Learns::AtReview) => Group::Deferred,
            (_, Learns::AtKill) => Group::PinOnly,
            (_, Learns::Never) => Group::CountOnly,
        }
    }

    /// Anybody may try to get it while others put, and the last of those is told at once.
    #[must_use]
    pub fn is_speculative(self) -> bool {
        self.zero == Learns::AtPut && self.try_get == Speculates::UnlessZero && self.is_shared()
    }

    /// Several threads may use one object.
    #[must_use]
    pub fn is_shared(self) -> bool {
        self.needs != Needs::Alone
    }
}

impl Group {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::ZeroAtPut => "zero at put",
            Self::KillThenCount => "kill, then count",
            Self::Deferred => "zero at a review",
            Self::PinOnly => "pin only",
            Self::CountOnly => "count only",
        }
    }
}

/// A way to count references. See the introduction.
pub trait Scheme: Sized + Send + Sync + 'static {
    /// What reports call it.
    const NAME: &'static str;
    /// What it can do.
    const CAPS: Caps;

    /// The words of one object.
    type Count: ZeroInit + Debug;
    /// What a get hands out and a put must be given back: which leaf, whose counter; nothing, most often.
    type Token: Copy + Send + Sync + 'static;

    /// Room for so many objects on so many CPUs.
    ///
    /// # Errors
    /// The arena has no room.
    fn new(arena: &Arena, cpus: usize, objects: usize) -> Result<Self, NoMemory>;

    /// Bytes of so many objects on so many CPUs, but for what lies between tables.
    #[must_use]
    fn bytes(_cpus: usize, objects: usize) -> usize {
        objects * size_of::<Self::Count>()
    }

    /// The words of an object.
    fn count(&self, object: usize) -> &Self::Count;

    /// Begins a life with one reference, the caller's. Nobody else uses the object, or only to be refused.
    fn init(&self, cpu: &Cpu<'_>, count: &Self::Count) -> Self::Token;

    /// Takes a reference beside one that the caller can rely on.
    fn get(&self, cpu: &Cpu<'_>, count: &Self::Count) -> Self::Token;

    /// Gives one back.
    fn put(&self, cpu: &Cpu<'_>, count: &Self::Count, token: Self::Token) -> Put;

    /// Takes a reference without holding one; none if it is refused, or if the scheme has no such thing.
    fn try_get(&self, _cpu: &Cpu<'_>, _count: &Self::Count) -> Option<Self::Token> {
        None
    }

    /// Ends speculative gets and tells how many references are out, the owner's included; none if the scheme has
    /// no such thing. From here on puts see zero. ([`Learns::AtKill`]: waits until only the owner's is out.)
    fn kill(&self, _cpu: &Cpu<'_>, _count: &Self::Count) -> Option<i64> {
        None
    }

    /// Does what this CPU has put off; Zero if thereby the object's last reference turns out to have gone.
    fn review(&self, _cpu: &Cpu<'_>, _count: &Self::Count) -> Put {
        Put::Unknown
    }

    /// This CPU has nothing more to do with any object for a while: hands over what it has put off.
    fn leave(&self, _cpu: &Cpu<'_>) {}

    /// Refuses speculative gets if exactly `expected` references are out; false: nothing has changed.
    #[must_use]
    fn freeze(&self, _count: &Self::Count, _expected: i32) -> bool {
        false
    }

    /// Undoes [`Self::freeze`] with so many references.
    fn unfreeze(&self, _count: &Self::Count, _refs: i32) {}

    /// How many references are out, if nobody is using the object meanwhile.
    fn sum(&self, count: &Self::Count) -> i64;
}
