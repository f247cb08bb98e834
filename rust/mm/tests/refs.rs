//! References that a program has for itself (`ref_get` and its like), one call after the other and on threads.

mod common;

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use common::*;
use pgmap_mm::warn::Complaint;
use pgmap_mm::world::Return;
use prim::Cpu;
use program::op::{REFS, RefGet, RefKill, RefPut, RefResurrect, RefTryget, RefTrygetLive, RefWait};
use program::{Era, Errno};

/// One ref, as a CPU uses it.
struct On<'a>(&'a Fixture, &'a Cpu<'a>, u8);

impl On<'_> {
    fn get(&self) -> Return {
        self.0.world.ref_get(self.1, W0, &RefGet { reference: self.2 })
    }

    fn tryget(&self) -> Return {
        self.0.world.ref_tryget(self.1, W0, &RefTryget { reference: self.2 })
    }

    fn tryget_live(&self) -> Return {
        self.0.world.ref_tryget_live(self.1, W0, &RefTrygetLive { reference: self.2 })
    }

    fn put(&self) -> Return {
        self.0.world.ref_put(self.1, W0, &RefPut { reference: self.2 })
    }

    fn kill(&self) -> Return {
        self.0.world.ref_kill(self.1, W0, &RefKill { reference: self.2 })
    }

    fn wait(&self) -> Return {
        self.0.world.ref_wait(self.1, W0, &RefWait { reference: self.2 })
    }

    fn resurrect(&self) -> Return {
        self.0.world.ref_resurrect(self.1, W0, &RefResurrect { reference: self.2 })
    }
}

#[test]
fn a_killed_ref_gives_no_live_reference_and_others_until_the_last_is_put() {
    let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
    let cpu = fixture.cpu(1);
    let gone = || Err(Errno::ENODEV.into());
    for reference in 0..REFS {
        let on = On(&fixture, &cpu, reference);
        assert_eq!((on.tryget_live(), on.get(), on.kill()), (Ok(0), Ok(0), Ok(0)));
        assert_eq!((on.tryget_live(), on.tryget()), (gone(), Ok(0)));
        assert_eq!((on.put(), on.put(), on.tryget(), on.put()), (Ok(0), Ok(0), Ok(0), Ok(0)));
        assert_eq!(on.put(), Ok(0), "the last");
        assert_eq!((on.tryget(), on.wait()), (gone(), Ok(0)));
    }
    fixture.assert_at_rest();
}

#[test]
fn a_ref_comes_back_to_life_with_and_without_references() {
    let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
    let cpu = fixture.cpu(1);
    let on = On(&fixture, &cpu, 2);
    for held in [false, true] {
        if held {
            assert_eq!(on.get(), Ok(0));
        }
        assert_eq!(on.kill(), Ok(0));
        assert_eq!((on.resurrect(), on.tryget_live(), on.put()), (Ok(0), Ok(0), Ok(0)));
        if held {
            assert_eq!(on.put(), Ok(0));
        }
    }
    assert_eq!((on.kill(), on.wait()), (Ok(0), Ok(0)));
    fixture.assert_at_rest();
}

#[test]
fn a_reference_taken_unasked_after_the_release_is_told() {
    let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
    let cpu = fixture.cpu(1);
    let on = On(&fixture, &cpu, 0);
    assert_eq!((on.kill(), on.get()), (Ok(0), Ok(0)));
    assert_eq!(fixture.take_complaints(), [Complaint::RefReleased]);
}

#[test]
fn who_waits_goes_on_when_threads_have_put_what_they_took() {
    let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
    let taken = AtomicU32::new(0);
    std::thread::scope(|threads| {
        for task in 1..=3 {
            let (fixture, taken) = (&fixture, &taken);
            threads.spawn(move || {
                let cpu = fixture.cpu(task);
                let on = On(fixture, &cpu, 1);
                while on.tryget_live().is_ok() {
                    taken.fetch_add(1, SeqCst);
                    assert_eq!(on.put(), Ok(0));
                }
            });
        }
        let cpu = fixture.cpu(4);
        let on = On(&fixture, &cpu, 1);
        while taken.load(SeqCst) < 1000 {
            std::thread::yield_now();
        }
        assert_eq!((on.kill(), on.wait()), (Ok(0), Ok(0)));
    });
    fixture.assert_at_rest();
}
