//! Atomics return what the kernel says and lose nothing.

use super::{breaks, holds, words};
use crate::model::alone;
use crate::prim::{AtomicI32, AtomicU32, heavy_barrier, light_barrier};

#[test]
fn every_operation_returns_what_its_kernel_namesake_returns() {
    alone(|| {
        let word = AtomicI32::new(5);
        assert_eq!((word.add_return(2), word.sub_return(3), word.inc_return()), (7, 4, 5));
        assert_eq!((word.dec_return(), word.xchg(6), word.read()), (4, 4, 6));
        assert_eq!((word.fetch_or(1), word.fetch_and(3), word.read()), (6, 7, 3));
        assert_eq!((word.cmpxchg(3, 9), word.cmpxchg(3, 1)), (Ok(3), Err(9)));
        assert_eq!((word.cmpxchg_acquire(9, 8), word.cmpxchg_release(9, 1)), (Ok(9), Err(8)));
        assert_eq!((word.add_unless(1, 8), word.add_unless(1, 7), word.read()), (false, true, 9));
        assert_eq!((word.sub_and_test(8), word.dec_and_test(), word.read()), (false, true, 0));
        assert_eq!((word.fetch_add_relaxed(2), word.fetch_add_acquire(3)), (0, 2));
        assert_eq!((word.fetch_sub_release(4), word.read()), (5, 1));
        word.set(i32::MAX);
        word.inc();
        assert_eq!((word.read(), word.read_acquire()), (i32::MIN, i32::MIN), "arithmetic wraps");
        let flags = AtomicU32::new(1);
        assert!(!flags.test_and_set_bit(3) && flags.test_and_set_bit(3));
        flags.clear_bit_unlock(3);
        flags.or(4);
        flags.and(!1);
        assert_eq!(flags.read(), 4);
    });
}

#[test]
fn an_increment_is_never_lost_but_a_read_and_a_write_lose_one() {
    let two = |word: &AtomicU32| assert_eq!(word.read(), 2);
    holds(2, AtomicU32::default, |word, _, _| word.inc(), two);
    breaks("Panic", 2, AtomicU32::default, |word, _, _| word.set(word.read() + 1), two);
}

#[test]
fn one_task_brings_a_count_to_zero_and_nobody_gets_it_back() {
    fn start() -> (AtomicI32, [AtomicU32; 1]) {
        (AtomicI32::new(2), words::<1>())
    }
    fn put((count, zeroes): &(AtomicI32, [AtomicU32; 1])) {
        if count.dec_and_test() {
            zeroes[0].inc();
        }
    }
    holds(
        3,
        start,
        |state, _, task| match task {
            2 if state.0.add_unless(1, 0) => put(state),
            2 => {}
            _ => put(state),
        },
        |(count, zeroes)| assert_eq!((count.read(), zeroes[0].read()), (0, 1)),
    );
    // With an unconditional get, a count that was zero comes back and is zero again.
    breaks(
        "Panic",
        3,
        start,
        |state, _, task| {
            if task == 2 {
                state.0.inc();
            }
            put(state);
        },
        |(_, zeroes)| assert_eq!(zeroes[0].read(), 1),
    );
}

#[test]
fn of_two_who_store_and_look_one_sees_the_other_if_one_barrier_is_light_and_one_heavy() {
    holds(
        2,
        words::<4>,
        |words, cpu, task| {
            let (mine, theirs) = if task == 0 { (0, 1) } else { (1, 0) };
            words[mine].set(1);
            if task == 0 {
                light_barrier(cpu)
            } else {
                heavy_barrier(cpu)
            }
            words[2 + mine].set(words[theirs].read());
        },
        |words| assert_eq!(words[2].read() | words[3].read(), 1, "neither saw the other"),
    );
}
