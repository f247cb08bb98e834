//! Locks exclude, and deadlock where they must.

use super::{BIT, DEEP, Pair, breaks, bump, counter, holds, wait_for, words};
use crate::model::{EXPLORED, set_up};
use crate::prim::{
    AtomicU32, Cpu, Machine, PlainData, RwSem, SpinLock, bit_lock, bit_trylock, bit_unlock,
    bit_wait, wake_up_all,
};

#[test]
fn a_spin_lock_has_one_holder() {
    let two = |lock: &SpinLock<Pair>| {
        let machine = Machine::new(1);
        assert_eq!(lock.lock(&set_up(0, &machine)).b, 2);
    };
    holds(2, counter, |lock, cpu, _| bump(&mut lock.lock(cpu)), two);
    // Giving the lock back between looking and writing is as good as no lock.
    breaks(
        "Panic",
        2,
        counter,
        |lock, cpu, _| {
            let seen = lock.lock(cpu).b;
            lock.lock(cpu).b = seen + 1;
        },
        two,
    );
}

#[test]
fn trying_never_waits() {
    let machine = Machine::new(2);
    let (me, other) = (set_up(0, &machine), set_up(1, &machine));
    let (spin, sem) = (counter(), RwSem::new(Pair::zeroed()));
    let held = spin.lock(&me);
    assert!(spin.try_lock(&other).is_none() && spin.is_locked());
    assert_eq!(spin.peek(|_| ()), None, "what is held is not looked at");
    drop(held);
    assert!(spin.try_lock(&other).is_some() && !spin.is_locked());
    let reading = sem.try_read(&me);
    assert!(sem.try_read(&other).is_some() && sem.try_write(&other).is_none());
    drop(reading);
    let writing = sem.try_write(&me);
    assert!(sem.try_read(&other).is_none() && sem.try_write(&other).is_none());
    assert!(sem.is_write_locked() && sem.is_locked());
    drop(writing);
    assert!(!sem.is_locked());
    let word = AtomicU32::new(0);
    assert!(bit_trylock(&me, &word, 5) && !bit_trylock(&other, &word, 5));
    assert!(bit_trylock(&other, &word, 6), "another bit");
}

#[test]
fn a_semaphore_has_one_writer_or_many_readers() {
    let start = || (RwSem::new(Pair::zeroed()), words::<2>());
    let write = |words: &[AtomicU32; 2]| {
        words[0].set(words[0].read() + 1);
        words[1].set(words[1].read() + 1);
    };
    let look = |words: &[AtomicU32; 2]| assert_eq!(words[0].read(), words[1].read());
    let two = |words: &[AtomicU32; 2]| assert_eq!((words[0].read(), words[1].read()), (2, 2));
    holds(
        3,
        start,
        |(sem, words), cpu, task| {
            if task == 2 {
                let _reading = sem.read(cpu);
                look(words);
            } else {
                let mut pair = sem.write(cpu);
                pair.a += 1;
                write(words);
            }
        },
        |(sem, words)| {
            two(words);
            let machine = Machine::new(1);
            assert_eq!(sem.read(&set_up(0, &machine)).a, 2);
            assert!(!sem.is_locked());
        },
    );
    // Two who write under the reader's half of the lock.
    breaks(
        "Panic",
        2,
        start,
        |(sem, words), cpu, _| {
            let _reading = sem.read(cpu);
            write(words);
        },
        |(_, words)| two(words),
    );
}

#[test]
fn a_writer_that_lowers_its_lock_has_readers_beside_it_and_no_writer() {
    let start = || (RwSem::new(Pair::zeroed()), words::<2>());
    let last = |(sem, _): &(RwSem<Pair>, [AtomicU32; 2])| assert!(!sem.is_locked());
    // The reader is awaited under the lowered lock: it comes in beside the one that wrote, and sees what it wrote.
    holds(
        2,
        start,
        |(sem, words), cpu, task| {
            if task == 0 {
                let mut pair = sem.write(cpu);
                pair.a = 1;
                let lowered = pair.downgrade();
                assert_eq!(lowered.a, 1);
                wait_for(cpu, &words[0], 1);
            } else {
                while sem.read(cpu).a == 0 {
                    cpu.relax();
                }
                let_begin(cpu, &words[0]);
            }
        },
        last,
    );
    // A writer is not let in: to wait for one is to wait for ever.
    breaks(
        "Deadlock",
        2,
        start,
        |(sem, words), cpu, task| {
            if task == 0 {
                let mut pair = sem.write(cpu);
                pair.a = 1;
                let _lowered = pair.downgrade();
                wait_for(cpu, &words[0], 1);
            } else {
                sem.write(cpu).a = 2;
                let_begin(cpu, &words[0]);
            }
        },
        last,
    );
    // Whoever waited in line when it was lowered comes in: here a reader.
    holds(
        2,
        start,
        |(sem, words), cpu, task| {
            if task == 0 {
                let pair = sem.write(cpu);
                let_begin(cpu, &words[1]);
                in_line(sem, cpu);
                let _lowered = pair.downgrade();
                wait_for(cpu, &words[0], 1);
            } else {
                wait_for(cpu, &words[1], 1);
                let _reading = sem.read(cpu);
                let_begin(cpu, &words[0]);
            }
        },
        last,
    );
}

