//! What a reference on the pagemap costs GUP, by how often one is taken: `python -m pgmap.bench pgmap`.
//!
//! Two threads get and put pages of their own, whose counts are words as today's, and share a pagemap, whose count is a
//! scheme's. The policies differ in how many page references come to one pagemap reference:
//!
//! | policy | one pagemap reference for | when it was the kernel's |
//! |---|---|---|
//! | none | no page reference: a mapped page keeps its pagemap | GUP's fast path as proposed in 2022 |
//! | per GUP | each | 2016, `get_dev_pagemap` in each GUP |
//! | per range | each range: up to 512, as many as one GUP takes | 2016, with the last pagemap cached |
//! | per 0 to 1 | each life of a page: as many as GUPs in it; the last put pays | 2025, FS DAX counts from 0 |
//! | per mapping | the same; the unmap pays | 2025, device DAX |
//!
//! So one row for each number serves all of them, against the page references alone. The last two take equally many, and
//! differ in who is slowed down: `put_page`, or an unmap, which is heavy anyway.

use std::borrow::Cow;

use pgmap_schemes::kinds::{
    add::Add, cas::Cas, closed::Closed, one_writer::OneWriter, percpu::Percpu,
};
use pgmap_schemes::scheme::Scheme;

use crate::bench::contest::{Contest, Pairs};
use crate::bench::load::Objects;
use crate::bench::refcounts::{null, row};
use crate::bench::workload::{BuildError, Row};

/// Pages lie so far apart that no two threads' counts share a line.
const APART: usize = 64;
const THREADS: usize = 2;
const ALONE: &str = "page references alone";

/// Pages of two threads, got and put by turns.
struct Pages(Objects<Cas>);

impl Pages {
    fn new() -> Result<Self, BuildError> {
        Objects::new(THREADS * APART).map(Self)
    }

    fn boxed() -> Result<Box<dyn Pairs>, BuildError> {
        Ok(Box::new(Self::new()?))
    }
}

impl Pairs for Pages {
    #[inline(never)]
    fn run(&self, thread: usize, pairs: u64) {
        let cpu = &self.0.cpu(thread);
        for _ in 0..pairs {
            self.0.get(cpu, thread * APART);
            let _ = self.0.put(cpu, thread * APART, ());
        }
    }
}

/// The same, and a reference on a pagemap around so many pairs.
struct Held<S: Scheme, const FOR: u64> {
    pages: Pages,
    pagemap: Objects<S>,
}

impl<S: Scheme, const FOR: u64> Pairs for Held<S, FOR> {
    #[inline(never)]
    fn run(&self, thread: usize, pairs: u64) {
        let (pages, pagemap) = (&self.pages.0.cpu(thread), &self.pagemap.cpu(thread));
        let mut left = pairs;
        while left > 0 {
            let held = self.pagemap.get(pagemap, 0);
            for _ in 0..left.min(FOR) {
                self.pages.0.get(pages, thread * APART);
                let _ = self.pages.0.put(pages, thread * APART, ());
            }
            let _ = self.pagemap.put(pagemap, 0, held);
            left = left.saturating_sub(FOR);
        }
    }
}

fn one<S: Scheme, const FOR: u64>() -> Row {
    let name: Cow<'static, str> = format!("{}, one for {FOR}", S::NAME).into();
    row(name, ALONE, || {
        let held = || -> Result<Box<dyn Pairs>, BuildError> {
            Ok(Box::new(Held::<S, FOR> { pages: Pages::new()?, pagemap: Objects::new(1)? }))
        };
        Contest::on_one_object(&held, &Pages::boxed, THREADS)
    })
}

fn each<S: Scheme>() -> [Row; 4] {
    [one::<S, 1>(), one::<S, 8>(), one::<S, 64>(), one::<S, 512>()]
}

/// Page references alone against themselves.
pub(super) fn controls() -> Vec<Row> {
    vec![null(ALONE, || Contest::on_one_object(&Pages::boxed, &Pages::boxed, THREADS))]
}

/// Every policy with every way to count that a pagemap's reference was or could be.
pub(super) fn policies() -> Vec<Row> {
    [each::<Add>(), each::<Closed>(), each::<Percpu>(), each::<OneWriter>()].concat()
}
