//! What one worker can do in one step. Words and order of arguments are the recorder's, so that one
//! program runs on the model and on a kernel.
//!
//! An [`Op`] is resolved: files are numbers of the program, every count was checked. It says what is
//! asked for, never what happens: a munmap of nothing is a valid operation with an errno for a result.

use std::fmt;

use serde::Serialize;

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

macro_rules! words {
    ($($(#[$doc:meta])+ $name:ident { $($(#[$vdoc:meta])+ $variant:ident $word:literal,)+ })+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])+ $variant,)+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The word in a program's text.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            /// The value this word stands for.
            #[must_use]
            pub fn from_word(word: &str) -> Option<$name> {
                Self::ALL.iter().copied().find(|v| v.word() == word)
            }
        }
    )+};
}

words! {
    /// How memory is touched or pinned.
    Access {
        /// Read it.
        Read "r",
        /// Write it.
        Write "w",
    }
    /// Protection of a mapping.
    Prot {
        /// PROT_READ.
        Read "r",
        /// PROT_READ | PROT_WRITE.
        ReadWrite "rw",
    }
    /// Whether stores reach the file.
    Sharing {
        /// MAP_SHARED.
        Shared "shared",
        /// MAP_PRIVATE.
        Private "private",
    }
    /// Where the kernel may put a mapping.
    Align {
        /// At an address that allows huge mappings.
        Natural "natural",
        /// Shifted by one page, so that huge mappings are impossible.
        Odd "odd",
    }
    /// What an open file allows, and by which path its I/O goes.
    OpenMode {
        /// O_RDONLY.
        Read "ro",
        /// O_RDWR.
        ReadWrite "rw",
        /// O_RDONLY | O_DIRECT.
        ReadDirect "ro,direct",
        /// O_RDWR | O_DIRECT.
        ReadWriteDirect "rw,direct",
    }
    /// Advice to madvise.
    Advice {
        /// MADV_DONTNEED.
        DontNeed "4",
        /// MADV_SOFT_OFFLINE.
        SoftOffline "101",
    }
    /// Whether a pin is kept for long (FOLL_LONGTERM).
    Longterm {
        /// For the length of an I/O.
        Short "short",
        /// As long as its owner likes.
        Long "longterm",
    }
    /// Whether the blocks of a file were written before the program starts.
    FileState {
        /// Blocks allocated and written.
        Written "written",
        /// Blocks allocated, never written: reads see the zero page.
        Unwritten "unwritten",
    }
    /// How a file lies on the device.
    Layout {
        /// In one piece, at no particular boundary: no huge mappings.
        Contiguous "contiguous",
        /// In one piece, from a PMD boundary of the device on.
        Huge "huge",
    }
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
}

/// One operation. `page` counts from the start of the mapping or file; every `pages` is at least 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case", tag = "op")]
#[allow(missing_docs)] // fields are the words of the table in the language reference
pub enum Op {
    // -- the environment: no worker does them --
    /// Look at the pages before anything happens.
    Baseline,
    /// Kill every worker.
    End,
    /// Let time pass: everything in flight completes.
    Sleep,
    /// What came before was set-up; engines that run workers at the same time do so from here on.
    Start,
    /// Look up where the file's blocks are now.
    Retrack,
    /// Wait for the asynchronous step of a worker, or of all.
    Wait {
        worker: Option<WorkerId>,
    },

    // -- processes --
    /// Do nothing.
    Nop,
    /// Start this worker.
    Spawn,
    /// Fork into another worker.
    Fork {
        child: WorkerId,
    },
    /// Leave.
    Exit,
    /// Die of SIGKILL.
    Kill,

    // -- files --
    Open {
        fd: FdNo,
        target: Target,
        mode: OpenMode,
    },
    Close {
        fd: FdNo,
    },
    Unlink {
        file: FileIdx,
    },
    Pread {
        file: FileRef,
        page: u32,
        pages: u32,
    },
    Pwrite {
        file: FileRef,
        page: u32,
        pages: u32,
    },
    Fsync {
        file: FileRef,
    },
    Ftruncate {
        file: FileRef,
        pages: u32,
    },
    Punch {
        file: FileRef,
        page: u32,
        pages: u32,
    },
    Zerorange {
        file: FileRef,
        page: u32,
        pages: u32,
    },

