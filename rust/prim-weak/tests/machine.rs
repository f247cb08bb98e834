//! Sections, locks and what is built on them, on weak memory: each holds, and a planted mistake is found.

use std::marker::PhantomData;

use pgmap_prim_weak::model::{Model, Verdict, explore};
use pgmap_prim_weak::{
    Arena, AtomicU32, AtomicUsize, Completion, Cpu, CpuId, DeferredQueue, Guarded, LockClass,
    PlainData, Slab, Sleep, SpinLock, WaitClass, Waiting, Warn, ZeroInit, bit_spin_lock,
    bit_spin_unlock, plain, synchronize_rcu, wait_event, wake_up_all,
};

/// Two tasks over a state.
struct Two<S, Task> {
    start: fn() -> S,
    task: Task,
    finish: fn(&S),
    state: PhantomData<fn() -> S>,
}

impl<S, Task> Model for Two<S, Task>
where
    S: Send + Sync + 'static,
    Task: Fn(&S, &Cpu<'_>, u32) + Send + Sync + 'static,
{
    type State = S;
    const TASKS: u32 = 2;

    fn start(&self, _: &Cpu<'_>) -> S {
        (self.start)()
    }

    fn run(&self, state: &S, cpu: &Cpu<'_>, task: u32) {
        (self.task)(state, cpu, task);
    }

    fn finish(&self, state: &S, _: &Cpu<'_>) {
        (self.finish)(state);
    }
}

fn search<S: Send + Sync + 'static>(
    start: fn() -> S,
    task: impl Fn(&S, &Cpu<'_>, u32) + Send + Sync + 'static,
    finish: fn(&S),
) -> Verdict {
    explore(Two { start, task, finish, state: PhantomData }, None)
}

fn holds(verdict: &Verdict) {
    assert!(matches!(verdict, Verdict::Held { executions } if *executions > 1), "{verdict:?}");
}

fn breaks(verdict: &Verdict, how: &str) {
    assert!(matches!(verdict, Verdict::Broke { why, .. } if why.contains(how)), "{verdict:?}");
}

fn words<const N: usize>() -> [AtomicU32; N] {
    ZeroInit::zeroed()
}

static EVENT: WaitClass = WaitClass::event("event");
static BIT: LockClass = LockClass::new("bit", 7);

/// `current` names one of two objects; the updater moves it and then breaks the other one.
struct Published {
    current: AtomicU32,
    broken: [AtomicU32; 2],
}

fn published() -> Published {
    Published { current: AtomicU32::new(0), broken: words() }
}

impl Published {
    fn look(&self, object: u32) {
        assert_eq!(self.broken[object as usize].read(), 0, "looked at a broken object");
    }

    fn retire(&self, grace: impl FnOnce()) {
        self.current.set_release(1);
        grace();
        self.broken[0].set(1);
    }
}

#[test]
fn a_grace_period_waits_for_readers_of_both_kinds() {
    type Read = fn(&Published, &Cpu<'_>);
    let guarded: Read = |it, cpu| {
        let _outer = cpu.rcu_read_lock();
        drop(cpu.rcu_read_lock());
        it.look(it.current.read_acquire());
    };
    let leaf: Read = |it, cpu| cpu.rcu_read_leaf(|| it.look(it.current.read_acquire()));
    let stale: Read = |it, cpu| {
        let object = it.current.read_acquire();
        cpu.rcu_read_leaf(|| it.look(object));
    };
    let bare: Read = |it, _| it.look(it.current.read_acquire());
    let with = |read: Read| {
        let task = move |it: &Published, cpu: &Cpu<'_>, task| match task {
            0 => read(it, cpu),
            _ => it.retire(|| _ = synchronize_rcu(cpu)),
        };
        search(published, task, |_| {})
    };
    holds(&with(guarded));
    holds(&with(leaf));
    breaks(&with(stale), "broken object");
    breaks(&with(bare), "broken object");
}

#[test]
fn deferred_work_runs_after_a_grace_period_and_sees_what_its_pusher_did() {
    let start = || {
        let arena = Arena::new(0).expect("no limit");
        (DeferredQueue::<u32>::new(&arena, 2, "queue").expect("no limit"), published())
    };
    let run = |early: bool| {
        move |(queue, it): &(DeferredQueue<u32>, Published), cpu: &Cpu<'_>, task| match task {
            0 => cpu.rcu_read_leaf(|| it.look(it.current.read_acquire())),
            _ => {
                if !early {
                    it.current.set_release(1);
                }
                queue.push(cpu, 7).expect("room");
                let ran = queue.drain(cpu, |_, item| {
                    assert_eq!(item, 7);
                    it.current.set_release(1);
                    it.broken[0].set(1);
                });
                assert_eq!((ran, queue.pending()), (1, 0));
            }
        }
    };
    holds(&search(start, run(false), |_| {}));
    breaks(&search(start, run(true), |_| {}), "broken object");
}

plain! {
    #[derive(Clone, Copy, Debug)]
    struct Pair { a: u64, b: u64, }
}

impl Guarded for Pair {
    const CLASS: LockClass = LockClass::new("pair", 6);
}

