//! A world's memory: tables of objects that are made when the table is.
//!
//! An arena here is a name only. It bounds nothing, fails never and is not restored: each execution makes
//! its own.

use core::ops::Range;
use std::sync::Arc;

use crate::{NoMemory, ZeroInit};

/// Where tables come from.
#[derive(Debug)]
pub struct Arena(());

impl Arena {
    /// An arena; how much it could hold is not asked.
    ///
    /// # Errors
    /// None here.
    pub fn new(_reserve_bytes: usize) -> Result<Self, NoMemory> {
        Ok(Self(()))
    }

    /// Makes `len` zeroed entries.
    ///
    /// # Errors
    /// None here.
    pub fn table<T: ZeroInit>(&self, name: &'static str, len: usize) -> Result<Table<T>, NoMemory> {
        self.part(name, "", len)
    }

    pub(crate) fn part<T: ZeroInit>(
        &self,
        _name: &'static str,
        _part: &'static str,
        len: usize,
    ) -> Result<Table<T>, NoMemory> {
        Ok(Table { entries: (0..len).map(|_| T::zeroed()).collect() })
    }

    pub(crate) fn faults_of<T: ZeroInit>(_table: &Table<T>) -> NoFaults {
        NoFaults
    }
}

/// Allocations do not fail by injection.
pub(crate) struct NoFaults;

impl NoFaults {
    pub(crate) fn strike(&self) -> bool {
        false
    }
}

/// A fixed array. Clones name the same entries.
pub struct Table<T: ZeroInit> {
    entries: Arc<[T]>,
}

impl<T: ZeroInit> Table<T> {
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn get(&self, index: usize) -> Option<&T> {
        self.entries.get(index)
    }

    /// Where in the table an entry of it is; the inverse of indexing.
    #[must_use]
    pub fn index_of(&self, entry: &T) -> usize {
        let distance = core::ptr::from_ref(entry).addr().wrapping_sub(self.entries.as_ptr().addr());
        distance / size_of::<T>()
    }

    /// All entries.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.entries
    }

    /// Makes the entries of `range` new again: a relaxed store to every word.
    ///
    /// # Panics
    /// If the range is not inside the table.
    pub fn zero(&self, range: Range<usize>) {
        self.entries[range].iter().for_each(T::wipe);
    }
}

impl<T: ZeroInit> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self { entries: Arc::clone(&self.entries) }
    }
}
