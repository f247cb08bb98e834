//! What a helper does with the branches that it borrows: see `crew`.

use std::cell::RefCell;
use std::rc::Rc;

use crate::clock::Clock;
use crate::control::Control;
use crate::crew::{Crew, Work};
use crate::engine::guide::{End, Exhaustive, Led};
use crate::explorer::Explorer;
use crate::failure::Failure;
use crate::journal::Keep;
use crate::model::Model;
use crate::plan::Judgement;
use crate::tree::Tree;

impl Explorer {
    /// Helps a crew until it is dismissed, with a model that does what the leader's does.
    ///
    /// `judge` sees every failure; those that it wants to [`Judgement::Stop`] at, the leader will see for itself, and the
    /// others nobody needs to: they are counted.
    pub fn help<M: Model>(
        &mut self,
        model: &mut M,
        crew: &Crew,
        judge: &mut dyn FnMut(&Failure) -> Judgement,
    ) {
        while let Some(work) = crew.next() {
            self.go_through_loan(model, work, judge);
        }
    }

    fn go_through_loan<M: Model>(
        &mut self,
        model: &mut M,
        mut work: Work,
        judge: &mut dyn FnMut(&Failure) -> Judgement,
    ) {
        self.engine.with(|engine| engine.steps_max = work.sweep.steps_max);
        let tree = Tree::borrowed(&work.sweep, &work.loan);
        let tree = Rc::new(RefCell::new(tree));
        #[cfg(test)]
        tree.borrow_mut().set_faults(work.sweep.faults);
        let mut clock = Clock::default();
        loop {
            tree.borrow_mut().begin(false);
            let led: Led = Rc::<RefCell<Tree>>::clone(&tree);
            let end = self.execute(model, led, Keep::default(), &mut |_| work.control());
            let events = self.engine.with(|engine| engine.history.events());
            let (stray, stats) = (tree.borrow().is_left(), &mut work.stats);
            let repeated = tree.borrow().repeated();
            stats.points += u64::from(events);
            stats.repeated += u64::from(repeated);
            stats.longest = stats.longest.max(events);
            // Whatever it is, the leader will meet it.
            if stray || matches!(end, End::Halted | End::Unable(_) | End::Unsteady(_)) {
                return;
            }
            self.engine.with(|engine| tree.borrow_mut().learn(engine, &end));
            match end {
                End::Pruned => {
                    stats.pruned += 1;
                    stats.cut += u64::from(events.saturating_sub(repeated));
                }
                End::Passed => stats.schedules += 1,
                End::Failed(failure) if judge(&failure) == Judgement::Continue => {
                    stats.schedules += 1;
                    stats.failures += 1;
                }
                End::Failed(_) | End::TooLong => tree.borrow_mut().leave_to_lender(),
                End::Halted | End::Unable(_) | End::Unsteady(_) => return,
            }
            if clock.struck(events) {
                work.tell();
            }
            if work.control() == Control::Stop || !tree.borrow_mut().advance() {
                return;
            }
        }
    }
}
