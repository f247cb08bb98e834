//! The object is used again as soon as it was freed, as something else, while somebody from its first life still tries
//! to get it.
//!
//! Whoever is told of zero destroys the object as what it is, begins its next life as something else, and puts
//! that. Two lives begin, so two ends must come, each as what the life was: that is where an exchange that cannot
//! tell one zero from another goes wrong (ABA), if what to destroy was looked up before the put.

use prim::Cpu;

use super::{Case, Promise};
use crate::scheme::{Caps, Put, Scheme};

/// Where whoever was told of zero learns what the object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destroys {
    /// From the object, afterwards.
    AsThePageSays,
    /// From what it knew before it put.
    AsTheCallerKnew,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct NextLife {
    /// Where the kind is learnt.
    pub destroys: Destroys,
}

/// The object is this in its first life, and one more in its second.
const FIRST: u32 = 0;
const LIVES: u32 = 2;

impl NextLife {
    fn put<S: Scheme>(self, case: &Case<S>, cpu: &Cpu<'_>, token: S::Token) {
        let mut token = token;
        loop {
            let knew = case.kind().read();
            if case.put(cpu, token) != Put::Zero {
                return;
            }
            let kind = match self.destroys {
                Destroys::AsTheCallerKnew => knew,
                Destroys::AsThePageSays => case.kind().read(),
            };
            case.free();
            let ended = case.books().times_freed();
            assert_eq!(kind, FIRST + ended - 1, "destroyed as what it no longer is");
            if ended == LIVES {
                return;
            }
            case.kind().set(FIRST + ended);
            token = case.revive(cpu);
        }
    }
}

impl Promise for NextLife {
    fn name(self) -> &'static str {
        match self.destroys {
            Destroys::AsThePageSays => "a life ends once, as what the page says it is",
            Destroys::AsTheCallerKnew => "a life ends once, as what the caller knew it was",
        }
    }

    fn tasks(self) -> usize {
        2
    }

    fn held(self) -> usize {
        1
    }

    fn is_asked_of(self, caps: Caps) -> bool {
        caps.is_speculative()
    }

    fn run<S: Scheme>(self, case: &Case<S>, cpu: &Cpu<'_>, task: usize) {
        if task == 0 {
            self.put(case, cpu, case.held(0));
        } else if let Some(token) = case.try_take(cpu) {
            self.put(case, cpu, token);
        }
    }

    fn finish<S: Scheme>(self, case: &Case<S>, _cpu: &Cpu<'_>) {
        assert_eq!(case.books().times_freed(), LIVES, "a life did not end");
        assert_eq!(case.sum(), 0, "a count that is not zero at the end");
    }
}
