//! A driver of a program's own: two short lists of primitives, which run as data.
//!
//! `alloc` takes a page from the driver's free list and makes it somebody's; `page_free` is what
//! `dev_pagemap_ops::page_free` is: the last reference is gone, and the page is the driver's again. A primitive is
//! one thing that such a function does to what is shared. What a list may not be is told when it is read
//! ([`parse`](crate::parse)): that nobody could mean. What may be wrong and is not refused, a pop without its lock for
//! one, is what one looks for.
//!
//! The primitives are one table. A row says, in the order of the text: the word, what stands in its brackets, and in
//! which lists it may stand; its comment is the sentence of the language reference.

use std::fmt;

use serde::Serialize;

/// Drivers of one program.
pub const DRIVERS_MAX: usize = 4;
/// Pages of one driver.
pub const DRIVER_PAGES_MAX: u32 = 64;
/// Primitives in one list.
pub const PRIMITIVES_MAX: usize = 16;
/// Named locks of one driver, and named cells.
pub const NAMES_MAX: usize = 4;

/// What stands in a primitive's brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Takes {
    /// Nothing: there are none.
    Nothing,
    /// A lock by its name.
    Lock,
    /// A cell by its name.
    Cell,
    /// A cell by its name, and a value.
    CellAndValue,
    /// A value.
    Value,
}

/// In which lists a primitive may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stands {
    /// In both.
    Anywhere,
    /// In both; in `alloc` behind `pop`, for before that there is no page.
    WithPage,
    /// In `alloc`, once.
    OnceInAlloc,
    /// In `page_free`.
    InPageFree,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PrimitiveInfo {
    /// How it is called.
    pub word: &'static str,
    /// What stands in its brackets.
    pub takes: Takes,
    /// In which lists.
    pub stands: Stands,
    /// What it does.
    pub sentence: &'static str,
}

macro_rules! primitives {
    ($($(#[doc = $sentence:literal])+ $name:ident $word:literal $takes:ident $stands:ident;)+) => {
        /// What a primitive does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Does {
            $($(#[doc = $sentence])+ $name,)+
        }

        impl Does {
            /// Everything that there is.
            pub const ALL: &'static [Does] = &[$(Does::$name),+];

            /// Its row.
            #[must_use]
            pub const fn info(self) -> PrimitiveInfo {
                match self {
                    $(Does::$name => PrimitiveInfo {
                        word: $word,
                        takes: Takes::$takes,
                        stands: Stands::$stands,
                        sentence: concat!($($sentence),+).trim_ascii_start(),
                    },)+
                }
            }
        }
    };
}

primitives! {
    /// Takes a spin lock of the driver.
    Lock "lock" Lock Anywhere;
    /// Lets go of it.
    Unlock "unlock" Lock Anywhere;
    /// Takes the first page off the free list: reads the head, reads the page's link, stores that as the head.
    /// Where the list is empty `alloc` ends in ENOMEM, without the locks and references it took.
    Pop "pop" Nothing OnceInAlloc;
    /// Puts the page in front of the free list: reads the head, stores it as the page's link, stores the page as the
    /// head.
    Push "push" Nothing InPageFree;
    /// Makes the page a fresh one: no order, no mapping, no word of the driver's, its pagemap (zone_device_page_init).
    InitPage "init_page" Nothing WithPage;
    /// Stores the page's count (set_page_count). In `alloc` these are the references of the caller.
    SetCount "set_count" Value WithPage;
    /// Takes the page's reference on the pagemap (percpu_ref_tryget_live). Where the pagemap is going away `alloc`
    /// ends in ENODEV. The free path puts the reference, behind `page_free`.
    PagemapGet "pagemap_get" Nothing Anywhere;
    /// Puts a reference on the pagemap.
    PagemapPut "pagemap_put" Nothing Anywhere;
    /// Reads a cell of the driver; in `alloc` that is what it returns, instead of the page.
    Load "load" Cell Anywhere;
    /// Stores a value in a cell.
    Store "store" CellAndValue Anywhere;
    /// Adds a value to a cell as `cell += value` does: reads it, then stores the sum.
    Add "add" CellAndValue Anywhere;
}

impl Does {
    /// The primitive of this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Does> {
        Does::ALL.iter().copied().find(|does| does.info().word == word)
    }
}

/// One primitive of a list. A lock or cell is the place of its name among the driver's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Primitive {
    /// What it does.
    pub does: Does,
    /// The lock or cell, if it takes one.
    pub slot: u8,
    /// The value, if it takes one.
    pub value: u16,
}

impl Primitive {
    /// As one word, for a machine that keeps drivers in its memory; never 0.
    #[must_use]
    pub const fn to_word(self) -> u32 {
        (self.does as u32 + 1) | (self.slot as u32) << 8 | (self.value as u32) << 16
    }

    /// What a word stands for; 0 stands for none.
    #[must_use]
    pub fn from_word(word: u32) -> Option<Primitive> {
        let [does, slot, low, high] = word.to_le_bytes();
        let does = *Does::ALL.get(usize::from(does).checked_sub(1)?)?;
        Some(Primitive { does, slot, value: u16::from_le_bytes([low, high]) })
    }
}

/// Which of a driver's two functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// Hands out a page.
    Alloc,
    /// Takes a page back.
    PageFree,
}

