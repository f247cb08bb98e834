//! The lifetime protocol of ZONE_DEVICE pages, written once.
//!
//! Rooms, in import order (a lower room never imports an upper one):
//!
//! ```text
//! region          names of tables in the arena
//! tally, warn     what the machine counts and complains about
//! lock_order      which lock is taken under which
//! refcount        the count word of a folio
//! percpu_ref      lib/percpu-refcount.c
//! page            struct page, memmap, folio, compound pages
//! pagemap         mm/memremap.c: dev_pagemap, allocation, the free path
//! driver          drivers that a program declares, as data
//! devmem          a driver with memory of its own: free pool, folio_free
//! vm              page tables, TLB, mmu_gather, rmap, zap, faults, GUP
//! dax             fs/dax.c and the part of a filesystem that matters here
//! world           one emulated machine: processes, system calls, oracles
//! ```
//!
//! Everything shared goes through `prim`, the only door to atomics, locks, waiting, RCU and per-CPU
//! data. All state lives in the world's arena; a world is put back by restoring bytes.
#![no_std]
#![forbid(unsafe_code)]
// What is added to an enum, such as a kind of page-table entry, must not fall into a `_`.
#![warn(clippy::wildcard_enum_match_arm)]

extern crate alloc;

pub mod dax;
pub mod devmem;
pub mod driver;
pub mod lock_order;
pub mod page;
pub mod pagemap;
pub mod percpu_ref;
pub mod refcount;
pub mod region;
pub mod tally;
pub mod vm;
pub mod warn;
pub mod world;

// Four to a pair of cache lines, wherever an atomic is no larger than its integer.
const _: () = assert!(size_of::<page::Page>() == 32);