    // -- mappings --
    Mmap {
        map: MapNo,
        file: FileRef,
        offset: u32,
        pages: u32,
        prot: Prot,
        sharing: Sharing,
        align: Align,
    },
    /// All of the mapping, or `pages` pages of it from `page` on.
    Munmap {
        map: MapNo,
        range: Option<PageRange>,
    },
    /// Touch pages one after the other; contents do not matter.
    Touch {
        map: MapNo,
        access: Access,
        page: u32,
        pages: u32,
    },
    /// Read the data word of a page.
    Load {
        map: MapNo,
        page: u32,
    },
    /// Write the data word of a page.
    Store {
        map: MapNo,
        page: u32,
        value: u64,
    },
    Msync {
        map: MapNo,
    },
    Madvise {
        map: MapNo,
        advice: Advice,
        page: u32,
    },

    // -- references --
    Pipe {
        pipe: PipeNo,
    },
    Vmsplice {
        pipe: PipeNo,
        map: MapNo,
        page: u32,
        pages: u32,
    },
    Tee {
        from: PipeNo,
        to: PipeNo,
        pages: u32,
    },
    Drain {
        pipe: PipeNo,
        pages: u32,
    },
    /// Read another worker's memory through a pin that is gone on return.
    Pvmread {
        target: WorkerId,
        map: MapNo,
        page: u32,
        pages: u32,
    },
    UringReg {
        map: MapNo,
        page: u32,
        pages: u32,
    },
    UringUnreg,
    /// Write memory to the slow device: pinned while in flight, `ticks` of virtual time long.
    DioWrite {
        device: FdNo,
        map: MapNo,
        page: u32,
        pages: u32,
        ticks: Option<u32>,
    },
    /// Read from the slow device into memory.
    DioRead {
        device: FdNo,
        map: MapNo,
        page: u32,
        pages: u32,
        ticks: Option<u32>,
    },
    /// pin_user_pages, kept until `unpin`.
    Pin {
        map: MapNo,
        page: u32,
        pages: u32,
        longterm: Longterm,
        access: Access,
    },
    /// get_user_pages, kept until `unpin`.
    Get {
        map: MapNo,
        page: u32,
        pages: u32,
    },
    /// Give back a pin or get; none named: the worker's most recent one not yet given back.
    Unpin {
        pin: Option<PinNo>,
    },
    /// A device writes the data word of every page of the pin.
    DmaWrite {
        pin: Option<PinNo>,
        value: u64,
    },
    /// A device reads them.
    DmaRead {
        pin: Option<PinNo>,
    },

    // -- driver memory --
    /// Allocate folios over a range of the driver-memory device.
    DevAlloc {
        start: u32,
        pages: u32,
    },
    /// Take a reference on an allocated page.
    DevGet {
        page: u32,
    },
    /// Drop one; the last one frees the folio.
    DevPut {
        page: u32,
    },

    // -- the machine --
    Umount {
        fs: FsIdx,
    },
    Mount {
        fs: FsIdx,
    },
    /// Unbind the driver of the file system's device.
    Unbind,
    /// Bind it again.
    Bind,

    /// Something the recorder can do and this model cannot yet.
    Unsupported {
        name: String,
        args: Vec<String>,
    },
}

/// A run of pages, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct PageRange {
    /// First page.
    pub page: u32,
    /// How many.
    pub pages: u32,
}

/// Workers are numbered below this.
pub const WORKERS_MAX: u8 = 64;
/// Descriptors, mappings and pipes are numbered below this.
pub const HANDLES_MAX: u8 = 64;
/// Page numbers and counts stay at or below this.
pub const PAGE_MAX: u32 = 1 << 28;
