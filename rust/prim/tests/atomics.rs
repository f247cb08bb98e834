//! Kernel atomics: what each operation returns, and what it refuses.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use pgmap_prim::{AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ghost};

#[test]
fn return_operations_give_the_new_value_and_fetch_operations_the_old() {
    let a = AtomicI32::new(5);
    assert_eq!((a.add_return(2), a.sub_return(3), a.inc_return(), a.dec_return()), (7, 4, 5, 4));
    let bits = AtomicU64::new(0b01);
    assert_eq!((bits.fetch_or(0b10), bits.fetch_and(0b10), bits.xchg(9)), (0b01, 0b11, 0b10));
    assert_eq!(bits.read(), 9);
}

#[test]
fn only_the_last_put_tests_zero() {
    let a = AtomicI32::new(3);
    assert!(!a.dec_and_test());
    assert!(a.sub_and_test(2));
    assert_eq!(a.read(), 0);
}

#[test]
fn arithmetic_wraps() {
    let a = AtomicI32::new(i32::MAX);
    assert_eq!(a.inc_return(), i32::MIN);
    let u = AtomicUsize::new(0);
    assert_eq!(u.dec_return(), usize::MAX);
    assert!(AtomicI32::new(i32::MIN).add_unless(-1, 0));
}

#[test]
fn cmpxchg_reports_what_it_found() {
    let a = AtomicU32::new(1);
    assert_eq!(a.cmpxchg(1, 2), Ok(1));
    assert_eq!(a.cmpxchg(1, 3), Err(2));
    assert_eq!(a.cmpxchg_acquire(2, 4), Ok(2));
    assert_eq!(a.cmpxchg_release(2, 5), Err(4));
}

#[test]
fn add_unless_refuses_the_forbidden_value() {
    let a = AtomicI32::new(0);
    assert!(!a.add_unless(1, 0));
    assert_eq!(a.read(), 0);
    a.set(1);
    assert!(a.add_unless(1024, 0));
    assert_eq!(a.read(), 1025);
}

#[test]
fn a_count_that_reached_zero_is_never_revived_by_add_unless() {
    for _ in 0..200 {
        let count = AtomicI32::new(1);
        let (released, taken) = std::thread::scope(|s| {
            let put = s.spawn(|| count.dec_and_test());
            let get = s.spawn(|| count.add_unless(1, 0));
            (put.join().unwrap(), get.join().unwrap())
        });
        assert_eq!(released, !taken, "either the getter kept it alive or the putter released it");
        assert_eq!(count.read(), i32::from(taken));
    }
}

#[test]
fn a_bit_has_one_owner_at_a_time() {
    let word = AtomicU32::new(1);
    assert!(!word.test_and_set_bit(3));
    assert!(word.test_and_set_bit(3));
    word.clear_bit_unlock(3);
    assert_eq!(word.read(), 1);
}

#[test]
fn ghosts_have_no_size_and_never_run() {
    assert_eq!(size_of::<Ghost<u128>>(), 0);
    assert_eq!(align_of::<Ghost<u128>>(), 1);
    Ghost::<[u64; 8]>::new().with(|_| unreachable!("a ghost ran natively"));
}
