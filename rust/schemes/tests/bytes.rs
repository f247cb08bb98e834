//! What a scheme says that it needs is what it takes of an arena, and docs/refcounts.md says the same.

use pgmap_schemes::kinds::{self, Visit};
use pgmap_schemes::scheme::Scheme;
use prim::Arena;

const DOCS: &str = include_str!("../../../docs/refcounts.md");
/// An arena is made of whole blocks.
const BLOCK: usize = 4096;
/// Tables begin on lines of their own; no scheme has more than four.
const BETWEEN: usize = 4 * 128;
/// Counts of CPUs of the table.
const CPUS: [usize; 3] = [2, 64, 512];
/// A tebibyte of pages would be 2^28; so many say what one page costs just as well.
const PAGES: usize = 1 << 20;

#[test]
fn a_scheme_takes_as_much_as_it_says_and_no_less_will_do() {
    struct Fits(u32);
    impl Visit for Fits {
        fn visit<S: Scheme>(&mut self) {
            for (cpus, objects) in [(1, 1), (2, 1), (64, 1), (512, 1), (2, 4096), (64, 512)] {
                let bytes = S::bytes(cpus, objects);
                let fits = |bytes: usize| {
                    let arena = Arena::new(bytes).expect("address space");
                    S::new(&arena, cpus, objects).is_ok()
                };
                assert!(fits(bytes + BETWEEN), "{}: {cpus} CPUs, {objects} objects", S::NAME);
                let less = bytes.saturating_sub(BLOCK);
                assert!(less == 0 || !fits(less), "{}: {cpus} CPUs, {objects} objects", S::NAME);
                self.0 += 1;
            }
        }
    }
    let mut fits = Fits(0);
    kinds::each(&mut fits);
    assert!(fits.0 > 90);
}

/// Bytes, or so many KiB.
fn told(bytes: usize) -> String {
    if bytes < 10_000 { bytes.to_string() } else { format!("{} KiB", bytes / 1024) }
}

#[test]
fn the_docs_say_what_a_page_and_a_pagemap_take() {
    struct Missing(Vec<String>);
    impl Visit for Missing {
        fn visit<S: Scheme>(&mut self) {
            let page = CPUS.map(|cpus| told(S::bytes(cpus, PAGES) / PAGES));
            let pagemap = CPUS.map(|cpus| told(S::bytes(cpus, 1)));
            let line = format!("| {} | {} | {} |", S::NAME, page.join(" | "), pagemap.join(" | "));
            if !DOCS.lines().any(|told| told == line) {
                self.0.push(line);
            }
        }
    }
    let mut missing = Missing(Vec::new());
    kinds::each(&mut missing);
    assert!(missing.0.is_empty(), "docs/refcounts.md does not have:\n{}", missing.0.join("\n"));
}
