//! Grace periods. `current` names one of two objects; the updater moves it and, after a grace period,
//! breaks the other one.

use super::{Published, breaks, codes, holds, wait_for, words};
use crate::model::set_up;
use crate::prim::{
    AtomicU32, Cpu, Machine, Srcu, code, sync_access, sync_irq, synchronize_rcu, wake_up_all,
};

macro_rules! grace_periods {
    ($($name:ident: $enter:ident holds up $wait:ident and not $other:ident;)*) => { $(
        #[test]
        fn $name() {
            let read = |it: &Published, cpu: &Cpu<'_>| {
                let _outer = cpu.$enter();
                drop(cpu.$enter());
                it.look(it.current.read_acquire());
            };
            let stale = |it: &Published, cpu: &Cpu<'_>| {
                let object = it.current.read_acquire();
                let _section = cpu.$enter();
                it.look(object);
            };
            let wait = |cpu: &Cpu<'_>| $wait(cpu);
            holds(2, Published::default, |it, cpu, task| match task {
                0 => read(it, cpu),
                _ => it.retire(|| wait(cpu)),
            }, |_| {});
            // What was read before the section began is not protected by it.
            breaks("Panic", 2, Published::default, |it, cpu, task| match task {
                0 => stale(it, cpu),
                _ => it.retire(|| wait(cpu)),
            }, |_| {});
            breaks("Panic", 2, Published::default, |it, cpu, task| match task {
                0 => read(it, cpu),
                _ => it.retire(|| $other(cpu)),
            }, |_| {});
        }
    )* };
}

fn no_wait(_: &Cpu<'_>) {}

grace_periods! {
    a_grace_period_waits_for_rcu_readers: rcu_read_lock holds up synchronize_rcu and not sync_irq;
    a_grace_period_waits_for_interrupts: local_irq_save holds up synchronize_rcu and not no_wait;
    an_ipi_waits_for_interrupts: local_irq_save holds up sync_irq and not sync_access;
    a_shoot_down_waits_for_accesses: access_begin holds up sync_access and not synchronize_rcu;
}

#[test]
fn a_grace_period_waits_for_leaf_sections() {
    let read = |it: &Published| it.look(it.current.read_acquire());
    holds(
        2,
        Published::default,
        |it, cpu, task| match task {
            0 => cpu.rcu_read_leaf(|| read(it)),
            _ => it.retire(|| synchronize_rcu(cpu)),
        },
        |_| {},
    );
    breaks(
        "Panic",
        2,
        Published::default,
        |it, cpu, task| match task {
            0 => cpu.leaf().run(|| read(it)),
            _ => it.retire(|| sync_access(cpu)),
        },
        |_| {},
    );
}

#[test]
fn an_srcu_grace_period_waits_for_a_reader_that_sleeps() {
    let start = || (Srcu::new(), Published::default(), words::<1>());
    let read = |srcu: &Srcu, it: &Published, go: &AtomicU32, cpu: &Cpu<'_>| {
        let _section = srcu.read_lock(cpu);
        let object = it.current.read_acquire();
        wait_for(cpu, go, 1);
        it.look(object);
    };
    let go = |word: &AtomicU32, cpu: &Cpu<'_>| {
        word.set_release(1);
        wake_up_all(cpu, word);
    };
    holds(
        3,
        start,
        |(srcu, it, word), cpu, task| match task {
            0 => read(srcu, it, &word[0], cpu),
            1 => it.retire(|| srcu.synchronize_srcu(cpu)),
            _ => go(&word[0], cpu),
        },
        |_| {},
    );
    breaks(
        "Panic",
        3,
        start,
        |(srcu, it, word), cpu, task| match task {
            0 => read(srcu, it, &word[0], cpu),
            1 => it.retire(|| synchronize_rcu(cpu)),
            _ => go(&word[0], cpu),
        },
        |_| {},
    );
}

#[test]
fn an_srcu_grace_period_waits_for_a_reader_that_took_its_side_before_an_earlier_one() {
    // A reader that reads the turn before one grace period and enters after it stands on the side that only
    // the second flip of the next one comes to.
    let start = || (Srcu::new(), Published::default());
    let read = |srcu: &Srcu, it: &Published, cpu: &Cpu<'_>| {
        let _section = srcu.read_lock(cpu);
        it.look(it.current.read_acquire());
    };
    holds(
        3,
        start,
        |(srcu, it), cpu, task| match task {
            0 => read(srcu, it, cpu),
            1 => srcu.synchronize_srcu(cpu),
            _ => it.retire(|| srcu.synchronize_srcu(cpu)),
        },
        |_| {},
    );
}

#[test]
fn waiting_inside_ones_own_section_is_warned_about() {
    let machine = Machine::new(1);
    let cpu = set_up(0, &machine);
    let section = cpu.access_begin();
    assert!(!sync_access(&cpu).0 && !sync_irq(&cpu).0);
    drop(section);
    assert_eq!(codes(&machine), [code::WAIT_INSIDE_SECTION]);
}
