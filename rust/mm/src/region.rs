//! Names of the tables in a machine's arena that whoever explores it looks for: to say what a word is, or
//! whether two workers have met. A table that nobody looks for is named where it is made.

/// `struct page`: the memmap.
pub const PAGE: &str = "page";
/// What a page holds.
pub const CONTENTS: &str = "contents";
/// Whose a page is, and in which of its lives.
pub const PAGE_LIFE: &str = "page life";
/// Entries of page tables.
pub const PTE: &str = "pte";
/// Entries of the level above.
pub const PMD: &str = "pmd";
/// What a CPU remembers of them.
pub const TLB: &str = "tlb";
/// Which page each of those maps, for other CPUs to see.
pub const TLB_PAGES: &str = "tlb pages";
/// `i_pages` of a file.
pub const DAX_ENTRY: &str = "dax entry";
/// `struct inode`.
pub const INODE: &str = "inode";
/// `struct dax_device`.
pub const DAX_DEVICE: &str = "dax_device";
/// `struct address_space`.
pub const ADDRESS_SPACE: &str = "address_space";
/// `struct anon_vma`.
pub const ANON_VMA: &str = "anon_vma";
/// `struct mm_struct`.
pub const MM_STRUCT: &str = "mm_struct";
/// `struct pipe_inode_info`.
pub const PIPE: &str = "pipe";
/// `struct bio`.
pub const BIO: &str = "bio";
/// `struct dev_pagemap`.
pub const DEV_PAGEMAP: &str = "dev_pagemap";
/// A driver of the program: its free list, and its code.
pub const DRIVER: &str = "driver";
/// The cells of those, and their locks: so many for each.
pub const DRIVER_CELL: &str = "driver cell";
/// See [`DRIVER_CELL`].
pub const DRIVER_LOCK: &str = "driver lock";
/// `struct percpu_ref`.
pub const PERCPU_REF: &str = "percpu_ref";
