//! The count word of a folio.

use pgmap_mm::refcount::{Count, Dropped, LIMIT, PageRef, Refused, SATURATED};
use prim::{Arena, Strength, Table};

/// One count, in memory of its own.
fn word(count: i32) -> Table<PageRef> {
    let arena = Arena::new(1 << 12).expect("address space");
    let word = arena.table::<PageRef>("refcount", 1).expect("room");
    word[0].set(count);
    word
}

#[test]
fn a_free_page_refuses_a_speculative_get() {
    let word = word(0);
    let page = &word[0];
    assert_eq!(page.try_add(1), Err(Refused::Zero));
    assert_eq!(page.count().get(), 0);
}

#[test]
fn a_nearly_full_count_refuses_and_says_so() {
    let word = word(LIMIT + 1);
    let page = &word[0];
    assert_eq!(page.try_add(1), Err(Refused::Saturated(LIMIT + 1)));
}

#[test]
fn an_underflow_parks_the_count_and_is_reported_once_more_by_each_later_use() {
    let word = word(1);
    let page = &word[0];
    assert_eq!(page.sub(Strength::KEPT, 2, || {}), Dropped::Underflow(-1));
    assert_eq!(page.count().get(), SATURATED);
    assert_eq!(page.try_add(1), Err(Refused::Saturated(SATURATED)));
    assert!(matches!(page.sub(Strength::KEPT, 1, || {}), Dropped::Underflow(_)));
}

#[test]
fn freezing_needs_the_exact_count_and_unfreezing_a_frozen_one() {
    let word = word(3);
    let page = &word[0];
    assert!(!page.freeze(2));
    assert!(page.freeze(3));
    assert_eq!(page.try_add(1), Err(Refused::Zero));
    assert!(!page.unfreeze(Strength::KEPT, 0));
    assert!(page.unfreeze(Strength::KEPT, 1));
    assert!(!page.unfreeze(Strength::KEPT, 1));
    assert_eq!(page.sub(Strength::KEPT, 1, || {}), Dropped::Zero);
}

#[test]
fn a_count_says_what_its_number_means() {
    // Idle, held, full, taken below zero.
    for (number, says) in [
        (SATURATED, [false, false, false, true]),
        (-1, [false, false, false, true]),
        (0, [true, false, false, false]),
        (1, [false, true, false, false]),
        (LIMIT, [false, true, false, false]),
        (LIMIT + 1, [false, true, true, false]),
    ] {
        let count = word(number)[0].count();
        let found = [count.is_idle(), count.is_held(), count.is_full(), count.is_underflown()];
        assert_eq!((found, count.get()), (says, number));
    }
    assert_eq!(word(0)[0].count(), Count::IDLE);
}

#[test]
fn a_page_is_busy_while_others_hold_it_than_those_who_are_known() {
    for (count, mappings, busy) in [(0, 0, false), (2, 2, false), (3, 2, true), (2, 3, true)] {
        assert_eq!(word(count)[0].count().is_busy(mappings), busy, "{count}, {mappings} known");
    }
}
