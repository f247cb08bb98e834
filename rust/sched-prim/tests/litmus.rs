//! Litmus tests: which results two to four tasks can come to, under sequential consistency and under x86-TSO.
//!
//! Names and verdicts are those of the x86-TSO papers (Owens, Sarkar, Sewell 2009; Alglave et al.).
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use pgmap_sched::{
    Control, Effect, Explorer, Failure, Fault, Judgement, Kind, Model, Outcome, Plan, Schedule,
    Task, Trace,
};
use pgmap_sched_prim::{
    Arena, AtomicU32, AtomicUsize, Cpu, Entered, Guarded, Lease, LockClass, Machine, Sleep,
    Snapshot, SpinLock, SplitMix64, Table, TaskId, WaitClass, Waiting, by_hardware, may_speculate,
    plain, smp_mb, store_buffer, synchronize_rcu, verb_name, wait_var_event, wake_up_all,
    wake_up_var,
};

plain! {
    #[derive(Clone, Copy, Debug)]
    struct Nothing;
}
impl Guarded for Nothing {
    const CLASS: LockClass = LockClass { name: "nothing", rank: 1 };
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Memory {
    Sc,
    Tso,
}

/// What the tasks share, and what they report.
struct Shared {
    words: Table<AtomicU32>,
    cells: Table<AtomicUsize>,
    lock: Table<SpinLock<Nothing>>,
    results: [Cell<u32>; 4],
}

impl Shared {
    fn x(&self) -> &AtomicU32 {
        &self.words[0]
    }

    fn y(&self) -> &AtomicU32 {
        &self.words[1]
    }

    fn report(&self, at: usize, value: u32) {
        self.results[at].set(value);
    }
}

type Body<'a> = &'a dyn Fn(&Shared, &Cpu<'_>);

struct Litmus<'a> {
    memory: Memory,
    machine: Arc<Machine>,
    shared: Shared,
    arena: Arena,
    start: Snapshot,
    bodies: &'a [Body<'a>],
    seen: Cell<BTreeSet<Vec<u32>>>,
    _entered: Entered,
}

impl<'a> Litmus<'a> {
    fn new(memory: Memory, bodies: &'a [Body<'a>]) -> Self {
        let machine = Machine::new(bodies.len());
        let arena = Arena::new(1 << 16).expect("address space");
        let entered = arena.enter();
        let shared = Shared {
            words: arena.table(4).expect("room"),
            cells: arena.table(2).expect("room"),
            lock: arena.table(1).expect("room"),
            results: Default::default(),
        };
        if memory == Memory::Tso {
            machine.buffer_stores(bodies.len());
        }
        let (start, seen) = (arena.snapshot(), Cell::default());
        Self { memory, machine, shared, arena, start, bodies, seen, _entered: entered }
    }

    fn search(&mut self, bound: Option<u32>, cache_bytes: usize) -> (Outcome, Vec<Failure>) {
        let mut failures = Vec::new();
        let mut judge = |failure: &Failure, _: &Schedule| {
            failures.push(failure.clone());
            Judgement::Continue
        };
        let plan = Plan { bound, cache_bytes, steps_max: 1_000, ..Plan::default() };
        let outcome = Explorer::new().search(self, &plan, &mut judge, &mut |_| Control::Go);
        assert!(matches!(outcome, Outcome::Exhausted { .. }), "{outcome:?}");
        (outcome, failures)
    }
}

