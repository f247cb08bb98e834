//! What one worker can do in one step. Words and order of arguments are the recorder's, so that one
//! program runs on the model and on a kernel.
//!
//! Every operation is one row of the table in `table`: its word, who does it, its arguments in the order of
//! the text, what it returns. Whatever else is known of it follows: the type that carries it, the enum [`Op`],
//! how it is read and printed, what a shrinker may change, the words of a hunt, and the language reference.
//!
//! An [`Op`] is resolved: files are numbers of the program, every count was checked. It says what is
//! asked for, never what happens: a munmap of nothing is a valid operation with an errno for a result.
//!
//! | file | one idea |
//! |---|---|
//! | `table` | the rows |
//! | `define` | what a row becomes |
//! | `forms` | how each kind of argument is read, printed and counted |
//! | `describe` | the table as data |
//! | `words` | words that stand for one of a few values |
//! | `contention` | how likely each word of hunts is |

mod contention;
mod define;
mod describe;
mod forms;
mod table;
mod words;

use std::fmt;

use serde::Serialize;

pub use contention::{Part, Weights, weight};
pub use define::*;
pub use describe::{
    Argument, By, Handle, Hunted, Kind, Operation, Returns, Role, Said, call_name, call_number,
};
pub use forms::Number;
pub(crate) use forms::{Names, Use};
pub use words::{
    Access, Advice, Align, AnonKind, DeviceMemory, FileState, Layout, Longterm, OpenMode, Prot,
    Sharing,
};

macro_rules! numbers {
    ($($(#[$doc:meta])+ $name:ident($inner:ty) $prefix:literal;)+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// As an index into an array.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    )+};
}

numbers! {
    /// A worker: one process with its own mm, fds, mappings, pipes and pins. Printed `w0`.
    WorkerId(u8) "w";
    /// A file of the program, by its place in [`Program::files`](crate::Program::files).
    FileIdx(u16) "";
    /// A driver of the program, by its place in [`Program::drivers`](crate::Program::drivers).
    DriverIdx(u8) "";
    /// A file descriptor, chosen by the program.
    FdNo(u8) "";
    /// A mapping, chosen by the program.
    MapNo(u8) "";
    /// A pipe, chosen by the program.
    PipeNo(u8) "";
    /// A pin or get: the n-th `pin` or `get` step of its worker.
    PinNo(u16) "";
    /// A mounted file system, by its place in [`Program::mounts`](crate::Program::mounts).
    FsIdx(u8) "";
}

/// A file, where the recorder expects a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileRef {
    /// A descriptor the worker opened.
    Fd(FdNo),
    /// The file itself, opened for this step.
    File(FileIdx),
}

/// What `open` opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A file of the program.
    File(FileIdx),
    /// The slow block device that direct I/O goes to (`/dev/nullb0`).
    SlowBlock,
    /// The mirror device (`/dev/hmm_dmirror0`), whose driver stays loaded as long as somebody has it open.
    Mirror,
}

/// A run of pages, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct PageRange {
    /// First page.
    pub page: u32,
    /// How many.
    pub pages: u32,
}

impl From<Get> for Pin {
    /// What is asked for in the words of the other call: to read, and for a short time.
    fn from(Get { map, page, pages }: Get) -> Pin {
        Pin { map, page, pages, longterm: Longterm::Short, access: Access::Read }
    }
}

/// Where `open` finds the recorder's slow block device.
pub const SLOW_BLOCK: &str = "/dev/nullb0";
/// Where `open` finds the mirror device.
pub const MIRROR: &str = "/dev/hmm_dmirror0";

/// Workers are numbered below this.
pub const WORKERS_MAX: u8 = 64;
/// Descriptors, mappings and pipes are numbered below this.
pub const HANDLES_MAX: u8 = 64;
/// The kernel numbers the descriptors of a process below this.
pub const FD_NUMBERS: u16 = 256;
/// References of a program's own are numbered below this.
pub const REFS: u8 = 4;
/// Page numbers and counts stay at or below this.
pub const PAGE_MAX: u32 = 1 << 28;
