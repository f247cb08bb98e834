//! An ordering that is too weak is found on weak memory, where x86 and the explorer's memory show nothing.

use core::marker::PhantomData;

use pgmap_schemes_weak::keeps;
use pgmap_schemes_weak::kinds::word::{OneWord, Word};
use pgmap_schemes_weak::promise::{Frozen, LastPut, Promise};
use pgmap_schemes_weak::scheme::Put;
use prim::model::Verdict;
use prim::{AtomicI32, smp_rmb};

const BOUND: usize = 2;

/// The functions of one word whose order matters; what a mistake does not name is as in `kinds::cas`.
trait Orders: Send + Sync + 'static {
    fn publish(count: &AtomicI32, refs: i32) {
        count.set_release(refs);
    }

    fn try_get(count: &AtomicI32, seen: i32) -> Result<i32, i32> {
        count.cmpxchg_acquire(seen, seen + 1)
    }

    fn put(count: &AtomicI32) -> i32 {
        count.fetch_sub_release(1)
    }

    fn last() {
        smp_rmb();
    }
}

struct AsTheyAre;
impl Orders for AsTheyAre {}

struct RelaxedPut;
impl Orders for RelaxedPut {
    fn put(count: &AtomicI32) -> i32 {
        count.fetch_add_relaxed(-1)
    }
}

struct LastWithoutAcquire;
impl Orders for LastWithoutAcquire {
    fn last() {}
}

struct RelaxedPublish;
impl Orders for RelaxedPublish {
    fn publish(count: &AtomicI32, refs: i32) {
        count.set(refs);
    }
}

struct GetWithoutAcquire;
impl Orders for GetWithoutAcquire {
    fn try_get(count: &AtomicI32, seen: i32) -> Result<i32, i32> {
        count.cmpxchg_release(seen, seen + 1)
    }
}

/// The scheme of one word in whose orders one is changed.
struct Ordered<O>(PhantomData<fn() -> O>);

impl<O: Orders> Word for Ordered<O> {
    const NAME: &'static str = "one word";

    fn init(count: &AtomicI32) {
        O::publish(count, 1);
    }

    fn try_get(count: &AtomicI32) -> bool {
        let mut seen = count.read();
        while seen != 0 {
            match O::try_get(count, seen) {
                Ok(_) => return true,
                Err(found) => seen = found,
            }
        }
        false
    }

    fn put(count: &AtomicI32) -> Put {
        if O::put(count) != 1 {
            return Put::Live;
        }
        O::last();
        Put::Zero
    }

    fn unfreeze(count: &AtomicI32, refs: i32) {
        O::publish(count, refs);
    }
}

fn breaks<O: Orders>(promise: impl Promise, seen: &str) {
    let held = keeps::<OneWord<Ordered<AsTheyAre>>, _>(promise, BOUND);
    assert!(matches!(held, Verdict::Held { .. }), "{held:?}");
    let broke = keeps::<OneWord<Ordered<O>>, _>(promise, BOUND);
    let Verdict::Broke { why, .. } = &broke else { panic!("{broke:?}") };
    assert!(why.contains(seen), "{why}");
}

#[test]
fn a_put_that_does_not_release_hides_a_use() {
    breaks::<RelaxedPut>(LastPut, "freed before a use of it was seen");
}

#[test]
fn a_last_put_that_does_not_acquire_does_not_see_a_use() {
    breaks::<LastWithoutAcquire>(LastPut, "freed before a use of it was seen");
}

#[test]
fn an_unfreeze_that_does_not_release_shows_an_old_field() {
    breaks::<RelaxedPublish>(Frozen, "an old field under a new reference");
}

#[test]
fn a_speculative_get_that_does_not_acquire_sees_an_old_field() {
    breaks::<GetWithoutAcquire>(Frozen, "an old field under a new reference");
}