impl Model for Litmus<'_> {
    fn tasks(&self) -> usize {
        self.bodies.len() + self.daemons()
    }

    fn daemons(&self) -> usize {
        if self.memory == Memory::Tso { self.bodies.len() } else { 0 }
    }

    fn reset(&mut self) {
        self.arena.restore(&self.start);
        self.machine.reset();
        self.shared.results.iter().for_each(|result| result.set(0));
    }

    fn run(&self, task: Task) {
        match usize::from(task.0).checked_sub(self.bodies.len()) {
            Some(owner) => store_buffer::drain(Task(owner as u8)),
            None => {
                let lease = Lease::of(TaskId(task.0.into()));
                let cpu = self.machine.lease(lease).expect("a free CPU");
                self.bodies[usize::from(task.0)](&self.shared, &cpu);
            }
        }
    }

    fn finish(&self) -> Result<(), Fault> {
        let words = [self.shared.x(), self.shared.y()].map(AtomicU32::read);
        let all = self.shared.results.iter().map(Cell::get).chain(words);
        let mut seen = self.seen.take();
        seen.insert(all.collect());
        self.seen.set(seen);
        Ok(())
    }
}

/// Everything that can be reported: four results, then what is left in x and y.
fn results(memory: Memory, bound: Option<u32>, bodies: &[Body<'_>]) -> BTreeSet<Vec<u32>> {
    let mut pruned = Litmus::new(memory, bodies);
    let (_, failures) = pruned.search(bound, 1 << 20);
    assert!(failures.is_empty(), "{failures:?}");
    pruned.seen.into_inner()
}

/// Whether such a result can come about under a memory, within a bound.
fn can(
    memory: Memory,
    bound: Option<u32>,
    bodies: &[Body<'_>],
    is: impl Fn(&[u32]) -> bool,
) -> bool {
    let all = results(memory, bound, bodies);
    assert!(!all.is_empty());
    all.iter().any(|result| is(result))
}

/// Executions within a bound, each once.
fn executions(memory: Memory, bound: Option<u32>, bodies: &[Body<'_>]) -> u64 {
    let mut litmus = Litmus::new(memory, bodies);
    litmus.search(bound, 0).0.stats().last().expect("a bound").schedules
}

use Memory::{Sc, Tso};

fn store_x_load_y(shared: &Shared, _: &Cpu<'_>) {
    shared.x().set(1);
    shared.report(0, shared.y().read());
}

fn store_y_load_x(shared: &Shared, _: &Cpu<'_>) {
    shared.y().set(1);
    shared.report(1, shared.x().read());
}

const SB: [Body<'static>; 2] = [&store_x_load_y, &store_y_load_x];

fn both_miss(result: &[u32]) -> bool {
    result[..2] == [0, 0]
}

#[test]
fn sb_both_loads_miss_only_with_store_buffers() {
    assert!(!can(Sc, None, &SB, both_miss));
    assert!(can(Tso, None, &SB, both_miss));
    // One store that waits is enough, and nothing else need be preempted; for nothing it is not had.
    assert!(!can(Tso, Some(0), &SB, both_miss));
    assert!(can(Tso, Some(1), &SB, both_miss));
}

#[test]
fn sb_has_every_result_of_sequential_consistency_too() {
    let sc = results(Sc, None, &SB);
    assert_eq!(sc.len(), 3);
    assert!(results(Tso, None, &SB).is_superset(&sc));
    assert_eq!(results(Tso, None, &SB).len(), 4);
}

#[test]
fn sb_a_barrier_a_locked_instruction_or_a_lock_between_forbids_it() {
    let mb: Body<'_> = &|shared, _| {
        shared.x().set(1);
        smp_mb();
        shared.report(0, shared.y().read());
    };
    let mb_too: Body<'_> = &|shared, _| {
        shared.y().set(1);
        smp_mb();
        shared.report(1, shared.x().read());
    };
    assert!(!can(Tso, None, &[mb, mb_too], both_miss));
    assert!(can(Tso, None, &[mb, SB[1]], both_miss), "both need one");
    let exchange: Body<'_> = &|shared, _| {
        shared.x().xchg(1);
        shared.report(0, shared.y().read());
    };
    assert!(!can(Tso, None, &[exchange, mb_too], both_miss));
    let failed: Body<'_> = &|shared, _| {
        shared.x().set(1);
        assert!(shared.words[2].cmpxchg(5, 6).is_err());
        shared.report(0, shared.y().read());
    };
    assert!(!can(Tso, None, &[failed, mb_too], both_miss), "a failed cmpxchg is locked, too");
    let refused: Body<'_> = &|shared, _| {
        shared.x().set(1);
        assert!(!shared.words[2].add_unless(1, 0));
        shared.report(0, shared.y().read());
    };
    assert!(can(Tso, None, &[refused, mb_too], both_miss), "a refused add_unless is a load");
    let locked: Body<'_> = &|shared, cpu| {
        let guard = shared.lock[0].lock(cpu);
        shared.x().set(1);
        drop(guard);
        shared.report(0, shared.y().read());
    };
    assert!(!can(Tso, None, &[locked, mb_too], both_miss), "unlocking drains");
}

