//! File names of a world. The machine's directory numbers its files; here the numbers get names.
//!
//! A number is given to another name only when no call uses it and no file is behind it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pgmap_program::op::FileIdx;

/// Names the machine's directory holds.
const NAMES: usize = pgmap_program::geometry::FILES_MAX as usize;

#[derive(Debug)]
struct Name {
    text: String,
    /// Calls that resolved it and have not returned.
    uses: u32,
}

/// The names known so far; a name's place is its number.
#[derive(Debug, Default)]
pub(crate) struct Names {
    all: Mutex<Vec<Name>>,
}

/// A resolved name; its number stays its own until this is dropped.
#[derive(Debug)]
pub(crate) struct Resolved<'a> {
    names: &'a Names,
    pub(crate) index: FileIdx,
}

impl Names {
    fn lock(&self) -> MutexGuard<'_, Vec<Name>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a name that was given one.
    pub(crate) fn find(&self, text: &str) -> Option<Resolved<'_>> {
        let mut all = self.lock();
        let at = all.iter().position(|name| name.text == text)?;
        Some(self.used(&mut all, at))
    }

    /// The number of a name, a new one if it has none. None when all are taken; `is_free` tells whether
    /// a number has no file behind it.
    pub(crate) fn intern(
        &self,
        text: &str,
        is_free: impl Fn(FileIdx) -> bool,
    ) -> Option<Resolved<'_>> {
        let mut all = self.lock();
        let known = all.iter().position(|name| name.text == text);
        let at = known.or_else(|| {
            let new = Name { text: text.to_owned(), uses: 0 };
            if all.len() < NAMES {
                all.push(new);
                return Some(all.len() - 1);
            }
            let free = (0..all.len()).find(|at| all[*at].uses == 0 && is_free(FileIdx(*at as u16)));
            free.inspect(|at| all[*at] = new)
        })?;
        Some(self.used(&mut all, at))
    }

    /// Keeps every number as it is while the result lives.
    pub(crate) fn hold(&self) -> Vec<Resolved<'_>> {
        let mut all = self.lock();
        (0..all.len()).map(|at| self.used(&mut all, at)).collect()
    }

    /// Every name, by number.
    pub(crate) fn list(&self) -> Vec<String> {
        self.lock().iter().map(|name| name.text.clone()).collect()
    }

    fn used(&self, all: &mut [Name], at: usize) -> Resolved<'_> {
        all[at].uses += 1;
        Resolved { names: self, index: FileIdx(at as u16) }
    }
}

impl Drop for Resolved<'_> {
    fn drop(&mut self) {
        self.names.lock()[self.index.index()].uses -= 1;
    }
}
