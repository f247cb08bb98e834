//! The classical shapes: which orders x86-TSO allows and which it forbids.

use pgmap_prim_explored::{by_hardware, smp_mb};

use crate::fixture::Memory::{Sc, Tso};
use crate::fixture::{Body, SB, Shared, both_miss, can, results};

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
        {
            let _device = by_hardware();
            shared.x().set(1);
        }
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
fn a_locked_access_of_hardware_leaves_waiting_what_its_cpu_stored() {
    let aside: Body<'_> = &|shared, cpu| {
        shared.x().set(1);
        {
            let _device = by_hardware();
            shared.words[2].xchg(1);
            drop(shared.lock[0].lock(cpu));
        }
        shared.report(0, shared.y().read());
    };
    let mb_too: Body<'_> = &|shared, _| {
        shared.y().set(1);
        smp_mb();
        shared.report(1, shared.x().read());
    };
    assert!(can(Tso, None, &[aside, mb_too], both_miss));
    assert!(!can(Sc, None, &[aside, mb_too], both_miss));
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