#[test]
fn a_store_of_any_kind_can_wait() {
    let mb_too: Body<'_> = &|shared, _| {
        shared.y().set(1);
        smp_mb();
        shared.report(1, shared.words[0].read() + shared.cells[0].read() as u32);
    };
    let release: Body<'_> = &|shared, _| {
        shared.x().set_release(1);
        shared.report(0, shared.y().read_acquire());
    };
    assert!(can(Tso, None, &[release, mb_too], both_miss), "release and acquire do not help");
    let percpu: Body<'_> = &|shared, cpu| {
        cpu.percpu_add(&shared.cells[0], 1);
        shared.report(0, shared.y().read());
    };
    assert!(can(Tso, None, &[percpu, mb_too], both_miss));
    assert!(!can(Sc, None, &[percpu, mb_too], both_miss));
    let start = |shared: &Shared| {
        shared.x().xchg(9);
    };
    let wipe: Body<'_> = &|shared, _| {
        start(shared);
        shared.words.zero(0..1);
        shared.report(0, shared.y().read());
    };
    let sees_nine: Body<'_> = &|shared, _| {
        shared.y().xchg(1);
        shared.report(1, shared.x().read());
    };
    let late = |result: &[u32]| result[..2] == [0, 9];
    // Where y was not seen the wipe came before in any order of steps.
    assert!(can(Tso, None, &[wipe, sees_nine], late));
    let exchanged: Body<'_> = &|shared, _| {
        start(shared);
        shared.x().xchg(0);
        shared.report(0, shared.y().read());
    };
    assert!(!can(Tso, None, &[exchanged, sees_nine], late));
}

#[test]
fn what_hardware_writes_never_waits() {
    let dma: Body<'_> = &|shared, _| {
        by_hardware(|| shared.x().set(1));
        shared.report(0, shared.y().read());
    };
    let mb_too: Body<'_> = &|shared, _| {
        shared.y().set(1);
        smp_mb();
        shared.report(1, shared.x().read());
    };
    assert!(!can(Tso, None, &[dma, mb_too], both_miss));
}

#[test]
fn mp_a_message_never_overtakes_its_contents() {
    let send: Body<'_> = &|shared, _| {
        shared.x().set(1);
        shared.y().set(1);
    };
    let receive: Body<'_> = &|shared, _| {
        shared.report(0, shared.y().read());
        shared.report(1, shared.x().read());
    };
    assert!(!can(Tso, None, &[send, receive], |result| result[..2] == [1, 0]));
}

#[test]
fn lb_no_load_sees_a_store_that_comes_after_it() {
    let one: Body<'_> = &|shared, _| {
        shared.report(0, shared.x().read());
        shared.y().set(1);
    };
    let other: Body<'_> = &|shared, _| {
        shared.report(1, shared.y().read());
        shared.x().set(1);
    };
    assert!(!can(Tso, None, &[one, other], |result| result[..2] == [1, 1]));
}

