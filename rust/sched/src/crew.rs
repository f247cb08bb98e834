//! Several threads search the tree of one bound.
//!
//! One of them *leads*: it runs the search as if it were alone, depth first. The others *help*: each borrows an
//! untried branch of the leader's path, with a model and an explorer of its own, runs the path again and goes through
//! what is below, likewise depth first. All share the table of states that are done with (`known`), and the numbers
//! of objects, so that what one notes of a state another can read.
//!
//! # Why that is sound
//! A state comes into the table when its thread is done with everything below it, and not before. Each cut that this
//! rested on was at a state that was in the table by then, so by the order in which states came in: whatever can be
//! reached from a state in the table, within what is left of the budget, has been run by somebody, or is a twin of what
//! was. What is noted of a state is noted by one thread and read by others; it is of that state and of nothing else.
//!
//! # Why it comes to the same
//! A helper makes no state known below which an execution failed, was cut at the limit of events, or could not be trusted
//! (but for failures that are nothing to anybody, which are only counted). So what the leader is spared has neither,
//! and it comes to the rest itself. Its first failure is the first one of the whole tree, depth first, whatever was cut:
//! cuts leave out what has been seen not to fail. That holds for any number of threads, hence the same failure, with
//! the same schedule, at the same bound. Where failures are passed over and the search goes on, the same argument gives the
//! same first failure of each kind.
//!
//! Numbers differ: two threads may do the same, and what is noted of a state depends on who came there first. The set of
//! all that executions come to does not.
//!
//! The board is under one lock, which orders everything that is on it. What is not is a hint: that somebody is idle,
//! and that a loan is called back. Both are looked at now and then, and nothing else hangs on them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::accesses::{CommonNumbers, Numbers};
use crate::ahead::Notes;
use crate::control::Control;
use crate::known::{Common, Known};
use crate::node::Node;
use crate::plan::Stats;

/// The threads that search together: who leads and who helps each has a clone.
#[derive(Clone, Debug, Default)]
pub struct Crew(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    eager: bool,
    board: Mutex<Board>,
    /// The board has changed.
    changed: Condvar,
    /// Helpers that wait and for whom nothing lies there.
    idle: AtomicUsize,
}

#[derive(Debug, Default)]
struct Board {
    sweep: Option<Arc<Sweep>>,
    loans: VecDeque<Loan>,
    waiting: usize,
    busy: usize,
    /// What helpers have done of this sweep.
    done: Stats,
    over: bool,
}

/// The search of one bound.
#[derive(Debug)]
pub(crate) struct Sweep {
    pub(crate) budget: u32,
    pub(crate) steps_max: u32,
    pub(crate) notes: Notes,
    common: Arc<Common>,
    numbers: Arc<CommonNumbers>,
    ended: Recall,
    #[cfg(test)]
    pub(crate) faults: crate::faults::Tree,
}

/// Says that something is not wanted any more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recall(Arc<AtomicBool>);

/// A branch that somebody else is to go through: a path, the last choice of which is the branch.
#[derive(Debug)]
pub(crate) struct Loan {
    path: Vec<Node>,
    recall: Recall,
}

/// A loan that a helper is at work on; handed back when it is dropped.
pub(crate) struct Work {
    crew: Crew,
    pub(crate) sweep: Arc<Sweep>,
    pub(crate) loan: Loan,
    /// What has been done and not been told.
    pub(crate) stats: Stats,
}

