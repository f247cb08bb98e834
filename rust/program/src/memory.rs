//! What a machine's memory and TLBs may do besides what they are told: part of what a claim holds for.

use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

use crate::by_name::{serialized_by, shown_by};
use crate::nearest::hint;

/// The memory model of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Memory {
    /// Sequentially consistent: a store is seen by everybody as soon as it is made.
    #[default]
    Sc,
    /// x86-TSO: each CPU has a store buffer, so a store may be seen late, in order.
    Tso,
}

impl Memory {
    /// Every kind of memory, the strongest first.
    pub const ALL: &'static [Memory] = &[Memory::Sc, Memory::Tso];

    /// The word of the command line, `"tso"`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Memory::Sc => "sc",
            Memory::Tso => "tso",
        }
    }

    /// In words, as verdicts say it.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Memory::Sc => "sequentially consistent",
            Memory::Tso => "x86-TSO",
        }
    }
}

shown_by!(name: Memory);
serialized_by!(name: Memory);

/// No memory model has this name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "no memory is called \"{name}\"{hint}; there are sc, sequentially consistent, and tso, as on x86"
)]
pub struct MemoryError {
    name: String,
    hint: String,
}

impl FromStr for Memory {
    type Err = MemoryError;

    fn from_str(name: &str) -> Result<Self, MemoryError> {
        Memory::ALL.iter().copied().find(|memory| memory.name() == name).ok_or_else(|| {
            let hint = hint(name, Memory::ALL.iter().map(|memory| memory.name()));
            MemoryError { name: name.to_owned(), hint }
        })
    }
}

/// When a TLB loads a translation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlbRefill {
    /// When an access misses.
    #[default]
    OnAccess,
    /// At any moment, too: a CPU may walk the tables of the process it runs ahead of any access.
    Speculative,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_is_found_by_its_name_and_nothing_else_is() {
        for memory in Memory::ALL {
            assert_eq!(memory.name().parse(), Ok(*memory));
        }
        let wrong = "tsi".parse::<Memory>().expect_err("no such memory").to_string();
        assert!(wrong.contains("did you mean \"tso\"") && wrong.contains("sc"), "{wrong}");
    }
}