#[test]
fn iriw_all_see_stores_of_others_in_one_order() {
    let write_x: Body<'_> = &|shared, _| shared.x().set(1);
    let write_y: Body<'_> = &|shared, _| shared.y().set(1);
    let x_first: Body<'_> = &|shared, _| {
        shared.report(0, shared.x().read());
        shared.report(1, shared.y().read());
    };
    let y_first: Body<'_> = &|shared, _| {
        shared.report(2, shared.y().read());
        shared.report(3, shared.x().read());
    };
    let tasks = [write_x, write_y, x_first, y_first];
    assert!(!can(Tso, None, &tasks, |result| result[..4] == [1, 0, 1, 0]));
}

#[test]
fn r_a_store_waits_past_a_load_after_it_was_overtaken() {
    let both: Body<'_> = &|shared, _| {
        shared.x().set(1);
        shared.y().set(1);
    };
    let other: Body<'_> = &|shared, _| {
        shared.y().set(2);
        shared.report(0, shared.x().read());
    };
    let late = |result: &[u32]| result[0] == 0 && result[5] == 2;
    assert!(can(Tso, None, &[both, other], late));
    assert!(!can(Sc, None, &[both, other], late));
}

#[test]
fn two_plus_two_writes_stay_in_order() {
    let one: Body<'_> = &|shared, _| {
        shared.x().set(1);
        shared.y().set(2);
    };
    let other: Body<'_> = &|shared, _| {
        shared.y().set(1);
        shared.x().set(2);
    };
    assert!(!can(Tso, None, &[one, other], |result| result[4..6] == [1, 1]));
}

#[test]
fn n6_a_task_sees_its_own_store_before_anybody_else_does() {
    let one: Body<'_> = &|shared, _| {
        shared.x().set(1);
        shared.report(0, shared.x().read());
        shared.report(1, shared.y().read());
    };
    let other: Body<'_> = &|shared, _| {
        shared.y().set(2);
        shared.x().set(2);
    };
    let n6 = |result: &[u32]| result[..2] == [1, 0] && result[4] == 1;
    assert!(can(Tso, None, &[one, other], n6));
    assert!(!can(Sc, None, &[one, other], n6));
    assert!(!can(Tso, None, &[one], |result| result[0] != 1), "forwarding never fails");
}

#[test]
fn what_hardware_does_unasked_costs_and_is_one_event() {
    let hardware: Body<'_> = &|shared, _| {
        // What is done unasked happens with this.
        shared.words[2].read();
        may_speculate(|| {
            shared.x().set(1);
            shared.y().set(1);
        });
    };
    let look: Body<'_> = &|shared, _| {
        shared.report(0, shared.x().read());
        shared.report(1, shared.y().read());
    };
    let results = |bound, told: bool| {
        let tasks = [hardware, look];
        let mut litmus = Litmus::new(Sc, &tasks);
        if told {
            litmus.machine.speculate();
        }
        litmus.search(bound, 1 << 20);
        let seen = litmus.seen.take();
        seen.into_iter().map(|all| (all[0], all[1])).collect::<BTreeSet<_>>()
    };
    assert_eq!(results(None, false), [(0, 0)].into());
    assert_eq!(results(Some(0), true), [(0, 0)].into());
    // The other task looks before, after, or between its two looks; never in the middle of it.
    assert_eq!(results(None, true), [(0, 0), (0, 1), (1, 1)].into());
}

/// The schedule of one task whose first store waits until it must not.
fn waiting_at_once() -> Schedule {
    // Version with payments; no departures, no choices; one payment: the first asked, 1; no hash.
    let mut bytes = vec![2, 0, 0, 0, 1, 0, 1];
    bytes.extend([0; 8]);
    Schedule::from_bytes(&bytes).expect("a schedule")
}