impl Recall {
    pub(crate) fn call(&self) {
        // Relaxed: a hint.
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_called(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Loan {
    pub(crate) fn new(path: Vec<Node>, recall: Recall) -> Self {
        Loan { path, recall }
    }

    pub(crate) fn path(&self) -> &[Node] {
        &self.path
    }
}

impl Sweep {
    pub(crate) fn new(budget: u32, steps_max: u32, cache_bytes: usize, notes: Notes) -> Self {
        Sweep {
            budget,
            steps_max,
            notes,
            common: Arc::new(Common::new(cache_bytes, notes)),
            numbers: Arc::default(),
            ended: Recall::default(),
            #[cfg(test)]
            faults: crate::faults::Tree::default(),
        }
    }

    #[cfg(test)]
    pub(crate) fn with_faults(self, faults: crate::faults::Tree) -> Self {
        Sweep { faults, ..self }
    }

    /// What one thread needs to share its states.
    pub(crate) fn known(&self) -> (Known, Numbers) {
        let numbers = Some(Arc::clone(&self.numbers));
        #[cfg(test)]
        let numbers = numbers.filter(|_| !self.faults.numbers_alone);
        (Known::Ours(Arc::clone(&self.common)), Numbers::new(numbers))
    }
}

impl Crew {
    #[must_use]
    pub fn new() -> Self {
        Crew::default()
    }

    /// A crew whose leader asks for help at once and waits until it is there, for tests: what is over in a moment is
    /// searched together, too.
    #[must_use]
    pub fn eager() -> Self {
        Crew(Arc::new(Shared { eager: true, ..Shared::default() }))
    }

    pub(crate) fn is_eager(&self) -> bool {
        self.0.eager
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        // Nobody panics with the lock in hand.
        self.0.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_idle(&self, board: &Board) {
        let idle = board.waiting.saturating_sub(board.loans.len());
        // Relaxed: a hint.
        self.0.idle.store(idle, Ordering::Relaxed);
    }

    /// Whether somebody would take a loan.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.0.idle.load(Ordering::Relaxed) > 0
    }

    /// The leader begins with a bound.
    pub(crate) fn begin(&self, sweep: Sweep) {
        let mut board = self.board();
        board.sweep = Some(Arc::new(sweep));
        board.done = Stats::default();
    }

    pub(crate) fn offer(&self, loan: Loan) {
        let mut board = self.board();
        board.loans.push_back(loan);
        self.tell_idle(&board);
        self.0.changed.notify_all();
        while self.is_eager() && !board.loans.is_empty() {
            board = self.0.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What helpers have done so far of this bound.
    pub(crate) fn done(&self) -> Stats {
        self.board().done.clone()
    }

    /// The leader is done with a bound, and waits until everybody is; what they did.
    pub(crate) fn end(&self) -> Stats {
        let mut board = self.board();
        if let Some(sweep) = board.sweep.take() {
            sweep.ended.call();
        }
        board.loans.clear();
        self.tell_idle(&board);
        while board.busy > 0 {
            board = self.0.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
        }
        core::mem::take(&mut board.done)
    }

    /// Nobody is needed any more.
    pub fn dismiss(&self) {
        self.board().over = true;
        self.0.changed.notify_all();
    }

    /// What whoever gets ready to help is to do.
    #[must_use]
    pub fn control(&self) -> Control {
        if self.board().over { Control::Stop } else { Control::Go }
    }

    /// Waits until there is something to do; whether there is. Who has not asked has made nothing ready in vain.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        let board = self.wait(self.board());
        !board.over
    }

    /// Waits until something is to be done, or nothing any more.
    fn wait<'a>(&self, mut board: MutexGuard<'a, Board>) -> MutexGuard<'a, Board> {
        board.waiting += 1;
        self.tell_idle(&board);
        while board.loans.is_empty() && !board.over {
            board = self.0.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
        }
        board.waiting -= 1;
        self.tell_idle(&board);
        board
    }

    /// Waits for a loan. None: nobody is needed any more.
    pub(crate) fn next(&self) -> Option<Work> {
        let mut board = self.wait(self.board());
        if board.over {
            return None;
        }
        let (sweep, loan) = (board.sweep.clone()?, board.loans.pop_front()?);
        board.busy += 1;
        self.tell_idle(&board);
        if self.is_eager() {
            self.0.changed.notify_all();
        }
        Some(Work { crew: self.clone(), sweep, loan, stats: Stats::default() })
    }
}

impl Work {
    /// Whether somebody still wants it.
    pub(crate) fn control(&self) -> Control {
        let unwanted = self.loan.recall.is_called() || self.sweep.ended.is_called();
        if unwanted { Control::Stop } else { Control::Go }
    }

    /// Tells what has been done.
    pub(crate) fn tell(&mut self) {
        self.crew.board().done.absorb(&self.stats);
        self.stats = Stats::default();
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.tell();
        self.crew.board().busy -= 1;
        self.crew.0.changed.notify_all();
    }
}
