//! The order in which locks are taken, one line each, outermost first (the comment at the top of
//! `mm/rmap.c`, `mm/filemap.c`, and for DAX entries `fs/dax.c`).
//!
//! A task that holds a lock waits only for locks that stand below it here. The explorer checks that at every
//! lock that is waited for (a trylock is exempt, it does not wait), and tells both orders where two contradict
//! each other. Locks of one class are not compared: those are taken by rules of their own, which stand where
//! they are taken (claims in ascending order).

use prim::{Ends, LockClass, WaitClass};

macro_rules! lock_order {
    ($($(#[$doc:meta])+ $name:ident $label:literal;)+) => {
        /// Places in the order.
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[repr(u8)]
        enum Place {
            $($name,)+
        }

        $($(#[$doc])+ pub(crate) const $name: LockClass =
            LockClass::new($label, Place::$name as u8);)+

        /// Every lock of the protocol, outermost first.
        pub const LOCK_ORDER: &[LockClass] = &[$($name),+];
    };
}

/// Whether a wait is for a lock of those who change a file or the device: one that goes outside `mmap_lock`. No fault
/// takes such a lock, for it runs under that one, and no unpin does; who has one may sleep for a page that is held.
#[must_use]
pub fn is_of_changes(class: WaitClass) -> bool {
    match class.ends {
        Ends::WithLock { rank } => rank < MMAP_LOCK.rank,
        Ends::WithEvent | Ends::WithSections => false,
    }
}

lock_order! {
    /// `device_lock`: bind and unbind.
    DEVICE_LOCK "device lock";
    /// `inode->i_rwsem`: one writer of size and extents at a time.
    I_RWSEM "i_rwsem";
    /// `mm->mmap_lock`: under `i_rwsem`, because copying from user memory may fault.
    MMAP_LOCK "mmap_lock";
    /// `mapping->invalidate_lock`: faults share it under `mmap_lock`.
    INVALIDATE_LOCK "invalidate_lock";
    /// A locked DAX entry: a fault holds it while it asks the file system where the page is.
    DAX_ENTRY "DAX entry";
    /// The file system's lock over the extents of an inode (XFS `ILOCK`).
    EXTENT_LOCK "extent lock";
    /// `PG_locked`: a folio is being moved or taken apart.
    FOLIO_LOCK "folio lock";
    /// `mapping->i_mmap_rwsem`: who maps the file. Of anonymous memory, `anon_vma->rwsem`.
    I_MMAP_RWSEM "i_mmap_rwsem";
    /// `dmirror->mutex`: what a device knows of the entries of a process.
    MIRROR_LOCK "mirror lock";
    /// `ptl`: the entries of one table.
    PAGE_TABLE_LOCK "page table lock";
    /// The xarray's lock.
    I_PAGES "i_pages";
    /// What pages say of several files: the kernel has no such lock.
    SHARED_PAGES "shared pages";
    /// `split_queue_lock`: huge pages that are to be taken apart.
    SPLIT_QUEUE_LOCK "split queue lock";
    /// `zone->lock`: which pages of ordinary memory are in use.
    ZONE_LOCK "zone lock";
    /// The file system's allocator.
    BLOCK_ALLOCATOR "block allocator";
    /// Which pagemaps there are.
    PGMAP_ARRAY "pgmap_array";
    /// Frames that an allocation is making folios of.
    ALLOCATION_CLAIM "allocation claim";
    /// `percpu_ref_switch_lock`.
    PERCPU_REF_SWITCH_LOCK "percpu_ref_switch_lock";
    /// A driver's list of free pages.
    DRIVER_FREE_POOL "driver free pool";
    /// The locks of a driver of the program.
    DRIVER_LOCK "driver lock";
    /// The pages that a worker has of those.
    DRIVER_PAGES "driver pages";
    /// `files_struct->file_lock`, and what else a process has by number.
    FILES_STRUCT "files_struct";
    /// The pins of a worker.
    PINS "pins";
    /// Names of files.
    DIRECTORY "directory";
    /// A pipe's ring.
    PIPE "pipe";
    /// I/O in flight.
    BIO "bio";
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn those_who_change_a_file_or_the_device_have_the_outermost_locks() {
        let of_changes = |class: &&LockClass| is_of_changes(class.waits);
        let names: Vec<&str> = LOCK_ORDER.iter().filter(of_changes).map(LockClass::name).collect();
        assert_eq!(names, ["device lock", "i_rwsem"]);
        assert!(!is_of_changes(LockClass::innermost("slab").waits));
        assert!(!is_of_changes(WaitClass::sections("synchronize_rcu")));
    }
}