#[test]
fn what_goes_into_a_buffer_and_comes_out_is_in_the_history() {
    let writes: Body<'_> = &|shared, _| {
        shared.x().set(1);
        shared.y().read();
        shared.x().set(2);
        shared.x().xchg(3);
        shared.y().set(4);
    };
    let tasks = [writes];
    let mut litmus = Litmus::new(Tso, &tasks);
    let schedule = waiting_at_once();
    let trace = Explorer::new().replay(&mut litmus, &schedule, Trace::Keep).trace;
    let events = trace.iter().filter(|event| matches!(event.kind, Kind::Step | Kind::Record));
    let told: Vec<_> = events
        .map(|event| (event.task.0, verb_name(event.verb), event.effect == Effect::Write))
        .collect();
    let buffer = "store buffer";
    let expected = [
        (0, buffer, true),
        (0, "READ_ONCE", false),
        (0, buffer, true),
        (1, "WRITE_ONCE", true),
        (1, buffer, true),
        (1, "WRITE_ONCE", true),
        (1, buffer, true),
        (0, "smp_mb", false),
        (0, "xchg", true),
        (0, "WRITE_ONCE", true),
    ];
    let seen: Vec<_> =
        told.into_iter().filter(|event| event.1 != "get_cpu" && event.1 != "put_cpu").collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_task_reads_the_newest_of_its_own_stores() {
    let alone: Body<'_> = &|shared, cpu| {
        shared.x().set(1);
        shared.x().set(2);
        shared.report(0, shared.x().read());
        cpu.percpu_add(&shared.cells[0], 2);
        cpu.percpu_add(&shared.cells[0], 3);
        shared.report(1, shared.cells[0].read() as u32);
        shared.y().set(7);
        shared.words.zero(0..2);
        shared.report(2, shared.y().read());
    };
    let all = results(Tso, None, &[alone]);
    assert_eq!(all.into_iter().collect::<Vec<_>>(), [vec![2, 5, 0, 0, 0, 0]]);
}

#[test]
fn a_peek_counts_a_store_that_waits_as_done() {
    let one: Body<'_> = &|shared, _| {
        shared.x().set(1);
        shared.words[2].xchg(1);
    };
    let wait: Body<'_> = &|shared, _| {
        shared.x().set(1);
        shared.report(0, shared.x().peek());
        shared.report(1, 1);
    };
    assert!(!can(Tso, None, &[wait], |result| result[0] == 0));
    let look: Body<'_> = &|shared, _| {
        let before = shared.x().read();
        shared.report(2, shared.x().peek());
        shared.report(3, before);
    };
    // Memory says 0, and a peek in the same step already says 1: only while the store waits.
    let ahead = |result: &[u32]| result[2..4] == [1, 0];
    assert!(can(Tso, None, &[one, look], ahead));
    assert!(!can(Sc, None, &[one, look], ahead));
}

#[test]
fn a_grace_period_lands_what_was_in_flight() {
    // Asymmetric: the reader has no barrier, the waiter's is everybody's.
    let wait: Body<'_> = &|shared, cpu| {
        shared.y().set(1);
        synchronize_rcu(cpu);
        shared.report(1, shared.x().read());
    };
    assert!(!can(Tso, None, &[SB[0], wait], both_miss));
    let section: Body<'_> = &|shared, cpu| {
        cpu.rcu_read_leaf(|| {
            shared.report(0, shared.y().read());
            shared.x().set(1);
            shared.words[2].read();
        });
    };
    let wait: Body<'_> = &|shared, cpu| {
        shared.y().xchg(1);
        synchronize_rcu(cpu);
        shared.report(1, shared.x().read());
    };
    assert!(!can(Tso, None, &[section, wait], both_miss), "what a section stored is seen after it");
}

static GO: WaitClass = WaitClass { name: "go" };
const GOING: Waiting = Waiting { class: &GO, object: 0, owner: 0 };

