//! The count word of a folio.

use pgmap_mm::refcount::{Dropped, LIMIT, PageRef, Refused, SATURATED};
use prim::{Arena, Strength, Table};

/// One count, in memory of its own.
fn word(count: i32) -> Table<PageRef> {
    let arena = Arena::new(1 << 12).expect("address space");
    let word = arena.table::<PageRef>(1).expect("room");
    word[0].set(count);
    word
}

#[test]
fn a_free_page_refuses_a_speculative_get() {
    let word = word(0);
    let page = &word[0];
    assert_eq!(page.try_add(1), Err(Refused::Zero));
    assert_eq!(page.count(), 0);
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
    assert_eq!(page.count(), SATURATED);
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