impl Function {
    /// Both, in the order of the text.
    pub const ALL: [Function; 2] = [Function::Alloc, Function::PageFree];

    /// How it is called.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Function::Alloc => "alloc",
            Function::PageFree => "page_free",
        }
    }
}

/// A driver that a program declares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DriverSpec {
    /// Its name, unique among the program's drivers.
    pub name: String,
    /// How many pages it has, all free.
    pub pages: u32,
    /// Its locks, as they are first named.
    pub locks: Vec<String>,
    /// Its cells, likewise.
    pub cells: Vec<String>,
    /// What `alloc` does.
    pub alloc: Vec<Primitive>,
    /// What `page_free` does.
    pub page_free: Vec<Primitive>,
}

impl DriverSpec {
    /// What a function of it does.
    #[must_use]
    pub fn list(&self, function: Function) -> &[Primitive] {
        match function {
            Function::Alloc => &self.alloc,
            Function::PageFree => &self.page_free,
        }
    }

    /// A primitive as text: `lock(free)`.
    #[must_use]
    pub fn primitive_text(&self, primitive: Primitive) -> String {
        let PrimitiveInfo { word, takes, .. } = primitive.does.info();
        let named = |names: &[String]| {
            names.get(usize::from(primitive.slot)).map_or("?", String::as_str).to_owned()
        };
        match takes {
            Takes::Nothing => word.to_owned(),
            Takes::Lock => format!("{word}({})", named(&self.locks)),
            Takes::Cell => format!("{word}({})", named(&self.cells)),
            Takes::CellAndValue => format!("{word}({},{})", named(&self.cells), primitive.value),
            Takes::Value => format!("{word}({})", primitive.value),
        }
    }
}

/// As it stands in a program: one line.
impl fmt::Display for DriverSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "driver {} {}", self.name, self.pages)?;
        for function in Function::ALL {
            write!(f, " {}", function.word())?;
            for primitive in self.list(function) {
                write!(f, " {}", self.primitive_text(*primitive))?;
            }
        }
        Ok(())
    }
}

/// As data it is its line.
impl Serialize for DriverSpec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_primitive_is_a_word_and_zero_is_none() {
        for does in Does::ALL {
            let primitive = Primitive { does: *does, slot: 3, value: 0xbeef };
            assert_eq!(Primitive::from_word(primitive.to_word()), Some(primitive));
        }
        assert_eq!(Primitive::from_word(0), None);
        assert_eq!(Primitive::from_word(0xff), None);
    }

    #[test]
    fn a_word_names_one_primitive() {
        for does in Does::ALL {
            assert_eq!(Does::named(does.info().word), Some(*does));
        }
        assert_eq!(Does::named("spin_lock"), None);
    }
}