#[test]
fn a_reader_that_reads_again_meets_a_writer_in_between_and_both_wait_for_ever() {
    let start = || RwSem::new(Pair::zeroed());
    breaks(
        "Deadlock",
        2,
        start,
        |sem, cpu, task| match task {
            0 => {
                let _outer = sem.read(cpu);
                let _inner = sem.read(cpu);
            }
            _ => sem.write(cpu).a = 1,
        },
        |_| {},
    );
}

#[test]
fn two_locks_are_taken_in_one_order_or_never_given_back() {
    let start = || [counter(), counter()];
    let both = |locks: &[SpinLock<Pair>; 2], cpu: &Cpu<'_>, first: usize| {
        let _outer = locks[first].lock(cpu);
        bump(&mut locks[1 - first].lock(cpu));
    };
    holds(2, start, |locks, cpu, _| both(locks, cpu, 0), |_| {});
    let crossed =
        |locks: &[SpinLock<Pair>; 2], cpu: &Cpu<'_>, task| both(locks, cpu, task as usize);
    breaks("cycle: Some([Task(0), Task(1)])", 2, start, crossed, |_| {});
}

#[test]
fn a_bit_lock_has_one_holder_and_leaves_the_other_bits_alone() {
    let start = || (AtomicU32::new(0b1000), words::<1>());
    let add = |word: &AtomicU32| word.set(word.read() + 1);
    holds(
        2,
        start,
        |(word, sum), cpu, _| {
            bit_lock(cpu, word, 0, &BIT);
            add(&sum[0]);
            bit_unlock(cpu, word, 0);
        },
        |(word, sum)| assert_eq!((word.read(), sum[0].read()), (0b1000, 2)),
    );
    breaks(
        "Panic",
        2,
        start,
        |(word, sum), cpu, task| {
            bit_lock(cpu, word, task, &BIT);
            add(&sum[0]);
            bit_unlock(cpu, word, task);
        },
        |(_, sum)| assert_eq!(sum[0].read(), 2),
    );
}

#[test]
fn waiting_for_a_bit_ends_with_the_bit_free_and_does_not_take_it() {
    holds(
        2,
        words::<2>,
        |words, cpu, task| match task {
            0 => {
                bit_lock(cpu, &words[0], 4, &BIT);
                words[1].set(1);
                words[1].set(0);
                bit_unlock(cpu, &words[0], 4);
            }
            _ => {
                bit_wait(cpu, &words[0], 4, DEEP, &BIT).expect("uninterruptible");
            }
        },
        |words| assert_eq!(words[0].read(), 0),
    );
}

/// Takes the lock for writing, lets the first begin, and once that one is in line the second.
fn hold_until_one_is_in_line(sem: &RwSem<Pair>, cpu: &Cpu<'_>, begin: &[AtomicU32; 2]) {
    let _held = sem.write(cpu);
    let_begin(cpu, &begin[0]);
    in_line(sem, cpu);
    let_begin(cpu, &begin[1]);
}

#[test]
fn a_reader_does_not_pass_a_writer_that_was_in_line_before_it_came() {
    holds(
        3,
        || (RwSem::new(Pair::zeroed()), words::<2>()),
        |(sem, begin), cpu, task| match task {
            0 => hold_until_one_is_in_line(sem, cpu, begin),
            1 => {
                wait_for(cpu, &begin[0], 1);
                sem.write(cpu).a = 1;
            }
            _ => {
                wait_for(cpu, &begin[1], 1);
                assert_eq!(sem.read(cpu).a, 1);
            }
        },
        |(sem, _)| assert!(!sem.is_locked() && !sem.is_contended()),
    );
}

#[test]
fn a_writer_that_comes_while_the_lock_is_taken_goes_in_after_the_reader_before_it() {
    if !EXPLORED {
        // Between the release and what it lets in, a writer that comes by takes the lock, as in the kernel.
        return;
    }
    holds(
        3,
        || (RwSem::new(Pair::zeroed()), words::<2>()),
        |(sem, begin), cpu, task| match task {
            0 => hold_until_one_is_in_line(sem, cpu, begin),
            1 => {
                wait_for(cpu, &begin[0], 1);
                assert_eq!(sem.read(cpu).a, 0);
            }
            _ => {
                wait_for(cpu, &begin[1], 1);
                sem.write(cpu).a = 1;
            }
        },
        |_| {},
    );
}

fn let_begin(cpu: &Cpu<'_>, word: &AtomicU32) {
    word.set_release(1);
    wake_up_all(cpu, word);
}

/// Until somebody is in line.
fn in_line(sem: &RwSem<Pair>, cpu: &Cpu<'_>) {
    while !sem.is_contended() {
        cpu.relax();
    }
}
