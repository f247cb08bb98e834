//! The words of the language that stand for one of a few values: `rw`, `shared`, `longterm`.

use serde::Serialize;

/// One of a few values, each with its word.
pub(crate) trait Spelled: Copy + PartialEq + 'static {
    /// Every value; the first is what goes without saying where a word may be left out.
    const VALUES: &'static [Self];
    /// Their words, in the same order.
    const WORDS: &'static [&'static str];
    /// The value of a word, or of its other spelling.
    fn read(word: &str) -> Option<Self>;
    /// The word of a value.
    fn spell(self) -> &'static str;
}

macro_rules! words {
    ($($(#[$doc:meta])+ $name:ident {
        $($(#[$vdoc:meta])+ $variant:ident $word:literal $(| $other:literal)?,)+
    })+) => {$(
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
                match word {
                    $($word $(| $other)? => Some($name::$variant),)+
                    _ => None,
                }
            }
        }

        impl Spelled for $name {
            const VALUES: &'static [$name] = $name::ALL;
            const WORDS: &'static [&'static str] = &[$($word),+];

            fn read(word: &str) -> Option<$name> {
                $name::from_word(word)
            }

            fn spell(self) -> &'static str {
                self.word()
            }
        }
    )+};
}

words! {
    /// How memory is touched or pinned, and what a page-table entry lets a CPU do.
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
    /// In which pages anonymous memory comes.
    AnonKind {
        /// Single ones.
        Pages "anon",
        /// Huge ones, where they fit (MADV_HUGEPAGE).
        Huge "anonhuge",
    }
    /// What memory of its own a driver has.
    DeviceMemory {
        /// MEMORY_DEVICE_PRIVATE: a CPU that touches it has it brought home.
        Private "private",
        /// MEMORY_DEVICE_COHERENT.
        Coherent "coherent",
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
        DontNeed "4" | "dontneed",
        /// MADV_COLLAPSE.
        Collapse "25" | "collapse",
        /// MADV_SOFT_OFFLINE.
        SoftOffline "101" | "soft_offline",
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