#[test]
fn locks_exclude_and_pass_on_what_was_done_under_them() {
    let spin = |(lock, sum): &(SpinLock<Pair>, AtomicU32), cpu: &Cpu<'_>, _| {
        let mut pair = lock.lock(cpu);
        assert_eq!(pair.a, pair.b);
        pair.a += 1;
        pair.b += 1;
        sum.set(sum.read() + 1);
    };
    holds(&search(
        || (SpinLock::new(Pair::zeroed()), AtomicU32::new(0)),
        spin,
        |(_, sum)| assert_eq!(sum.read(), 2),
    ));
    let bit = |with: bool| {
        move |[word, sum]: &[AtomicU32; 2], cpu: &Cpu<'_>, _| {
            if with {
                bit_spin_lock(cpu, word, &BIT);
            }
            sum.set(sum.read() + 1);
            if with {
                bit_spin_unlock(cpu, word);
            }
        }
    };
    let two = |[_, sum]: &[AtomicU32; 2]| assert_eq!(sum.read(), 2, "an addition was lost");
    holds(&search(words::<2>, bit(true), two));
    breaks(&search(words::<2>, bit(false), two), "was lost");
}

#[test]
fn a_slab_never_hands_an_object_to_two() {
    let start = || {
        let arena = Arena::new(0).expect("no limit");
        Slab::<AtomicU32>::new(&arena, 2, "two").expect("no limit")
    };
    let take = |slab: &Slab<AtomicU32>, cpu: &Cpu<'_>, _| {
        let mine = slab.alloc(cpu).expect("an object each");
        assert_eq!(slab[mine].inc_return() % 2, 1);
        slab[mine].inc();
        slab.free(cpu, mine);
    };
    holds(&search(start, take, |slab| assert_eq!(slab.live(), 0)));
    let twice = |slab: &Slab<AtomicU32>, cpu: &Cpu<'_>, task| {
        if task == 0 {
            let mine = slab.alloc(cpu).expect("an object");
            slab.free(cpu, mine);
            slab.free(cpu, mine);
        }
    };
    breaks(&search(start, twice, |_| {}), "warnings");
}

#[test]
fn each_task_has_the_cpu_of_its_number_and_percpu_adds_sum_up() {
    let start = || [AtomicUsize::new(0), AtomicUsize::new(0)];
    let add = |cells: &[AtomicUsize; 2], cpu: &Cpu<'_>, task| {
        assert_eq!(cpu.id(), CpuId(task as usize));
        cpu.percpu_add(&cells[cpu.id().0], 3);
        cpu.percpu_add(&cells[cpu.id().0], 1usize.wrapping_neg());
    };
    let sum = |cells: &[AtomicUsize; 2]| assert_eq!(cells[0].read() + cells[1].read(), 4);
    assert!(matches!(search(start, add, sum), Verdict::Held { .. }));
    let astray = |cells: &[AtomicUsize; 2], cpu: &Cpu<'_>, _| cpu.percpu_add(&cells[0], 2);
    breaks(&search(start, astray, sum), "left == right");
}

#[test]
fn who_waits_for_an_event_sees_what_came_before_it() {
    const WAITING: Waiting = Waiting { class: &EVENT, object: 0, owner: 0 };
    type State = ([AtomicU32; 2], Completion);
    let start = || (words(), Completion::zeroed());
    let completed = |(words, done): &State, cpu: &Cpu<'_>, task| match task {
        0 => {
            done.wait(cpu, Sleep::Uninterruptible, WAITING).expect("no signals");
            assert_eq!(words[0].read(), 1);
        }
        _ => {
            words[0].set(1);
            done.complete_all(cpu);
        }
    };
    holds(&search(start, completed, |_| {}));
    let event = |how: fn(&AtomicU32)| {
        move |([data, flag], _): &State, cpu: &Cpu<'_>, task| match task {
            0 => {
                let up = || flag.read_acquire() == 1;
                wait_event(cpu, flag, Sleep::Uninterruptible, WAITING, up).expect("no signals");
                assert_eq!(data.read(), 1, "the event without its cause");
            }
            _ => {
                data.set(1);
                how(flag);
                wake_up_all(cpu, flag);
            }
        }
    };
    holds(&search(start, event(|flag| flag.set_release(1)), |_| {}));
    breaks(&search(start, event(|flag| flag.set(1)), |_| {}), "without its cause");
}

#[test]
fn a_warning_is_a_failure() {
    let warn = |(): &(), cpu: &Cpu<'_>, task| {
        if task == 1 {
            cpu.warn(Warn { code: 77, object: 2, value: 3 });
        }
    };
    breaks(&search(|| (), warn, |()| {}), "code: 77");
}

#[test]
fn what_never_comes_is_a_failure_and_not_a_hang() {
    let wait = |[word]: &[AtomicU32; 1], cpu: &Cpu<'_>, task| {
        if task == 0 {
            let waiting = Waiting { class: &EVENT, object: 0, owner: 0 };
            let up = || word.read_acquire() == 1;
            wait_event(cpu, word, Sleep::Uninterruptible, waiting, up).expect("no signals");
        }
    };
    assert!(matches!(search(words::<1>, wait, |_| {}), Verdict::Broke { .. }));
}
