//! Files whose pages *are* the device: `fs/dax.c`, and as much of a filesystem as page lifetime needs.
//!
//! ```text
//!   i_rwsem  >  [mmap_lock]  >  invalidate_lock  >  DAX entry lock  >  ilock, i_pages lock
//!   faults:      mmap_lock read, invalidate_lock read, entry lock, then iomap
//!   truncate:    i_rwsem, invalidate_lock write, break layouts, free blocks
//! ```
//!
//! A block belongs to one file page from allocation to free. In between its page may be mapped (one
//! reference per mapping), referenced by address (GUP), and carry a DAX entry (no reference). The entry
//! lock serialises 0 -> 1; `invalidate_lock`, held exclusively, keeps new mappings out while truncate
//! waits for the count to come down. Only then may the block go back to the allocator (I18).
//!
//! A file that was cloned shares its blocks with others (`reflink`), and gets a copy of one before it writes there.
//!
//! ext4 and XFS agree on all of this in the recordings, so there is one filesystem here; both break
//! the layout of the **whole** file for any truncate or punch (K§14). Departures: extents are a dense
//! array, holes are never mapped by the huge zero page, contents are one word per page.

mod associate;
mod audit;
mod blocks;
mod dev_dax;
mod device;
mod entry;
mod evict;
mod extents;
mod fault;
mod file;
mod i_pages;
mod idle;
mod layout;
mod reflink;
mod soft_offline;

use prim::{
    Arena, AtomicU32, Cpu, Guarded, LockClass, NoMemory, RwSem, Slab, SpinLock, Table, plain,
    zeroed,
};
use program::{Errno, Geometry};

use crate::lock_order;
use crate::page::{Order, Span};
use crate::region;
use crate::vm::{FileRange, MappingId, Vm};

use associate::SharesLocked;
pub use blocks::Blocks;
use device::DaxDevice;
pub use device::SRCU_BYTES;
use entry::DaxSlot;
pub use extents::Extent;
pub use file::Birth;
pub use layout::PAGE_IDLE;

/// Names an inode; the same number names its address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InodeId(pub u32);

impl InodeId {
    pub(crate) fn mapping(self) -> MappingId {
        MappingId(self.0)
    }
}

