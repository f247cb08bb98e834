//! What a step that is left out comes to, by kind: for its caller, and for others.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod common;

use common::{Body, Closures, Pair, WAITING, cpu, table};
use pgmap_prim_explored::edits::{note, noted};
use pgmap_prim_explored::{
    AtomicU32, Cpu, Edit, Machine, RwSem, Sleep, SpinLock, Warn, bit_spin_lock, bit_spin_unlock,
    code, smp_mb, synchronize_rcu, wait_event, wake_up_all,
};

/// The calls of `op` that `act` makes.
fn calls(op: &str, act: impl FnOnce()) -> Vec<Edit> {
    note();
    act();
    let calls = noted().into_iter().filter(|call| call.1 == op);
    let edit = |(site, op): pgmap_prim_explored::edits::Call| Edit {
        file: site.file(),
        line: site.line(),
        column: site.column(),
        op,
    };
    let mut edits: Vec<Edit> = calls.map(edit).collect();
    edits.sort_by_key(|edit| edit.line);
    edits
}

/// Runs `act` with each call of `op` in it left out.
fn without<R>(machine: &Machine, op: &str, act: impl Fn() -> R) -> R {
    let edits = calls(op, || _ = act());
    assert!(!edits.is_empty(), "{op} is called");
    machine.leave_out(edits);
    let came = act();
    machine.leave_out(Vec::new());
    came
}

#[test]
fn a_word_stays_and_its_caller_goes_on() {
    let (arena, words) = table();
    let _entered = arena.enter();
    let machine = Machine::new(1);
    // From 5: what comes of the call, and what the word says then.
    let run = |op: &str, call: &dyn Fn(&AtomicU32) -> u32| {
        without(&machine, op, || {
            words[0].set(5);
            let came = call(&words[0]);
            (came, words[0].peek())
        })
    };
    let unit = |call: &dyn Fn(&AtomicU32)| {
        call(&words[0]);
        0
    };
    assert_eq!(run("add", &|_| unit(&|word| word.add(1))), (0, 5));
    assert_eq!(run("inc", &|_| unit(&|word| word.inc())), (0, 5));
    assert_eq!(run("or", &|_| unit(&|word| word.or(2))), (0, 5));
    assert_eq!(run("set_release", &|_| unit(&|word| word.set_release(7))), (0, 5));
    // A get that tells was done, for all that its caller knows; a put was not the last.
    assert_eq!(run("inc_return", &AtomicU32::inc_return), (6, 5));
    assert_eq!(run("dec_return", &AtomicU32::dec_return), (5, 5));
    assert_eq!(run("sub_and_test", &|word| u32::from(word.sub_and_test(5))), (0, 5));
    assert_eq!(run("add_unless", &|word| u32::from(word.add_unless(1, 0))), (1, 5));
    assert_eq!(run("add_unless", &|word| u32::from(word.add_unless(1, 5))), (0, 5));
    assert_eq!(run("cmpxchg", &|word| word.cmpxchg(5, 6).unwrap()), (5, 5));
    assert_eq!(run("cmpxchg", &|word| word.cmpxchg(4, 6).unwrap_err()), (5, 5));
    assert_eq!(run("xchg", &|word| word.xchg(9)), (5, 5));
    // A second look sees nothing new; a check knows better.
    assert_eq!(run("differs_from", &|word| u32::from(word.differs_from(4))), (0, 5));
    let check = |word: &AtomicU32| u32::from(word.really_differs_from(4, word.differs_from(4)));
    assert_eq!(run("differs_from", &check), (1, 5));
    words[0].set(5);
    assert!(
        !words[0].really_differs_from(4, false),
        "nothing is left out: whoever looked is believed"
    );
}

#[test]
fn another_call_of_the_same_primitive_is_made() {
    let (arena, words) = table();
    let _entered = arena.enter();
    let machine = Machine::new(1);
    machine.leave_out(calls("inc", || words[0].inc()));
    words[1].inc();
    assert_eq!(words[1].peek(), 1);
}

#[test]
fn what_is_done_under_a_lock_that_is_left_out_is_lost_on_nobody_else() {
    let machine = Machine::new(2);
    let (spin, sem) = (SpinLock::new(Pair { a: 0, b: 0 }), RwSem::new(Pair { a: 0, b: 0 }));
    let (mine, other) = (cpu(&machine, 0), cpu(&machine, 1));
    let take = || spin.lock(&mine);
    machine.leave_out(calls("lock", || drop(take())));
    let mut left_out = take();
    left_out.a = 1;
    // The other one really has it.
    spin.lock(&other).b = 2;
    drop(left_out);
    machine.leave_out(Vec::new());
    let now = *spin.lock(&mine);
    assert_eq!((now.a, now.b), (1, 2), "only what it changed itself is written back");
    let both = without(&machine, "write", || {
        let first = sem.write(&mine);
        let free = !sem.is_locked();
        drop(first);
        free
    });
    assert!(both, "nobody is inside");
    assert!(!sem.is_locked(), "nor was it given back twice");
}

