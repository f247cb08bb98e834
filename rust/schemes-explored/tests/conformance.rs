//! Every scheme keeps what it promises in every order with two preemptions, and so where stores wait as on x86.

use pgmap_schemes_explored::kinds::{self, Visit};
use pgmap_schemes_explored::promise::{self, Ask, Promise};
use pgmap_schemes_explored::scheme::Scheme;
use pgmap_schemes_explored::search::{Memory, Verdict, keeps_on};

const BOUND: u32 = 2;

struct Kept<S>(core::marker::PhantomData<S>, Memory, u32);

impl<S: Scheme> Ask for Kept<S> {
    fn ask<P: Promise>(&mut self, promise: P) {
        let verdict = keeps_on::<S, P>(self.1, promise, BOUND);
        let Verdict::Kept { schedules } = verdict else {
            panic!("{}: {}: {:?}: {verdict:?}", S::NAME, promise.name(), self.1)
        };
        assert!(schedules > 1, "{}: {}: there is only one order", S::NAME, promise.name());
        self.2 += 1;
    }
}

struct Every(Memory, u32);

impl Visit for Every {
    fn visit<S: Scheme>(&mut self) {
        let mut asked = Kept::<S>(core::marker::PhantomData, self.0, 0);
        promise::each_of::<S>(&mut asked);
        assert_eq!(asked.2 > 0, S::CAPS.is_shared(), "{} promises nothing", S::NAME);
        self.1 += 1;
    }
}

fn everything_is_kept_on(memory: Memory) {
    let mut every = Every(memory, 0);
    kinds::each(&mut every);
    assert!(every.1 > 15);
}

#[test]
fn every_scheme_keeps_what_it_promises_in_every_order_with_two_preemptions() {
    everything_is_kept_on(Memory::Sequential);
}

#[test]
fn every_scheme_keeps_what_it_promises_where_stores_wait() {
    everything_is_kept_on(Memory::Buffered);
}
