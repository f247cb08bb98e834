//! One object under one scheme, with what its users do to it and the books of it.

use prim::{Arena, AtomicU32, Cpu, NoMemory, Table};

use super::{Books, MOST_TASKS};
use crate::scheme::{Needs, Put, Scheme};

/// Reviews on a quiet machine within which an end is found.
const REVIEWS: usize = 8;

/// See the module.
#[derive(Debug)]
pub struct Case<S: Scheme> {
    scheme: S,
    /// What was taken before the tasks began: the owner's reference first.
    held: [Option<S::Token>; 2],
    /// A word for each task, written under a reference.
    uses: Table<AtomicU32>,
    /// What the object is, or where it was moved to: written by its owner alone.
    kind: Table<AtomicU32>,
    /// 1 while the object can be found, for schemes whose next life waits for those who have found it.
    link: Table<AtomicU32>,
    books: Books,
}

impl<S: Scheme> Case<S> {
    /// An object that nobody uses yet.
    ///
    /// # Errors
    /// The arena has no room.
    pub fn new(arena: &Arena) -> Result<Self, NoMemory> {
        Ok(Self {
            scheme: S::new(arena, MOST_TASKS, 1)?,
            held: [None; 2],
            uses: arena.table("uses", MOST_TASKS)?,
            kind: arena.table("kind", 1)?,
            link: arena.table("link", 1)?,
            books: Books::default(),
        })
    }

    /// Begins the object's first life with so many references, one or two, taken on this CPU.
    pub fn begin(&mut self, cpu: &Cpu<'_>, held: usize) {
        self.uses.iter().for_each(|word| word.set(0));
        self.kind[0].set(0);
        self.link[0].set(1);
        let count = self.scheme.count(0);
        let owners = self.scheme.init(cpu, count);
        let second = (held > 1).then(|| self.scheme.get(cpu, count));
        self.held = [Some(owners), second];
        self.books.begin(held);
    }

    /// The books alone, where memory was put back to where [`Self::begin`] left it.
    pub fn begin_again(&self, held: usize) {
        self.books.begin(held);
    }

    pub(super) fn books(&self) -> &Books {
        &self.books
    }

    pub(super) fn kind(&self) -> &AtomicU32 {
        &self.kind[0]
    }

    /// What the task of this number was given to begin with.
    pub(super) fn held(&self, nth: usize) -> S::Token {
        let Some(token) = self.held[nth] else { panic!("no reference was taken for task {nth}") };
        token
    }

    pub(super) fn take(&self, cpu: &Cpu<'_>) -> S::Token {
        let token = self.scheme.get(cpu, self.scheme.count(0));
        self.books.took();
        token
    }

    pub(super) fn try_take(&self, cpu: &Cpu<'_>) -> Option<S::Token> {
        let count = self.scheme.count(0);
        let token = in_section::<S, _>(cpu, || {
            // Acquire: pairs with the release of a revival.
            let found = S::CAPS.needs != Needs::Grace || self.link[0].read_acquire() == 1;
            found.then(|| self.scheme.try_get(cpu, count)).flatten()
        })?;
        self.books.took();
        Some(token)
    }

    /// Uses the object under a reference.
    pub(super) fn use_it(&self, task: usize) {
        self.uses[task].set(1);
        self.books.uses(task);
    }

    pub(super) fn put(&self, cpu: &Cpu<'_>, token: S::Token) -> Put {
        self.books.gives_back();
        let count = self.scheme.count(0);
        in_section::<S, _>(cpu, || self.scheme.put(cpu, count, token))
    }

    pub(super) fn use_and_put(&self, cpu: &Cpu<'_>, token: S::Token, task: usize) {
        self.use_it(task);
        if self.put(cpu, token) == Put::Zero {
            self.free();
        }
    }

    /// What whoever is told of zero does.
    pub(super) fn free(&self) {
        self.books.frees();
        let seen = |task: usize| !self.books.has_used(task) || self.uses[task].read() == 1;
        assert!((0..MOST_TASKS).all(seen), "freed before a use of it was seen");
    }

    /// Begins the next life of a freed object, once those who have found it have left, if the scheme asks for that.
    pub(super) fn revive(&self, cpu: &Cpu<'_>) -> S::Token {
        let graceful = S::CAPS.needs == Needs::Grace;
        if graceful {
            self.link[0].set(0);
            prim::synchronize_rcu(cpu);
        }
        let token = self.scheme.init(cpu, self.scheme.count(0));
        self.books.lives_again();
        if graceful {
            // Release: pairs with the acquire of whoever finds it.
            self.link[0].set_release(1);
        }
        token
    }

    pub(super) fn kill(&self, cpu: &Cpu<'_>) -> Option<i64> {
        self.scheme.kill(cpu, self.scheme.count(0))
    }

    /// Reviews it; whoever is told of zero frees it.
    pub(super) fn review(&self, cpu: &Cpu<'_>) {
        if self.scheme.review(cpu, self.scheme.count(0)) == Put::Zero {
            self.free();
        }
    }

    /// Reviews it over and over while nobody else runs.
    pub(super) fn review_until_freed(&self, cpu: &Cpu<'_>) {
        let quiet = (0..REVIEWS).take_while(|_| self.books.times_freed() == 0);
        quiet.for_each(|_| self.review(cpu));
    }

    pub(super) fn leave(&self, cpu: &Cpu<'_>) {
        self.scheme.leave(cpu);
    }

    pub(super) fn freeze(&self, expected: i32) -> bool {
        self.scheme.freeze(self.scheme.count(0), expected)
    }

    pub(super) fn unfreeze(&self, refs: i32) {
        self.scheme.unfreeze(self.scheme.count(0), refs);
    }

    pub(super) fn sum(&self) -> i64 {
        self.scheme.sum(self.scheme.count(0))
    }
}

/// Inside an RCU section, if the scheme asks for one.
#[inline(always)]
fn in_section<S: Scheme, R>(cpu: &Cpu<'_>, body: impl FnOnce() -> R) -> R {
    if S::CAPS.needs == Needs::Grace { cpu.rcu_read_leaf(body) } else { body() }
}
