//! A table as an array: what follows from its length and its entries.

use core::{fmt, ops::Index};

use crate::{Table, ZeroInit};

impl<T: ZeroInit> Table<T> {
    #[must_use]
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.as_slice().iter()
    }
}

impl<T: ZeroInit> Index<usize> for Table<T> {
    type Output = T;

    #[inline(always)]
    fn index(&self, index: usize) -> &T {
        match self.get(index) {
            Some(entry) => entry,
            None => out_of_bounds(index, self.len()),
        }
    }
}

#[cold]
#[inline(never)]
fn out_of_bounds(index: usize, len: usize) -> ! {
    panic!("index {index} of a table of {len}")
}

impl<T: ZeroInit> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table<{}>[{}]", core::any::type_name::<T>(), self.len())
    }
}
