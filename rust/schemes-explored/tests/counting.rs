//! What a get and a put ask of the machine is what docs/refcounts.md says, to the last access, and a change shows.

use pgmap_schemes_explored::counting::{self, CPUS, Counted, Traffic, Turn, count};
use pgmap_schemes_explored::kinds::word::{OneWord, Word};
use pgmap_schemes_explored::kinds::{cas::Cas, frozen::Frozen, frozen_read::FrozenRead};
use pgmap_schemes_explored::scheme::Put;
use prim::AtomicI32;

const DOCS: &str = include_str!("../../../docs/refcounts.md");

/// So much of so many, as a number of each.
fn each(total: u64, of: usize) -> String {
    let quotient = format!("{:.2}", total as f64 / of as f64);
    quotient.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A scheme's line of the table.
fn line(counted: &Counted) -> String {
    let Counted { name, group, alone, shared } = counted;
    let Traffic { locked, loads, stores, .. } = alone;
    let hand_offs = shared.map_or_else(
        || "| | |".to_owned(),
        |shared| {
            let [pairs, operations] = [shared.pairs, shared.operations];
            let locked = each(operations.locked, CPUS);
            let [pairs, operations] = [pairs, operations].map(|it| each(it.hand_offs, CPUS));
            format!("{locked} | {pairs} | {operations} |")
        },
    );
    format!("| {}: {name} | {locked} | {loads} | {stores} | {hand_offs}", group.name())
}

#[test]
fn every_scheme_asks_of_the_machine_what_the_docs_say() {
    let counted = counting::all().expect("every scheme can be counted");
    assert!(counted.len() > 15);
    let missing: Vec<_> =
        counted.iter().map(line).filter(|line| !DOCS.lines().any(|told| told == line)).collect();
    assert!(missing.is_empty(), "docs/refcounts.md does not have:\n{}", missing.join("\n"));
}

#[test]
fn a_look_before_the_locked_instruction_asks_for_the_line_twice() {
    let by_pairs = |traffic: Result<Traffic, _>| traffic.expect("a count").hand_offs;
    let [look, none] = [count::<FrozenRead>(2, Turn::Pair), count::<Frozen>(2, Turn::Pair)];
    assert_eq!((by_pairs(look), by_pairs(none)), (2 * 2, 2));
}

#[test]
fn how_many_take_turns_does_not_change_what_each_asks_for() {
    for turn in [Turn::Pair, Turn::Operation] {
        let each = |cpus: usize| count::<Cas>(cpus, turn).expect("a count").hand_offs / cpus as u64;
        assert_eq!(each(2), each(CPUS));
        assert_eq!(each(2), each(8));
    }
}

/// [`Cas`], but its put looks for the last reference before it subtracts.
enum LooksBeforePut {}

impl Word for LooksBeforePut {
    const NAME: &'static str = "a planted change";

    fn put(count: &AtomicI32) -> Put {
        if count.read() == 1 {
            return Put::Zero;
        }
        count.dec();
        Put::Live
    }
}

#[test]
fn one_look_more_is_seen() {
    let of = |turn| {
        let counts = [count::<Cas>(CPUS, turn), count::<OneWord<LooksBeforePut>>(CPUS, turn)];
        counts.map(|traffic| traffic.expect("a count"))
    };
    let [was, is] = of(Turn::Pair);
    // The line is there already.
    assert_eq!((is.loads - was.loads, is.hand_offs), (CPUS as u64, was.hand_offs));
    let [was, is] = of(Turn::Operation);
    assert_eq!(is.hand_offs - was.hand_offs, CPUS as u64);
}

#[test]
fn rounds_that_differ_are_no_count() {
    /// Every get adds a look more than the one before it.
    enum Grows {}
    impl Word for Grows {
        const NAME: &'static str = "grows";
        fn try_get(count: &AtomicI32) -> bool {
            let held = count.add_return(2);
            (0..held).all(|_| count.read() > 0)
        }
    }
    let why = count::<OneWord<Grows>>(1, Turn::Pair).expect_err("no two rounds are alike");
    assert!(why.0.starts_with("grows: [Traffic"), "{}", why.0);
}
