//! Every scheme keeps what it promises on real threads, and kills lose nothing.
//!
//! `PGMAP_ROUNDS` and `PGMAP_KILLS` say how often; the explorer's turn is in `pgmap-schemes-explored`.

use pgmap_schemes::kinds::{self, Visit};
use pgmap_schemes::promise::{self, Ask, Promise};
use pgmap_schemes::scheme::{Learns, Scheme};
use pgmap_schemes::threads;

/// So many, or as many as the environment asks for.
fn times(variable: &str, otherwise: u32) -> u32 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn every_scheme_keeps_what_it_promises_on_threads() {
    struct OnThreads<S>(core::marker::PhantomData<S>, u32);
    impl<S: Scheme> Ask for OnThreads<S> {
        fn ask<P: Promise>(&mut self, promise: P) {
            let ran = threads::run::<S, P>(promise, times("PGMAP_ROUNDS", 200));
            assert_eq!(ran, Ok(()), "{}: {}", S::NAME, promise.name());
            self.1 += 1;
        }
    }
    struct Every(u32);
    impl Visit for Every {
        fn visit<S: Scheme>(&mut self) {
            let mut asked = OnThreads::<S>(core::marker::PhantomData, 0);
            promise::each_of::<S>(&mut asked);
            assert_eq!(asked.1 > 0, S::CAPS.is_shared(), "{} promises nothing", S::NAME);
            self.0 += 1;
        }
    }
    let mut every = Every(0);
    kinds::each(&mut every);
    assert!(every.0 > 15);
}

#[test]
fn no_kill_loses_a_reference() {
    struct Kill(u32);
    impl Visit for Kill {
        fn visit<S: Scheme>(&mut self) {
            if S::CAPS.zero == Learns::AfterKill {
                assert_eq!(threads::kill::<S>(times("PGMAP_KILLS", 3_000)), Ok(()), "{}", S::NAME);
                self.0 += 1;
            }
        }
    }
    let mut kill = Kill(0);
    kinds::each(&mut kill);
    assert_eq!(kill.0, 4);
}
