//! Where a step is, in the kernel's words: the function, and what it is done to.
//!
//! A step carries its place in the sources. The build script (`build.rs`) has made tables from them: which
//! lines are which function, by the kernel's name where the function declares one (`PageRef::sub` has
//! `#[doc(alias = "folio_put_refs")]`), and what a method that is a step is called on (`mmap_lock`). A function that
//! the kernel has no name for is `#[track_caller]`: its steps are those of the function around it.

use core::panic::Location;

include!(concat!(env!("OUT_DIR"), "/names.rs"));

type Rows = &'static [(u32, u32, &'static str)];

/// The function around a place; none outside the sources that take steps.
#[must_use]
pub fn function(site: &Location<'_>) -> Option<&'static str> {
    let line = site.line();
    let around = |&&(first, last, _): &&(u32, u32, &str)| first <= line && line <= last;
    // Of nested ones the innermost, which begins last.
    rows(FUNCTIONS, site.file())?.iter().rev().find(around).map(|row| row.2)
}

/// Every function that takes steps, or could, by the name it goes by.
pub fn functions() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().flat_map(|file| file.1).map(|row| row.2)
}

/// Every kernel name that a function declares.
#[must_use]
pub fn kernel_names() -> &'static [&'static str] {
    KERNEL_NAMES
}

/// What the method called at a place is called on: a field's name, or a lock's.
#[must_use]
pub fn receiver(site: &Location<'_>) -> Option<&'static str> {
    let here = (site.line(), site.column());
    rows(RECEIVERS, site.file())?.iter().find(|row| (row.0, row.1) == here).map(|row| row.2)
}

/// The rows of a file. How much of a path precedes the crate's directory depends on where it was built.
fn rows(table: &[(&str, Rows)], file: &str) -> Option<Rows> {
    let file = file.replace('\\', "/");
    let is = |key: &str| {
        file.strip_suffix(key).is_some_and(|before| before.is_empty() || before.ends_with('/'))
    };
    table.iter().find(|(key, _)| is(key)).map(|row| row.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_here_is_in_its_function() {
        let here = Location::caller();
        assert_eq!(function(here), Some("a_place_here_is_in_its_function"));
    }

    #[test]
    fn a_function_goes_by_the_kernel_name_that_it_declares_or_has() {
        let all: Vec<&str> = functions().collect();
        for name in ["folio_put_refs", "folio_ref_try_add", "srcu_read_unlock"] {
            assert!(all.contains(&name) && kernel_names().contains(&name), "{name}");
        }
        assert!(all.contains(&"free_zone_device_folio"), "its own name is the kernel's");
    }

    #[test]
    fn locks_are_called_by_their_class() {
        let all: Vec<&str> = RECEIVERS.iter().flat_map(|file| file.1).map(|row| row.2).collect();
        let outer = ["mmap_lock", "i_mmap_rwsem", "i_rwsem", "invalidate_lock", "page table lock"];
        for name in outer.into_iter().chain(["slab", "call_rcu", "srcu_gp_mutex"]) {
            assert!(all.contains(&name), "{name}");
        }
        assert!(!all.contains(&"layout"));
        // Of two locks over a `Ring`, that of pipes and that of deferred work.
        let of = |file: &str| {
            let rows = RECEIVERS.iter().find(|rows| rows.0.ends_with(file)).map(|rows| rows.1);
            rows.unwrap_or_default().iter().map(|row| row.2).collect::<Vec<_>>()
        };
        assert!(of("world/pipes.rs").contains(&"pipe"));
        assert!(!of("world/pipes.rs").contains(&"call_rcu"));
    }
}
