//! What a scheme must keep, as small concurrent programs: one suite for all schemes and all engines.
//!
//! | program | who asks it of a scheme |
//! |---|---|
//! | [`LastPut`] | who learns of zero at a put: two holders put, one of them is told, and sees what both did |
//! | [`Speculators`] | who gives references to non-holders: two try while the last holder puts |
//! | [`NextLife`] | the same, and the object is used again at once |
//! | [`Frozen`] | who can freeze: nobody has a reference meanwhile, and whoever gets one later sees the change |
//! | [`Killed`] | who learns of zero after a kill: nothing is lost and nothing comes twice |
//! | [`Reviewed`] | who learns of zero at a review: it comes, once, and not before the last put |
//! | [`Borrowed`] | the same: what one takes beside another's reference outlives that |
//! | [`Retired`] | who waits for users instead of counting them: nobody uses what was freed |
//! | [`Summed`] | all that count and may be shared: what is out is what was taken |
//!
//! A broken promise is a panic, which an engine tells as it tells others. What really happened is in [`Books`]: plain
//! words outside the memory that is explored, brought up to date in the step in which it happened.

mod books;
mod borrowed;
mod case;
mod frozen;
mod killed;
mod last_put;
mod next_life;
mod play;
mod retired;
mod reviewed;
mod speculators;
mod summed;

pub use books::Books;
pub use borrowed::Borrowed;
pub use case::Case;
pub use frozen::Frozen;
pub use killed::Killed;
pub use last_put::LastPut;
pub use next_life::{Destroys, NextLife};
pub use play::{Play, play};
pub use retired::Retired;
pub use reviewed::Reviewed;
pub use speculators::Speculators;
pub use summed::Summed;

use prim::Cpu;

use crate::scheme::{Caps, Scheme};

/// The most tasks that a program has, and CPUs that a scheme is made for.
pub const MOST_TASKS: usize = 3;

/// A small concurrent program over one object.
pub trait Promise: Copy + Send + Sync + 'static {
    /// What is promised.
    fn name(self) -> &'static str;

    /// How many tasks it has, each on the CPU of its number.
    fn tasks(self) -> usize;

    /// References out before it begins: the owner's, and one more.
    fn held(self) -> usize;

    /// Whether a scheme that can do this promises it.
    fn is_asked_of(self, caps: Caps) -> bool;

    /// What a task does.
    fn run<S: Scheme>(self, case: &Case<S>, cpu: &Cpu<'_>, task: usize);

    /// What must hold when all have ended.
    fn finish<S: Scheme>(self, case: &Case<S>, cpu: &Cpu<'_>);
}

/// Something to do with a promise, whichever it is.
pub trait Ask {
    /// Does it.
    fn ask<P: Promise>(&mut self, promise: P);
}

/// Every promise that a scheme owes.
pub fn each_of<S: Scheme>(ask: &mut impl Ask) {
    struct Owed<'a, A>(&'a mut A, Caps);
    impl<A: Ask> Ask for Owed<'_, A> {
        fn ask<P: Promise>(&mut self, promise: P) {
            if promise.is_asked_of(self.1) {
                self.0.ask(promise);
            }
        }
    }
    each(&mut Owed(ask, S::CAPS));
}

/// Every promise there is.
pub fn each(ask: &mut impl Ask) {
    ask.ask(LastPut);
    ask.ask(Speculators);
    ask.ask(NextLife { destroys: Destroys::AsThePageSays });
    ask.ask(Frozen);
    ask.ask(Killed);
    ask.ask(Reviewed);
    ask.ask(Borrowed);
    ask.ask(Retired);
    ask.ask(Summed);
}
