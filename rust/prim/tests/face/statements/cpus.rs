//! CPUs, ghosts, warnings.

use super::{Pair, breaks, codes, counter, holds, words};
use crate::model::{EXPLORED, set_up};
use crate::prim::{
    AtomicUsize, Cpu, CpuId, Ghost, Machine, PlainData, RwSem, Tally, TaskId, Warn, code,
};

#[test]
fn a_ghost_counts_every_update_where_it_exists() {
    let start = || (Ghost::<u64>::new(), words::<1>());
    holds(
        2,
        start,
        |(ghost, words), _, _| {
            words[0].inc();
            ghost.with(|sum| *sum += 1);
        },
        |(ghost, words)| {
            let mut seen = None;
            ghost.with(|sum| seen = Some(*sum));
            assert_eq!((seen, words[0].read()), (EXPLORED.then_some(2), 2));
        },
    );
}

#[test]
fn each_task_has_a_cpu_of_its_own_and_percpu_adds_sum_up() {
    holds(
        2,
        || [const { AtomicUsize::new(0) }; 2],
        |cells, cpu, task| {
            assert_eq!((cpu.id(), cpu.task()), (CpuId(task as usize), TaskId(task)));
            cpu.percpu_add(&cells[cpu.id().0], 3);
            cpu.percpu_add(&cells[cpu.id().0], 1usize.wrapping_neg());
            cpu.count(Tally(5));
        },
        |cells| assert_eq!(cells.iter().map(AtomicUsize::read).sum::<usize>(), 4),
    );
}

#[test]
fn a_warning_is_kept_outside_a_run_and_ends_one_inside() {
    let machine = Machine::new(1);
    let cpu = set_up(0, &machine);
    cpu.warn(Warn { code: 1, object: 2, value: 3 });
    assert_eq!((codes(&machine), machine.warnings_total()), (vec![1], 1));
    let warn = |_: &(), cpu: &Cpu<'_>, _| cpu.warn(Warn { code: 77, object: 2, value: 3 });
    breaks("code: 77", 1, || (), warn, |()| {});
}

#[test]
fn sleeping_locks_may_not_be_taken_under_a_spin_lock() {
    let (machine, sem) = (Machine::new(1), RwSem::new(Pair::zeroed()));
    let (cpu, spin) = (set_up(0, &machine), counter());
    let held = spin.lock(&cpu);
    drop(sem.read(&cpu));
    drop(held);
    assert_eq!(codes(&machine), [code::SLEEP_WHILE_ATOMIC]);
}
