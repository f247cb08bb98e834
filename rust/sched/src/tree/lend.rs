//! What a path gives away to other threads, or has of one: see `crew`.
//!
//! A lender gives away one untried task of a decision at a time, of the decision that is nearest to the start: what is
//! below it is the most work, and what the lender comes to last. It gives away only what it is certain to try itself
//! otherwise: where a preemption costs and the first branch is under way that is known once what followed so far
//! does not commute with the step (`Ahead::certain`).
//!
//! A borrower's path begins with the lender's, of which it tries nothing else. What it is done with it makes
//! known, but for states on the path of an execution that somebody has to see: those it leaves to the lender.

use crate::crew::{Crew, Loan, Recall, Sweep};
use crate::node::{Branch, Node};
use crate::plan::Stats;
use crate::step::Task;
use crate::tree::Tree;

/// So many executions a lender runs before it gives anything away: what is done by then needs no help, and its
/// numbers are always the same.
const ALONE: u32 = 1024;
/// And so many after it had nothing to give.
const PAUSE: u32 = 64;

/// The others' part in a path.
#[derive(Default)]
pub(super) enum Lent {
    #[default]
    Nothing,
    Lender(Lender),
    Borrower(Borrower),
}

pub(super) struct Lender {
    crew: Crew,
    /// Executions until it looks whether somebody wants something.
    pause: u32,
    out: Vec<Out>,
}

/// What was given away and has not been come to.
struct Out {
    node: usize,
    task: Task,
    recall: Recall,
}

pub(super) struct Borrower {
    /// So many nodes are the lender's.
    floor: usize,
    /// So many of the path have something below them that the lender must see.
    unseen: usize,
    /// No execution of it has been run.
    fresh: bool,
}

impl Lent {
    pub(super) fn lender(crew: Crew) -> Self {
        let pause = if crew.is_eager() { 0 } else { ALONE };
        Lent::Lender(Lender { crew, pause, out: Vec::new() })
    }

    fn borrower(floor: usize) -> Self {
        Lent::Borrower(Borrower { floor, unseen: floor, fresh: true })
    }

    /// So many nodes of the path stay as they are.
    pub(super) fn floor(&self) -> usize {
        match self {
            Lent::Nothing | Lent::Lender(_) => 0,
            Lent::Borrower(borrower) => borrower.floor,
        }
    }

    /// Whether nobody on this thread has run the path before.
    pub(super) fn is_fresh(&self) -> bool {
        match self {
            Lent::Nothing | Lent::Lender(_) => false,
            Lent::Borrower(borrower) => borrower.fresh,
        }
    }

    /// Whether nothing below the last of so many nodes has to be seen by somebody else.
    pub(super) fn is_whole(&self, nodes: usize) -> bool {
        match self {
            Lent::Nothing | Lent::Lender(_) => true,
            Lent::Borrower(borrower) => nodes > borrower.unseen,
        }
    }

    /// The path has only so many nodes left.
    pub(super) fn popped(&mut self, nodes: usize) {
        match self {
            Lent::Nothing => {}
            Lent::Lender(lender) => lender.recall(|out| out.node >= nodes),
            Lent::Borrower(borrower) => borrower.unseen = borrower.unseen.min(nodes),
        }
    }
}

impl Lender {
    /// Whoever has these need not go on.
    fn recall(&mut self, wanted: impl Fn(&Out) -> bool) {
        self.out.retain(|out| {
            let wanted = wanted(out);
            if wanted {
                out.recall.call();
            }
            !wanted
        });
    }
}

impl Tree {
    /// For a search in which a crew helps.
    pub(crate) fn lending(sweep: &Sweep, crew: &Crew) -> Self {
        let (cache, numbers) = sweep.known();
        Self::over(sweep.budget, cache, numbers, Lent::lender(crew.clone()), sweep.notes)
    }

    /// A part of somebody else's.
    pub(crate) fn borrowed(sweep: &Sweep, loan: &Loan) -> Self {
        let (cache, numbers) = sweep.known();
        let path = loan.path();
        let lent = Lent::borrower(path.len());
        let mut tree = Self::over(sweep.budget, cache, numbers, lent, sweep.notes);
        tree.nodes.extend_from_slice(path);
        tree
    }

    /// The execution that has ended is one that the lender must see.
    pub(crate) fn leave_to_lender(&mut self) {
        #[cfg(test)]
        if self.faults.publishes_failures {
            return;
        }
        if let Lent::Borrower(borrower) = &mut self.lent {
            borrower.unseen = self.nodes.len();
        }
    }

    /// What others have done so far.
    pub(super) fn done_by_others(&self) -> Stats {
        match &self.lent {
            Lent::Lender(lender) => lender.crew.done(),
            Lent::Nothing | Lent::Borrower(_) => Stats::default(),
        }
    }

    /// The path turns to another task at its last decision: who has it since may stop.
    pub(super) fn comes_to(&mut self, chosen: Task) {
        let last = self.nodes.len() - 1;
        if let Lent::Lender(lender) = &mut self.lent {
            lender.recall(|out| out.node == last && out.task == chosen);
        }
    }

    /// The path goes on with another execution; somebody may want a part of it.
    pub(super) fn turned(&mut self) {
        let lender = match &mut self.lent {
            Lent::Nothing => return,
            Lent::Borrower(borrower) => {
                borrower.fresh = false;
                return;
            }
            Lent::Lender(lender) => lender,
        };
        lender.pause = lender.pause.saturating_sub(1);
        if lender.pause > 0 || !lender.crew.is_idle() {
            return;
        }
        let certain = self.ahead.certain();
        match lender.pick(&self.nodes, &certain) {
            Some((node, task)) => {
                let recall = Recall::default();
                let loan = Loan::new(path_to(&self.nodes[..=node], task), recall.clone());
                lender.crew.offer(loan);
                lender.out.push(Out { node, task, recall });
            }
            None if lender.crew.is_eager() => {}
            None => lender.pause = PAUSE,
        }
    }
}

impl Lender {
    /// The decision nearest to the start that has something to give, and what.
    fn pick(&self, nodes: &[Node], certain: &[bool]) -> Option<(usize, Task)> {
        let mut certain = certain.iter();
        nodes.iter().enumerate().find_map(|(at, node)| {
            let Branch::Task { untried, tried, paid, .. } = node.branch else { return None };
            let certain = certain.next().copied().unwrap_or(false);
            let out = self.out.iter().filter(|out| out.node == at);
            let free = out.fold(untried, |free, out| free & !out.task.bit());
            let last = free.checked_ilog2()?;
            (!paid || tried > 0 || certain).then_some((at, Task(last as u8)))
        })
    }
}

/// A path that takes this task at its last decision.
fn path_to(nodes: &[Node], task: Task) -> Vec<Node> {
    let mut path = nodes.to_vec();
    if let Some(Node { branch: Branch::Task { chosen, .. }, .. }) = path.last_mut() {
        *chosen = task;
    }
    path
}