/// A lock class without data of its own.
macro_rules! lock_class {
    ($(#[$doc:meta])* $name:ident, $class:ident) => {
        plain! {
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $name;
        }
        impl Guarded for $name {
            const CLASS: LockClass = lock_order::$class;
        }
    };
}

lock_class! {
    /// `i_rwsem`: one writer of size and extents at a time.
    IoLocked, I_RWSEM
}
lock_class! {
    /// `invalidate_lock`: faults share it, whoever takes blocks away holds it alone.
    FaultsLocked, INVALIDATE_LOCK
}
lock_class! {
    /// The filesystem's own lock over one inode's extents (XFS ILOCK).
    ExtentsLocked, EXTENT_LOCK
}

plain! {
    /// `i_pages`: the entries live in [`Dax::entries`].
    #[derive(Clone, Copy, Debug)]
    pub struct IPages {
        /// Pages covered by entries.
        pub nrpages: u32,
        /// One past the highest index that ever had an entry.
        pub end: u32,
    }
}

impl Guarded for IPages {
    const CLASS: LockClass = lock_order::I_PAGES;
}

zeroed! {
    /// `struct inode`, with its address space.
    #[derive(Debug)]
    pub struct Inode {
        /// `i_size` in pages. Written under `i_rwsem` and `invalidate_lock`.
        size: AtomicU32,
        /// `i_nlink`: names.
        nlink: AtomicU32,
        /// `i_count`: names, open files, mappings through them, and callers in the middle of something.
        /// Whoever brings it to 0 evicts the inode, and nobody else.
        count: AtomicU32,
        /// 1 when it was part of a clone. Written under all of the locks below.
        cloned: AtomicU32,
        i_rwsem: RwSem<IoLocked>,
        invalidate_lock: RwSem<FaultsLocked>,
        extents_lock: RwSem<ExtentsLocked>,
        i_pages: SpinLock<IPages>,
    }
}

impl Inode {
    /// `i_size_read`, in pages.
    #[doc(alias = "i_size_read")]
    #[must_use]
    pub fn size(&self) -> u32 {
        self.size.read()
    }

    /// Names the file has.
    #[must_use]
    pub fn nlink(&self) -> u32 {
        self.nlink.read()
    }

    /// Users besides the names: open files, mappings, calls in progress. Exact at rest.
    #[must_use]
    pub fn users(&self) -> u32 {
        self.count.read().saturating_sub(self.nlink.read())
    }
}

/// The filesystem and the device under it.
#[derive(Debug)]
pub struct Dax {
    /// The machine below.
    pub vm: Vm,
    inodes: Slab<Inode>,
    /// `entries[inode * file_pages + index]`, see `entry`.
    entries: Table<DaxSlot>,
    /// `extents[inode * file_pages + index]`, see `extents`.
    extents: Table<AtomicU32>,
    /// `copies[inode * file_pages + index]`, see `reflink`.
    copies: Table<AtomicU32>,
    file_pages: u32,
    /// Who decides which block a file gets.
    pub blocks: Blocks,
    /// See `associate`.
    shares_lock: Table<SpinLock<SharesLocked>>,
    device: Table<DaxDevice>,
    /// The device's frames; block 0 is the first.
    pub span: Span,
}

impl Dax {
    /// A filesystem on the frames of `span`, not yet bound to them.
    ///
    /// # Errors
    /// [`NoMemory`] when the arena is too small.
    pub fn new(arena: &Arena, geometry: &Geometry, vm: Vm, span: Span) -> Result<Self, NoMemory> {
        let files = usize::from(geometry.files_max);
        let slots = files * geometry.file_pages_max as usize;
        Ok(Self {
            vm,
            inodes: Slab::new(arena, files, region::INODE)?,
            entries: arena.table(region::DAX_ENTRY, slots)?,
            extents: arena.table("extent", slots)?,
            copies: arena.table("extent copy", slots)?,
            file_pages: geometry.file_pages_max,
            blocks: Blocks::new(arena, span.pages)?,
            shares_lock: arena.table("shared pages", 1)?,
            device: arena.table(region::DAX_DEVICE, 1)?,
            span,
        })
    }

    /// An inode by id.
    #[must_use]
    pub fn inode(&self, id: InodeId) -> &Inode {
        &self.inodes[id.0]
    }

    /// Inodes that exist.
    pub fn live_inodes(&self) -> impl Iterator<Item = InodeId> {
        self.inodes.iter_live().map(InodeId)
    }

    /// A file whatever its size: what an inode has room for.
    fn whole_file(&self) -> FileRange {
        FileRange::of(0, self.file_pages)
    }

    /// Most pages a file can have.
    #[must_use]
    pub fn file_pages_max(&self) -> u32 {
        self.file_pages
    }

    /// Where an inode's row of entries, and of extents, begins.
    #[inline]
    fn row(&self, inode: InodeId) -> usize {
        inode.0 as usize * self.file_pages as usize
    }

    fn pmd_order(&self) -> Order {
        self.vm.pmd_order()
    }

    /// Binds the device: struct pages appear, faults may map them (`probe`, then `run_dax`).
    ///
    /// # Errors
    /// As [`Pagemaps::memremap_pages`](crate::pagemap::Pagemaps::memremap_pages); `EBUSY` when bound.
    pub fn bind(&self, cpu: &Cpu<'_>) -> Result<(), Errno> {
        let _device = self.device[0].lock.write(cpu);
        if self.device[0].pagemap().is_some() {
            return Err(Errno::EBUSY);
        }
        // A remount: no entry of before, and nobody in the middle of a fault of before.
        self.live_inodes().for_each(|id| self.drop_entries(cpu, id));
        let order = self.dev_dax().map_or(Order::PAGE, |(_, align)| align);
        let pagemap = self.vm.pagemaps.memremap_folios(cpu, self.kind(), self.span, order)?;
        self.device[0].run(pagemap);
        Ok(())
    }
}