#[test]
fn a_lock_that_is_left_out_and_lowered_was_never_held_either() {
    let machine = Machine::new(2);
    let sem = RwSem::new(Pair { a: 0, b: 0 });
    let (mine, other) = (cpu(&machine, 0), cpu(&machine, 1));
    let seen = without(&machine, "write", || {
        let mut writing = sem.write(&mine);
        writing.a = 1;
        let lowered = writing.downgrade();
        assert_eq!(lowered.a, 1, "its own change");
        // Nobody is inside, and what was changed was given back with the lock for writing.
        let seen = sem.try_read(&other).map(|reading| reading.a);
        let free = !sem.is_locked();
        drop(lowered);
        (seen, free)
    });
    assert_eq!(seen, (Some(1), true));
    assert!(!sem.is_locked(), "nor is it given back");
}

#[test]
fn a_lost_update_is_found_without_the_lock_and_not_without_a_barrier() {
    type Shared = (SpinLock<Pair>, AtomicU32);
    let start = || (SpinLock::new(Pair { a: 0, b: 0 }), AtomicU32::new(0));
    let add = |(lock, met): &Shared, cpu: &Cpu<'_>| {
        let mut pair = lock.lock(cpu);
        let seen = pair.a;
        smp_mb();
        pair.a = seen + 1;
        drop(pair);
        if met.inc_return() == 2 && lock.lock(cpu).a != 2 {
            cpu.warn(Warn { code: 1, object: 0, value: 0 });
        }
    };
    let searched = |op: &str| {
        let tasks: [Body<'_, Shared>; 2] = [&add, &add];
        let mut closures = Closures::new(&start, &tasks);
        let once = || add(&start(), &cpu(&closures.machine, 0));
        let edit = calls(op, once)[0];
        closures.machine.leave_out(vec![edit]);
        closures.search().1
    };
    assert!(!searched("lock").is_empty(), "an update is lost");
    assert!(searched("smp_mb").is_empty(), "the lock is enough");
}

#[test]
fn a_wake_up_that_is_left_out_is_a_hang_and_a_wait_that_is_left_out_is_over() {
    let start = || AtomicU32::new(0);
    let wait = |word: &AtomicU32, cpu: &Cpu<'_>| {
        let _ = wait_event(cpu, word, Sleep::Uninterruptible, WAITING, || word.read() != 0);
    };
    let wake = |word: &AtomicU32, cpu: &Cpu<'_>| {
        word.xchg(1);
        wake_up_all(cpu, word);
    };
    let searched = |op: &str| {
        let tasks: [Body<'_, AtomicU32>; 2] = [&wait, &wake];
        let mut closures = Closures::new(&start, &tasks);
        let edits = calls(op, || _ = closures.search());
        closures.machine.leave_out(edits);
        closures.search().1
    };
    assert!(searched("nothing").is_empty());
    assert!(!searched("wake_up").is_empty(), "asleep for ever");
    assert!(searched("wait_event").is_empty(), "nobody sleeps");
}

#[test]
fn misuse_of_a_primitive_is_no_complaint_while_something_is_left_out() {
    let (arena, words) = table();
    let _entered = arena.enter();
    let machine = Machine::new(1);
    let mine = cpu(&machine, 0);
    static CLASS: pgmap_prim_explored::LockClass =
        pgmap_prim_explored::LockClass::innermost("word");
    without(&machine, "bit_spin_lock", || {
        bit_spin_lock(&mine, &words[0], &CLASS);
        bit_spin_unlock(&mine, &words[0]);
    });
    assert_eq!(machine.warnings_total(), 0, "given back, and never taken");
    bit_spin_unlock(&mine, &words[0]);
    let told = machine.warnings().first().map(|record| record.warn.code);
    assert_eq!(told, Some(code::UNLOCK_OF_UNLOCKED), "a complaint as ever");
}

#[test]
fn a_grace_period_that_is_left_out_waits_for_nobody() {
    let machine = Machine::new(2);
    let (mine, other) = (cpu(&machine, 0), cpu(&machine, 1));
    let wait = || synchronize_rcu(&mine).0;
    let inside = || other.rcu_read_lock();
    machine.leave_out(calls("synchronize_rcu", || _ = wait()));
    {
        let _section = inside();
        assert!(!wait(), "it asks for nobody");
    }
    machine.leave_out(calls("rcu_read_lock", || drop(inside())));
    let _section = inside();
    assert!(!wait(), "nobody is inside");
}