#[test]
fn a_wake_up_without_a_barrier_overtakes_the_store_it_is_about() {
    let sleeper: Body<'_> = &|shared, cpu| {
        let awake = || shared.x().read() == 1;
        let _ = wait_var_event(cpu, shared.x(), Sleep::Uninterruptible, GOING, awake);
    };
    let plain: Body<'_> = &|shared, cpu| {
        shared.x().set(1);
        wake_up_var(cpu, shared.x());
    };
    let hangs = |memory, waker| {
        let (_, failures) = Litmus::new(memory, &[sleeper, waker]).search(Some(2), 1 << 20);
        !failures.is_empty()
    };
    assert!(!hangs(Sc, plain));
    assert!(hangs(Tso, plain));
    let barrier: Body<'_> = &|shared, cpu| {
        shared.x().set(1);
        smp_mb();
        wake_up_var(cpu, shared.x());
    };
    assert!(!hangs(Tso, barrier));
    let all: Body<'_> = &|shared, cpu| {
        shared.x().set(1);
        wake_up_all(cpu, shared.x());
    };
    assert!(!hangs(Tso, all), "wake_up has the barrier inside");
}

#[test]
fn executions_are_as_many_as_can_be_counted_by_hand() {
    let one: Body<'_> = &|shared, _| shared.x().set(1);
    let two: Body<'_> = &|shared, _| {
        shared.x().set(1);
        shared.y().set(1);
    };
    let load_between: Body<'_> = &|shared, _| {
        shared.x().set(1);
        shared.y().read();
        shared.words[2].set(1);
    };
    assert_eq!([Some(0), Some(1), None].map(|bound| executions(Sc, bound, &[two])), [1, 1, 1]);
    // It waits or it does not.
    assert_eq!([Some(0), Some(1), None].map(|bound| executions(Tso, bound, &[one])), [1, 2, 2]);
    // Neither waits; the second does; the first does, and the second behind it.
    assert_eq!([Some(0), Some(1), None].map(|bound| executions(Tso, bound, &[two])), [1, 3, 3]);
    // The first goes at once: 2. It waits past the load: the second queues, 1. It waits, and goes before the
    // load: 2; and that costs no more, for before its first step the task need not be preempted.
    let bounds = [Some(0), Some(1), Some(2), None];
    assert_eq!(bounds.map(|bound| executions(Tso, bound, &[load_between])), [1, 4, 5, 5]);
}

/// One operation of a program that nobody wrote; `n` makes stores differ.
fn random_operation(shared: &Shared, dice: u64, n: u32) -> u32 {
    let word = &shared.words[(dice >> 8) as usize % 3];
    match dice % 8 {
        0..=3 => word.set(n),
        4..=5 => return word.read(),
        6 => return word.xchg(n),
        _ => smp_mb(),
    }
    0
}

#[test]
fn pruning_loses_no_result_of_random_programs() {
    let mut fewer = 0;
    for seed in 0..150 {
        let mut dice = SplitMix64::new(seed);
        let program: [[u64; 4]; 2] =
            core::array::from_fn(|_| core::array::from_fn(|_| dice.next_u64()));
        let task = |me: usize| {
            move |shared: &Shared, _: &Cpu<'_>| {
                let mut seen = 0;
                for (at, dice) in (1..).zip(program[me]) {
                    let n = 5 * me as u32 + at;
                    seen = seen * 11 + random_operation(shared, dice, n);
                }
                shared.report(me, seen);
            }
        };
        let (one, other) = (task(0), task(1));
        let tasks: [Body<'_>; 2] = [&one, &other];
        for bound in [Some(1), Some(2), None] {
            // One after the other: stores can wait only in the arena in use.
            let run = |cache_bytes| {
                let mut litmus = Litmus::new(Tso, &tasks);
                let stats = litmus.search(bound, cache_bytes).0;
                let executions = stats.stats().last().map(|now| now.schedules);
                (litmus.seen.take(), executions)
            };
            let ((all, executions), (some, pruned)) = (run(0), run(1 << 20));
            assert_eq!(all, some, "program {seed} within {bound:?}");
            assert!(pruned <= executions);
            fewer += u32::from(pruned < executions);
        }
    }
    assert!(fewer > 200, "pruned: {fewer}");
}
