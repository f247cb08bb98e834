//! The search tree, as the path to where the search stands: one node per decision that had an
//! alternative, with the alternatives that have not been tried.

use crate::step::Task;

/// What a decision was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Branch {
    /// Which task goes on; `untried` is a mask. `paid`: all but the first cost a preemption.
    Task { chosen: Task, untried: u16, tried: u8, paid: bool },
    /// A choice among `of`; the values up to `chosen` have been tried. `paid`: all but 0 cost.
    Choice { chosen: u32, of: u32, paid: bool },
}

/// One decision, by the number of events before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) at: u32,
    /// Preemptions that were left to spend here.
    pub(crate) left: u32,
    pub(crate) branch: Branch,
}

/// The path of a depth-first search.
#[derive(Default)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
    /// The next node of the path that the execution in progress will come to.
    pub(crate) cursor: usize,
}

impl Tree {
    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
        self.cursor = 0;
    }

    /// The next decision that the path prescribes.
    #[inline]
    pub(crate) fn upcoming(&self) -> Option<Node> {
        self.nodes.get(self.cursor).copied()
    }

    pub(crate) fn push(&mut self, node: Node) {
        self.nodes.push(node);
        self.cursor = self.nodes.len();
    }

    /// Moves to the next untried leaf; `false` when the tree is exhausted.
    pub(crate) fn advance(&mut self) -> bool {
        self.cursor = 0;
        while let Some(node) = self.nodes.last_mut() {
            match &mut node.branch {
                Branch::Task { chosen, untried, tried, .. } if *untried != 0 => {
                    *chosen = Task(untried.trailing_zeros() as u8);
                    *untried &= *untried - 1;
                    *tried += 1;
                    return true;
                }
                Branch::Choice { chosen, of, .. } if *chosen + 1 < *of => {
                    *chosen += 1;
                    return true;
                }
                _ => {
                    let _ = self.nodes.pop();
                }
            }
        }
        false
    }

    /// Which share of the tree lies behind the search, guessed from the path alone (Knuth 1975:
    /// what is unknown of a subtree is taken from its siblings).
    ///
    /// Where alternatives cost a preemption the subtrees are not alike: over the remaining
    /// `l` steps with `r` preemptions left there are about C(l, r) ways to go on and C(l, r-1)
    /// ways after spending one, so staying weighs (l-r+1)/r of an alternative.
    pub(crate) fn fraction(&self, longest: u32) -> f64 {
        let (mut behind, mut share) = (0.0, 1.0);
        for node in &self.nodes {
            let (tried, others, paid) = match node.branch {
                Branch::Task { untried, tried, paid, .. } => {
                    (u32::from(tried), u32::from(tried) + untried.count_ones(), paid)
                }
                Branch::Choice { chosen, of, paid } => (chosen, of - 1, paid),
            };
            let ahead = f64::from(longest.saturating_sub(node.at).max(1));
            let left = f64::from(node.left);
            let staying = if paid && node.left < u32::MAX {
                ((ahead - left + 1.0) / left.max(1.0)).max(1.0)
            } else {
                1.0
            };
            let whole = staying + f64::from(others);
            if tried == 0 {
                share *= staying / whole;
            } else {
                behind += share * (staying + f64::from(tried) - 1.0) / whole;
                share /= whole;
            }
        }
        behind.clamp(0.0, 1.0)
    }
}
