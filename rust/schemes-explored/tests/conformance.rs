//! Every scheme keeps what it promises in every order with two preemptions.

use pgmap_schemes_explored::kinds::{self, Visit};
use pgmap_schemes_explored::promise::{self, Ask, Promise};
use pgmap_schemes_explored::scheme::Scheme;
use pgmap_schemes_explored::search::{Verdict, keeps};

const BOUND: u32 = 2;

struct Kept<S>(core::marker::PhantomData<S>, u32);

impl<S: Scheme> Ask for Kept<S> {
    fn ask<P: Promise>(&mut self, promise: P) {
        let verdict = keeps::<S, P>(promise, BOUND);
        let Verdict::Kept { schedules } = verdict else {
            panic!("{}: {}: {verdict:?}", S::NAME, promise.name())
        };
        assert!(schedules > 1, "{}: {}: there is only one order", S::NAME, promise.name());
        self.1 += 1;
    }
}

struct Every(u32);

impl Visit for Every {
    fn visit<S: Scheme>(&mut self) {
        let mut asked = Kept::<S>(core::marker::PhantomData, 0);
        promise::each_of::<S>(&mut asked);
        assert_eq!(asked.1 > 0, S::CAPS.is_shared(), "{} promises nothing", S::NAME);
        self.0 += 1;
    }
}

#[test]
fn every_scheme_keeps_what_it_promises_in_every_order_with_two_preemptions() {
    let mut every = Every(0);
    kinds::each(&mut every);
    assert!(every.0 > 10);
}
