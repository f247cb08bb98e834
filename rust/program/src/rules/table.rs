//! The table of rules, and the macro that makes [`Rules`] and [`RULES`] of it.
//!
//! A row is: what the rule decides, its field, the type of its values, the base value, where the facts are, and
//! for each value how it is known, which kernels have it, and what tells. The base is what v6.15 does; an era
//! names what it does differently.

use serde::Serialize;

use super::values::*;
use super::{How, RuleInfo, RuleValueInfo};
use crate::same::same;

/// Snake to kebab case at compile time, so that a rule's name is written once.
const fn kebab<const N: usize>(snake: &str) -> [u8; N] {
    let bytes = snake.as_bytes();
    let mut out = [0; N];
    let mut i = 0;
    while i < N {
        out[i] = if bytes[i] == b'_' { b'-' } else { bytes[i] };
        i += 1;
    }
    out
}

/// The value called `name`.
const fn named<T: RuleValue>(name: &str) -> Option<T> {
    let mut i = 0;
    while i < T::ALL.len() {
        if same(T::ALL[i].1.name, name) {
            return Some(T::ALL[i].0);
        }
        i += 1;
    }
    None
}

macro_rules! name {
    ($field:ident) => {{
        const BYTES: &[u8] = &kebab::<{ stringify!($field).len() }>(stringify!($field));
        match std::str::from_utf8(BYTES) {
            Ok(name) => name,
            Err(_) => panic!("rule names are ASCII"),
        }
    }};
}

macro_rules! rules {
    ($(
        $(#[doc = $doc:literal])+
        $field:ident: $type:ident = $base:ident [$k:literal] {
            $($value:ident: $how:ident, $kernels:literal, $source:literal;)+
        }
    )+) => {
        /// The rules of one machine. `Copy`, read-only once a world is built from it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub struct Rules {
            $($(#[doc = $doc])+ #[doc = concat!("\n\nFacts: ", $k, ".")] pub $field: $type,)+
        }

        /// Every rule, in the order of the table.
        pub const RULES: &[RuleInfo] = &[$(RuleInfo {
            name: name!($field),
            summary: concat!($($doc),+).trim_ascii(),
            k: $k,
            values: {
                // A value that the row forgets does not compile.
                const fn known(value: $type) -> (How, &'static str, &'static str) {
                    match value { $($type::$value => (How::$how, $kernels, $source)),+ }
                }
                const ALL: &[($type, ValueName)] = <$type as RuleValue>::ALL;
                const VALUES: [RuleValueInfo; ALL.len()] = {
                    let blank = RuleValueInfo {
                        name: "", meaning: "", how: How::Derived, kernels: "", source: "",
                    };
                    let mut out = [blank; ALL.len()];
                    let mut i = 0;
                    while i < ALL.len() {
                        let (value, ValueName { name, meaning }) = ALL[i];
                        let (how, kernels, source) = known(value);
                        out[i] = RuleValueInfo { name, meaning, how, kernels, source };
                        i += 1;
                    }
                    out
                };
                &VALUES
            },
            base: $type::$base.name(),
        }),+];

        impl Rules {
            /// What every era starts from.
            pub const BASE: Rules = Rules { $($field: $type::$base),+ };

            /// The value of the rule called `rule`, if there is one.
            #[must_use]
            pub const fn value_of(&self, rule: &str) -> Option<&'static str> {
                $(if same(rule, name!($field)) {
                    return Some(self.$field.name());
                })+
                None
            }

            /// The same with `rule` at `value`, if there is such a rule and such a value of it.
            #[must_use]
            pub const fn with(mut self, rule: &str, value: &str) -> Option<Rules> {
                $(if same(rule, name!($field)) {
                    return match named::<$type>(value) {
                        Some(value) => {
                            self.$field = value;
                            Some(self)
                        }
                        None => None,
                    };
                })+
                None
            }
        }
    };
}

rules! {
    /// After lock-free GUP grabbed a page, it reads the PTE again and gives the page back if the
    /// entry changed. Every kernel does; without it a page can be grabbed after it was unmapped and freed.
    gup_pte_recheck: Switch = On ["K§4.1, K§4.3"] {
        On: Source, "every kernel", "mm/gup.c, the lock-free walk of a page table";
        Off: Derived, "none", "nothing else ties the new reference to the entry that was read";
    }

    /// The same re-check of the PMD: of a leaf, as every kernel does, and of the table above a PTE, which
    /// may have been taken out and reused. The latter was missing until 70cbc3cc78a9 (v6.1).
    gup_pmd_recheck: Switch = On ["K§4.1, B18"] {
        On: Source, "every kernel for a leaf, v6.1 and later for a table", "mm/gup.c; commit 70cbc3cc78a9";
        Off: Thread, "before v6.1 for a table, none for a leaf",
            "commit 70cbc3cc78a9, the race against THP collapse (September 2022)";
    }

    /// Whether a collapse into a huge page waits for lock-free walkers, once it has taken the table out of the PMD
    /// (tlb_remove_table_sync_one). Where a flush interrupts every CPU it has waited already; elsewhere a walker may stand in the
    /// table, and only its second look at the PMD tells it.
    collapse_sync: Switch = On ["K§4.3, B18, I24"] {
        On: Source, "v6.1 and later", "mm/khugepaged.c, collapse_huge_page; commit 2ba99c5e0881";
        Off: Source, "up to v6.0", "commit 2ba99c5e0881, what it adds";
    }

    /// Whether zap flushes TLBs before it drops the references of the mappings it removed.
    zap_put: ZapPut = AfterFlush ["K§6.1, K§6.2, I22"] {
        AfterFlush: Source, "every kernel whose architecture gathers pages",
            "mm/memory.c and mm/mmu_gather.c: tlb_flush_mmu flushes before the batch is put";
        BeforeFlush: Derived, "none", "a translation would outlive its reference";
    }

    /// How an unmapper reads and clears an entry (ptep_get_and_clear). An exchange everywhere that more than one
    /// CPU may look; a load and a store on x86 without SMP. Whoever reads the page's counts next relies on it.
    zap_clear: ZapClear = Xchg ["K§4.1, K§6.1, K§14"] {
        Xchg: Source, "every kernel with more than one CPU", "mm/memory.c, ptep_get_and_clear_full";
        LoadStore: Derived, "none with more than one CPU", "the store may be seen after the counts are read";
    }

    /// What a zap of a range does about a PMD that it finds empty. Another zap may have cleared it under the lock
    /// and not yet dropped the mapcount: for as long, count and mapcount agree, and a layout break takes the page
    /// for idle. Of PTEs every kernel waits for the lock; of PMDs only when it unmaps a single folio.
    zap_none_pmd: ZapNonePmd = Skip ["K§15, K§16, B53"] {
        Skip: Recorded, "v6.15 and later; forced on 6.18, 7.2 and 7.3",
            "mm/memory.c, zap_pmd_range; forced recording C1_ext4_zap_trunc: munmap held after the PMD was cleared";
        Lock: Derived, "none", "a mend proposed by pgmap; the kernel does so when it unmaps a single folio";
    }

    /// What a write that gives a hole its block does about what reads have mapped there. The kernel deletes every
    /// clean entry and unmaps the range then: a read fault that came in between has mapped the new block itself, and
    /// its page is taken from the file while it is mapped, or held.
    write_invalidate: WriteInvalidate = DeleteThenUnmap ["K§15, K§16, B54"] {
        DeleteThenUnmap: Recorded, "v6.15 and later; forced on 6.18, 7.2 and 7.3",
            "mm/truncate.c, invalidate_inode_pages2_range for IOMAP_F_NEW; forced recordings C2_*";
        ZeroOnly: Derived, "none", "a mend proposed by pgmap";
    }

    /// Truncate and hole punch unmap the file and wait for references on its pages before blocks go.
    /// Missing on DAX until v4.17-4.19.
    truncate_break_layout: Switch = On ["K§5.5, B14"] {
        On: Recorded, "v4.17-4.19 and later; recorded on 6.1, 6.12, 6.16, 6.18 and 7.2",
            "recordings *_truncate_while_ref and *_punch_while_ref";
        Off: Thread, "before v4.17-4.19", "the 2018 series that added dax_layout_busy_page";
    }

    /// Whether a block goes back to the allocator before or after its pages are idle.
    block_free: BlockFree = AfterIdle ["K§5.5, B14, I18"] {
        AfterIdle: Recorded, "v4.17-4.19 and later; recorded on 6.1, 6.12, 6.16, 6.18 and 7.2",
            "recordings *_truncate_while_ref";
        BeforeIdle: Derived, "none", "a wait that comes too late protects nothing";
    }

    /// In which order the last uses of files and pipes that one call gave up end: a close, a munmap, an exit. The
    /// kernel queues them and runs the queue backwards, so a task that leaves with a page of a nameless file in its own
    /// pipe waits for it in the eviction before it comes to the pipe, if the file's descriptor is above the pipe's.
    exit_fput: ExitFput = NewestFirst ["K§15, K§16, B57"] {
        NewestFirst: Recorded, "every kernel; forced on 6.18, 7.2 and 7.3",
            "kernel/task_work.c, task_work_run; forced recordings C3_*";
        PipesFirst: Derived, "none",
            "a mend proposed by pgmap: pipes are released before anything that can sleep for a page";
    }

    /// Eviction of an unlinked or unmounted inode waits for its pages. Missing until v6.15, which
    /// waits for all of them before the entries go. The other way, proposed before, is that no eviction comes while a page
    /// is kept.
    evict_wait: EvictWait = FinalIdle ["K§5.5, K§14, B13, B44, B52"] {
        FinalIdle: Recorded, "v6.15 and later; recorded on 6.16, 6.18 and 7.2",
            "fs/dax.c, dax_break_layout_final; recordings *_unlink_close_while_ref and umount_while_ref_*";
        None: Recorded, "up to v6.14; recorded on 6.1 and 6.12",
            "recordings *_unlink_close_while_ref and umount_while_ref_*";
        InodeRef: Thread, "none; proposed in September 2022",
            "Dave Chinner in the thread on fsdax references at entry insertion and deletion";
    }

    /// memunmap_pages sleeps until the last pagemap reference is gone before the struct pages go.
    /// Missing until 50f44ee7248a (v5.2 or v5.3).
    memunmap_wait: Switch = On ["K§3.3, B01"] {
        On: Source, "v5.2 or v5.3 and later", "mm/memremap.c; commit 50f44ee7248a";
        Off: Thread, "before v5.2 or v5.3", "commit 50f44ee7248a, the final page put race";
    }

    /// When memunmap_pages gives the pagemap's reference count up (percpu_ref_exit): a lookup that finds the range asks
    /// the count whether the pagemap is alive.
    percpu_exit: PercpuExit = AfterDelete ["K§3.3, B02, I15"] {
        AfterDelete: Source, "v6.0 and later", "mm/memremap.c, memunmap_pages; commit 1e57ffb6e3fd";
        BeforeDelete: Thread, "up to v5.19", "commit 1e57ffb6e3fd, the race of memunmap_pages and get_dev_pagemap";
    }

    /// Whether unbind waits for page references. Since v5.18 no kernel does for file system DAX and
    /// generic pages: struct pages vanish under a pin (recorded on 6.1, 6.12, 6.16 and 7.2).
    teardown_pages: TeardownPages = Ignore ["K§3.3, K§14, B31, I13"] {
        Ignore: Recorded, "v5.18 and later; recorded on 6.1, 6.12, 6.16 and 7.2",
            "recordings *_unbind_ref; commit 27674ef6c73f";
        WaitIdle: Source, "up to v5.17, whose pages each hold a pagemap reference",
            "mm/memremap.c of v5.5: one put for every page, then the wait";
    }

    /// Who holds the device under the file system (`dax_holder_operations`). XFS is told that the device goes,
    /// unmaps its files and shuts itself down; ext4 is not, nor was XFS up to v6.7 (MF_MEM_PRE_REMOVE), and their
    /// mappings outlive the struct pages.
    holder: Holder = Xfs ["K§5.6, K§14, K§16, B50, B55"] {
        Xfs: Recorded, "XFS in v6.8 and later; recorded on 6.12, 6.16 and 7.2",
            "recordings xfs_unbind_mounted_ref";
        None: Recorded, "ext4 on every kernel, XFS up to v6.7; recorded on 6.1, 6.12, 6.16 and 7.2",
            "recordings ext4_unbind_mounted_ref, and xfs_unbind_mounted_ref of 6.1";
    }

    /// The order in which the holder unmaps its pages and shuts down. A read fault that comes in between succeeds, and
    /// its mapping outlives the struct page. Says something with holder=xfs only.
    unbind_order: UnbindOrder = ZapThenShutdown ["K§16, B56"] {
        ZapThenShutdown: Recorded, "v6.15 and later; forced on 6.18, 7.2 and 7.3",
            "fs/xfs/xfs_notify_failure.c; forced recording C5_xfs_before_shutdown";
        ShutdownThenZap: Derived, "none", "a mend proposed by pgmap";
    }

    /// Where XFS's walk over the pages of a device that goes ends. Since allocation groups were rewritten the end of the
    /// range, plus one, is zero in every group but the last, and the number of pages what is left below it: the walk goes
    /// over indices without an entry for ever. Says something with holder=xfs and more than one group only.
    failed_range: FailedRange = Wraps ["K§14, K§16, B51"] {
        Wraps: Recorded, "v6.15 or before and later; recorded on 6.16 and 7.2",
            "fs/xfs/xfs_notify_failure.c; recordings xfs_unbind_mounted_ref, which have two groups";
        Exact: Recorded, "up to v6.14 or before; recorded on 6.12", "recording xfs_unbind_mounted_ref";
    }

    /// How long a fault holds off the end of the device (the SRCU section of dax_read_lock). Over the translation alone,
    /// as in the kernel, an unbind may finish before the page is mapped: the fault then works on struct pages that are
    /// gone. With holder=xfs the unbind waits for the fault's DAX entry, and so for the fault.
    fault_liveness: FaultLiveness = Translation ["K§15, K§16, B55"] {
        Translation: Recorded, "v6.15 and later; forced on 6.18, 7.2 and 7.3",
            "fs/dax.c, dax_iomap_direct_access; forced recording C4_ext4_insert_entry";
        Insertion: Derived, "none", "a mend proposed by pgmap";
    }

    /// How a page's pagemap reference, where pages hold one, is tied to its count. Raising the count first
    /// and looking at it then was proposed in October 2022 (pgmap_request_folios) and refused in
    /// review: what others do in between is taken for one's own. Says something with teardown-pages=wait-idle only.
    request_folio: RequestFolio = OnTransition ["K§3.7 Era B, B07, I12"] {
        OnTransition: Thread, "none for DAX pages; what the review asked for",
            "thread on pgmap_request_folio, October 2022";
        ByInspection: Thread, "none; proposed, never merged", "thread on pgmap_request_folios, October 2022";
    }

    /// The other half of that proposal (pgmap_release_folios): the count is dropped, and who reads zero in it afterwards
    /// gives the pagemap reference back. Two that put one after the other may both read it, and whoever takes the page anew
    /// in between hides it from both. Says something with teardown-pages=wait-idle only.
    release_folio: ReleaseFolio = OnTransition ["K§3.7 Era B, B07, I12"] {
        OnTransition: Thread, "none for DAX pages; what the review asked for",
            "thread on pgmap_request_folio, October 2022";
        ByInspection: Thread, "none; proposed, never merged", "thread on pgmap_request_folios, October 2022: pgmap_release_folios";
    }

    /// Whether the count of a freed driver page is final before an allocator can find the page.
    /// Wrong from 27674ef6c73f (v5.18) to ef233450898f (v6.1).
    free_push: FreePush = AfterSettled ["K§3.6, B04, I07, I09"] {
        AfterSettled: Source, "v6.1 and later", "mm/memremap.c; commit ef233450898f";
        BeforeSettled: Source, "v5.18 to v6.0", "mm/memremap.c of v5.18; commit 27674ef6c73f";
    }

    /// What a page of a driver's memory holds of its pagemap while it is allocated. From v5.18 to v6.0 nothing did, so the
    /// driver's memory could be taken away while processes had pages in it.
    alloc_pagemap: AllocPagemap = PerPage ["K§3.5, K§3.7 Era A, B05, I13"] {
        PerPage: Source, "up to v5.17, whose pages each hold one, and v6.1 and later", "mm/memremap.c; commit 0dc45ca1ce18";
        Nothing: Source, "v5.18 to v6.0", "mm/memremap.c of v5.18; commit 0dc45ca1ce18, what it mends";
    }

    /// What an allocation of a driver's page comes to while its pagemap is being taken away. The call that was proposed
    /// refuses, and the model's drivers allocate by it in every era. `zone_device_page_init` warns and goes on: the page
    /// has its count and nothing of the pagemap, and the put that frees it gives back what was never taken.
    alloc_dying: AllocDying = Refused ["K§3.5, K§15, B34, B58, I11"] {
        Refused: Thread, "none; what pgmap_alloc_folios was to do", "Jason Gunthorpe, September 2022: pgmap_alloc_folios";
        Warned: Source, "v6.1 to v6.18", "mm/memremap.c, zone_device_page_init: WARN_ON_ONCE(!percpu_ref_tryget_live)";
        AnyLeft: Source, "v6.19 and later", "mm/memremap.c, zone_device_page_init: WARN_ON_ONCE(!percpu_ref_tryget_many)";
    }

    /// When a driver that gives its memory up stops allocating in it. Nothing but that keeps what `alloc-dying` says from
    /// being seen.
    release_stop: ReleaseStop = BeforeKill ["K§3.5, B34, B58"] {
        BeforeKill: Source, "lib/test_hmm.c", "dmirror_device_remove_chunks: chunks are marked as going, then memunmap_pages";
        AfterKill: Derived, "unverified", "nothing in memremap_pages asks whether the driver has stopped";
    }

    /// What the mmap of a P2PDMA provider's file takes back of a page that it could not map, once that has its count and a
    /// reference on the pagemap.
    p2p_error: P2pError = Undone ["K§8.4, B16, B17, I09, L1"] {
        Undone: Source, "since February 2026", "drivers/pci/p2pdma.c, p2pmem_alloc_mmap; commit 6220694c52a5, merge 26cc2bd5aa82";
        RefLeft: Source, "up to December 2025", "commit 6220694c52a5, what it mends (introduced by 7e9c7ef83d78)";
        CountLeft: Source, "up to February 2026", "merge 26cc2bd5aa82, what it mends";
    }

    /// Whether a driver that gives its memory up brings home what processes have there, before it waits for the rest. Those
    /// that do not sleep until the processes have unmapped it, or come for it.
    release_evict: Switch = On ["K§3.7 Era A"] {
        On: Source, "v6.1 and later", "commits e778406b40db and 249881232e14: migrate_device_range, and nouveau's use of it";
        Off: Source, "up to v6.0", "commit 249881232e14, what it adds";
    }

    /// What count a free page of a driver's memory has. One, as drivers had it from the start and as `INIT_PAGEMAP_BUSY`
    /// would have kept it: a driver then hands a page out without touching its count, and whoever knows a page by its
    /// number alone gets a reference on a page that is free. Zero since v6.1.
    init_mode: InitMode = Idle ["K§3.7, K§12, B04, B06, I09"] {
        Idle: Source, "v6.1 and later", "mm/memremap.c; commit ef233450898f";
        Busy: Source, "up to v6.0", "mm/memremap.c of v5.5 and v5.18; posted again in September 2022";
    }

    /// Where a page of a driver's memory says which pagemap it belongs to. From v6.15 in the word that says of a tail where
    /// its head is; before, in a word of its own, which nothing overwrites while the struct page is there.
    pgmap_word: PgmapWord = AliasesHead ["K§2.1, K§3.7 Era C, B09, B10"] {
        AliasesHead: Source, "v6.15 and later", "include/linux/mm_types.h; the series of v6.15 that moved pgmap into the folio";
        Own: Source, "up to v6.14", "include/linux/mm_types.h of v5.5: page->pgmap";
    }

    /// Which pagemap the last put of a driver's page gives its reference back to, once the driver's callback has the page:
    /// the one it had read before, or the one that the page says now. By then the page may be a tail of somebody's folio.
    free_reload: FreeReload = Local ["K§3.6, B09, I08"] {
        Local: Source, "v6.15 to v6.18, and since the mend of April 2026",
            "mm/memremap.c, free_zone_device_folio: a copy taken before folio_free";
        AfterFree: Thread, "v6.19 until the mend", "CVE-2026-46277, a use of the folio after folio_free; mends d245f9b4ab80";
    }

    /// Whether an allocation forgets what the words of its pages said in an earlier life, of another order.
    page_reset: PageReset = AtAlloc ["K§3.5, B10, I27"] {
        AtAlloc: Source, "v6.19 and later, where a page may have been part of a larger folio",
            "commit 12b2285bf3d1; the thread of January 2026 decides against a reset at the free";
        Never: Thread, "none that was released; candidates of v6.19", "commit 12b2285bf3d1, what it mends";
    }

    /// What a layout break takes for a page that somebody uses. A reference that is no pin is somebody's as well, and a pin is
    /// a plain reference for a moment before it is one.
    busy_test: BusyTest = Refcount ["K§5.5, B41, I18"] {
        Refcount: Source, "every kernel that breaks layouts", "fs/dax.c, dax_busy_page";
        MaybePinned: Thread, "none; posted in September 2022",
            "thread on \"Fix the DAX-gup mistake\", v1 02/13: page_maybe_dma_pinned for DAX against DMA";
    }

    /// What a layout break sleeps for once it found a busy page. From v6.15 it sleeps for refcount 0
    /// although a page counts as busy only while refcount and mapcount differ, so a page that was
    /// faulted in again is never reported idle (recorded on 6.16, 6.18 and 7.2).
    idle_pred: IdlePred = RefZero ["K§5.5, K§14, B33, L2"] {
        RefZero: Recorded, "v6.15 and later; recorded on 6.16, 6.18 and 7.2",
            "recordings *_refault_while_*; fs/dax.c, dax_page_is_idle";
        RefEqualsMap: Derived, "none", "a mend proposed by pgmap";
    }

    /// Whether the sleep for an idle page drops the file system locks that faults need.
    wait_drops_lock: Switch = On ["K§5.5, B40, I20"] {
        On: Source, "every kernel that breaks layouts", "fs/dax.c, the callback of dax_break_layout";
        Off: Thread, "none", "the reason for the callback, in the threads on DAX page references of 2022";
    }

    /// Where a fault sleeps that finds the huge entry of its range locked. With the index it came for,
    /// instead of the entry's first, as in v5.2, the unlocker's wake-up misses it.
    entry_wait_key: EntryWaitKey = Rounded ["K§5.2, B25, I19"] {
        Rounded: Source, "v5.3 and later", "fs/dax.c, dax_entry_waitqueue; commit 23c84eb78375";
        Unrounded: Thread, "v5.2", "commit 23c84eb78375, the missed wake-up of PMD entries";
    }

    /// Whether the file system still holds its lock over extents when a write takes away what faults have
    /// mapped there. A fault locks the DAX entry first and asks for the extent inside, so a lock that is
    /// kept until iomap_end turns the order round: the inversion that 9f141d6ef625 (2016) was made for.
    iomap_lock: IomapLock = Begin ["K§5.2, K§5.4, I20"] {
        Begin: Thread, "since 2016", "commit 9f141d6ef625";
        UntilEnd: Thread, "before 2016", "commit 9f141d6ef625, the order of the entry lock and the extent lock";
    }

    /// Where dax_layout_busy_page goes on after an entry that covers several pages. At the next index, as
    /// from v4.17 to v4.19, it finds the same entry for ever.
    busy_scan: BusyScan = PastEntry ["K§5.5, L3"] {
        PastEntry: Source, "v5.0 and later", "fs/dax.c, dax_layout_busy_page_range";
        NextIndex: Derived, "v4.17 to v4.19, unverified", "the walk by index of that time; not read in source";
    }

    /// What an entry of a page table holds of a DAX page, and from where its count starts. From v6.15 entries are
    /// like any other file's: each holds a reference and a mapcount, and a huge one maps one folio. Before, they were
    /// marked devmap and held nothing, every frame was a page of its own, and a free page had the count one. In 2022 it was
    /// proposed that the entry of the file, which stays while mappings come and go, holds the reference instead.
    dax_pages: DaxPages = Normal ["K§3.7, K§12, K§14"] {
        Normal: Recorded, "v6.15 and later; recorded on 6.16, 6.18 and 7.2",
            "commit 38607c62b34b; every recording of 6.16 and 7.2";
        Devmap: Recorded, "v5.18 to v6.14; recorded on 6.1 and 6.12", "every recording of 6.1 and 6.12";
        EntryRefs: Thread, "none; posted in September and October 2022",
            "thread on \"Fix the DAX-gup mistake\": from dax_insert_entry to dax_delete_mapping_entry";
    }

    /// Whether GUP makes sure of a page's pagemap before it raises the count, where the entry that it came by holds nothing.
    /// From v6.15 the mapping's own reference does that, so nothing has to be asked. Says something with dax-pages=devmap
    /// only.
    gup_pagemap: GupPagemap = Taken ["K§3.7 Era A, K§4.5, B19, I13"] {
        Taken: Source, "v4.5 to v6.14", "mm/gup.c of v6.6: get_dev_pagemap before try_grab_folio";
        Unasked: Thread, "none for such entries", "thread of October 2021 on what has to come before the pagemap test can go";
        PutOnly: Thread, "v4.12-rc", "commit 6dd29b3df975, which reverts 2947ba054a4d";
        Special: Source, "architectures without a devmap bit, up to v6.14 (s390, whose pages GUP does not take)",
            "FS_DAX_LIMITED; Dan Williams, 18 October 2021: the special bit for architectures that have no devmap";
    }

    /// Who says whether a page may be pinned for long: the type of its pagemap, or who holds the device. The holder is the
    /// file system that would have to wait for the pin; one that has not said that it holds the device (`holder=none`)
    /// forbids nothing, and waits as long as anybody pleases.
    longterm_policy: LongtermPolicy = Pagemap ["K§3.7, K§4, K§5.6"] {
        Pagemap: Recorded, "every kernel; recorded on 6.1, 6.12, 6.16 and 7.2",
            "recordings *_uring_longterm; include/linux/mm.h, folio_is_longterm_pinnable";
        Holder: Thread, "none; proposed in October 2021",
            "Dan Williams, 18 October 2021: the pgmap itself does not know, but the holder could specify this policy";
    }

    /// Whether a layout break looks at a file that nobody maps. Up to v6.14 it did not: a punch, an unlink or an
    /// umount of a page that was referenced and not mapped freed its block under the reference.
    layout_scan: LayoutScan = Always ["K§5.5, K§14, B13, I18"] {
        Always: Recorded, "v6.15 and later; recorded on 6.16 and 7.2",
            "recordings umount_while_ref_* and *_unlink_close_while_ref";
        WhileMapped: Source, "up to v6.14", "fs/dax.c of that time, dax_layout_busy_page_range: the test of mapping_mapped";
    }

    /// Whether a layout break takes the entries of the file away once it found every page idle. From v6.15 it does, for
    /// the whole file; before, entries stayed until their own index was truncated or punched.
    layout_entries: LayoutEntries = Removed ["K§3.7 Era C, K§5.5, K§14"] {
        Removed: Recorded, "v6.15 and later; recorded on 6.16, 6.18 and 7.2",
            "commit bde708f1a65d; recordings *_punch_no_ref_remap";
        Kept: Recorded, "up to v6.14; recorded on 6.1 and 6.12", "recordings *_punch_no_ref_remap";
    }

    /// What direct I/O takes of the pages it works on. Plain references until iov_iter_extract_pages, pins since.
    dio_ref: DioRef = Pin ["K§4, K§14"] {
        Pin: Recorded, "v6.5 or so and later; recorded on 6.12, 6.16 and 7.2", "recordings *_odirect_inflight";
        Get: Recorded, "up to v6.4 or so; recorded on 6.1", "recordings *_odirect_inflight";
    }

    /// When munmap flushes the translations of a VMA whose entries hold no reference. Once the VMA is out of its file's
    /// list, unmap_mapping_range no longer finds it, and nothing tells a truncate that a CPU still uses the page. Says
    /// something with dax-pages=devmap only.
    pfnmap_flush: PfnmapFlush = BeforeUnlink ["K§6.2, K§15, I22"] {
        BeforeUnlink: Source, "v5.19 and later", "include/asm-generic/tlb.h, tlb_end_vma; commit b67fbebd4cf9";
        AtEnd: Source, "up to v5.18, where the architecture merges the ranges of VMAs, as x86 does",
            "commit b67fbebd4cf9, the race of munmap and unmap_mapping_range (July 2022)";
    }

    /// How a bio gives its pages back. v6.1 puts the folio, which knows nothing of pages whose free count is one: who
    /// waits for such a page to be idle is not woken. Says something with dax-pages=devmap only.
    bio_put: BioPut = Wakes ["K§2.2, K§14, B49, L2"] {
        Wakes: Recorded, "v6.5 or so and later; recorded on 6.12, 6.16 and 7.2",
            "recordings *_odirect_inflight";
        Silent: Recorded, "6.1.y; recorded on 6.1.176", "recordings *_odirect_inflight, whose truncate never returns";
    }

    /// Whether io_uring registers buffers in mappings of files. v6.1 looked at the VMA and refused every file but shmem
    /// and hugetlbfs; later it leaves that to GUP, which refuses DAX files and allows device-dax.
    uring_files: UringFiles = Pinned ["K§4, K§14"] {
        Pinned: Recorded, "recorded on 6.12, 6.16 and 7.2", "recordings devdax4k_uring_longterm";
        Refused: Recorded, "recorded on 6.1", "recordings devdax4k_uring_longterm";
    }

    /// Which DAX entries count in the share word of a page whose block several files have (FICLONE). v6.1 counted copies
    /// that a write made, which nobody shares yet, and let whoever reads a shared block overwrite whose page it is.
    share_count: ShareCount = Counted ["K§5.3, K§14, I17"] {
        Counted: Recorded, "v6.15 and later; recorded on 6.16 and 7.2",
            "fs/dax.c, dax_folio_make_shared; recordings xfs_reflink_share";
        Marked: Recorded, "v6.2 or so to v6.14; recorded on 6.12",
            "fs/dax.c, PAGE_MAPPING_DAX_SHARED; recording xfs_reflink_share";
        OnWrite: Recorded, "v6.0 and 6.1.y; recorded on 6.1.176",
            "fs/dax.c, PAGE_MAPPING_DAX_COW; recording xfs_reflink_share";
    }

    /// How the share word of a page is changed. A plain word under the i_pages lock of one file: two files that share the
    /// block have two such locks, and an update is lost. The first entry that goes then takes the folio apart under the
    /// other.
    share_update: ShareUpdate = Plain ["K§5.3, B32, I17"] {
        Plain: Source, "every kernel that shares blocks on DAX", "fs/dax.c, dax_associate_entry and dax_folio_put";
        Locked: Derived, "none", "a mend proposed by pgmap; an atomic word is not enough, for the mapping goes with it";
    }

    /// When a block that files shared goes back. A reference on a page outlives its file's entry where a write gives the file
    /// a copy: nothing waits there. The block is another file's by then, which has no entry for it and finds nothing busy.
    shared_free: SharedFree = AtOnce ["K§5.3, K§5.5, I18"] {
        AtOnce: Source, "every kernel that shares blocks on DAX",
            "fs/dax.c, dax_layout_busy_page: entries of one file; fs/xfs/xfs_reflink.c: no layout is broken for a copy";
        WhenIdle: Derived, "none", "a mend proposed by pgmap: who gives up the last share waits for the page; with locks held, which whoever has the page must not need";
    }

    /// What becomes of the index/share word when the last entry of an order-0 page goes. Up to v6.18
    /// the index stays and is later read as a share count; cleared in v7.2.
    share_reset: ShareReset = KeptAtOrder0 ["K§5.3, K§14, B48, I17"] {
        KeptAtOrder0: Recorded, "v6.15 to v6.18; recorded on 6.16",
            "recordings xfs_stale_share and *_truncate_while_ref";
        Cleared: Recorded, "v7.2", "recording xfs_stale_share";
    }

    /// Whoever takes a reference without having one reads the head of the page again, and gives the reference back if
    /// the page has another head by then: in between the folio may have been split, or freed and allocated anew.
    head_recheck: Switch = On ["K§2.2, K§4.3, K§7.3"] {
        On: Source, "every kernel", "mm/gup.c, try_get_folio: the head is read again under the reference";
        Off: Derived, "none", "nothing else ties the reference to the page that was asked for";
    }

    /// What a get by lock-free GUP does about a count that is close to its largest number. Before v5.1 it went on, and
    /// the count came to zero again with every reference still out (CVE-2019-11487).
    ref_limit: RefLimit = Refused ["K§2.2, B28, I01"] {
        Refused: Source, "v5.1 and later", "include/linux/mm.h, try_get_page; commit 8fde12ca79af";
        Wraps: Source, "up to v5.0", "CVE-2019-11487, what it mends";
    }

    /// Whether who makes the struct pages of tails read-only waits first for those who walk by frame number: they read a
    /// count, and write it a moment later.
    fold_wait: Switch = On ["K§2.2, B24, I06"] {
        On: Source, "v6.11 and later", "mm/hugetlb_vmemmap.c; commit bd225530a4c7";
        Off: Source, "before v6.11", "commit bd225530a4c7, the race with speculative walkers";
    }

    /// Whether a folio that one PMD maps goes to a device's memory, and comes home, as a whole. It is taken apart first
    /// where all of it is not to go, or there is no room for all of it.
    device_folios: DeviceFolios = Pages ["K§3.7 Era E, K§7.2, K§8.1, K§8.2"] {
        Pages: Source, "up to v6.18", "mm/migrate_device.c, migrate_vma_collect_pmd: a huge page is split";
        Huge: Source, "v6.19 and later",
            "commit d245f9b4ab80; mm/migrate_device.c, migrate_vma_collect_huge_pmd";
    }

    /// What a fault on device-private memory holds while the driver brings the page home. Whoever else maps the page may
    /// fault, too, and then it is freed, and somebody else's, before the driver looks at it.
    fault_ref: FaultRef = UnderLock ["K§8.1, B03, I29"] {
        UnderLock: Source, "v6.1 and later, the lock since v6.15 or so",
            "commit 16ce101db85d (CVE-2022-3523); mm/memory.c, do_swap_page";
        None: Source, "up to v6.0", "commit 16ce101db85d, the race that it mends";
    }

    /// What a fault holds that takes a page back from a device while it sleeps for the lock of the folio. The entry holds a
    /// reference only as long as it is there, and the lock of the table has been given back.
    exclusive_ref: ExclusiveRef = UnderLock ["K§7.1, B08, I29"] {
        UnderLock: Source, "v6.3 and later", "mm/memory.c, remove_device_exclusive_entry; commit 7c7b962938dd";
        None: Source, "v5.14 to v6.2", "commit 7c7b962938dd, what it mends";
    }

    /// Which pages a driver maps that asked for several for its device alone and did not get them all. Its array is as long
    /// as what it asked for, and what was not written there is what the array held before.
    exclusive_partial: ExclusivePartial = Given ["K§7.2, B20, I30"] {
        Given: Source, "v6.0 and later", "lib/test_hmm.c, dmirror_exclusive; commit ed913b055a74";
        Asked: Source, "v5.14 to v5.19", "commit ed913b055a74, what it mends";
    }

    /// Whether a device looks at the notifier's sequence once more before it remembers what hmm_range_fault told it. The
    /// entry may have been changed since it was read, and whoever did that has told the device already.
    mirror_retry: MirrorRetry = Checked ["K§14, I30"] {
        Checked: Source, "every kernel", "mm/mmu_notifier.c, mmu_interval_read_retry; Documentation/mm/hmm.rst";
        Ignored: Derived, "none", "the device would remember an entry that it has been told to forget";
    }

    /// What who moves a page makes of one reference too many when it asks whether anybody else has the page. Device pages
    /// had one more once, and the question still allows for it; the freeze that follows does not.
    migrate_check: MigrateCheck = DeviceSlack ["K§8.2, B36"] {
        DeviceSlack: Source, "every kernel since v6.1", "mm/migrate_device.c, migrate_vma_check_page";
        Exact: Derived, "none", "what the freeze asks for";
    }

    /// How who moves a folio makes sure that nobody else has it. A shrinker that is about to split it may have a reference, and
    /// the folio on a list of its own: who takes the folio off that list, under a lock that protects another one, leaves the
    /// shrinker with what is not there any more.
    migrate_unqueue: MigrateUnqueue = Frozen ["K§7.5, B23, I05"] {
        Frozen: Source, "v6.10 and later", "mm/migrate.c, folio_migrate_mapping; commit be9581ea8c05";
        Checked: Source, "v6.9, of folios without a mapping", "commit be9581ea8c05, what it mends (9bcef5973e31)";
    }

    /// Whether a page walk that wants a reference on what it finds looks at a PMD again under its lock. Without, the folio
    /// may have been moved or split meanwhile, and be free: the mapping's reference, on which the walk relies, has gone.
    walk_pmd: WalkPmd = Locked ["K§7.2, B27, B29, I02"] {
        Locked: Source, "every kernel, where mended", "mm/pagewalk.c, folio_walk_start: the PMD is read again under its lock";
        Stale: Thread, "page walks mended by 33f4751e9960 (v4.7), 99fa8a48203d (v5.13) and CVE-2026-31456",
            "the fixes: a PMD was tested without its lock, and was another one when it was used";
    }

    /// Whether who moves a folio, or takes it apart, looks at each huge entry that maps it again under the lock of the PMD. Who
    /// drops a single page of the range splits the entry and asks nobody who has the folio, or the list of its mappings,
    /// locked.
    rmap_pmd: RmapPmd = Locked ["K§7.2, B27, I26"] {
        Locked: Source, "every kernel, where mended", "mm/huge_memory.c, split_huge_pmd_address: the entry is tested under its lock";
        Stale: Thread, "freeze_page up to v4.6, and tests of huge entries up to v5.12",
            "commits 33f4751e9960 (v4.7) and 99fa8a48203d (v5.13), what they mend";
    }

    /// Whether who splits a mapped folio takes a reference first. The entries that make room for migration entries put
    /// theirs, and with the last of them the folio is freed under whoever splits it.
    split_get: SplitGet = Taken ["K§7.2, K§7.4, B12, I26"] {
        Taken: Source, "every kernel that splits folios",
            "mm/migrate_device.c, migrate_vma_split_unmapped_folio: folio_get in front of the split of the PMD";
        Missing: Thread, "none merged",
            "the note of March 2026 on split_huge_pmd_address with freeze, which consumes a reference";
    }

    /// What a split of a mapped folio does about its mappings before it freezes the count. Whoever unmaps the folio drops
    /// a mapcount and a reference without asking, so nothing may map it while its words change.
    split_unmap: SplitUnmap = MigrationEntries ["K§3.7 Era E, K§7.3, B11, I05"] {
        MigrationEntries: Source, "every kernel",
            "mm/huge_memory.c, unmap_folio; the thread of July 2025: the same for entries of device-private memory";
        StillMapped: Thread, "none; posted in July 2025",
            "thread on zone_device awareness in THP handling, v2 02/11: folio_ref_freeze(folio, 1 + folio_expected_ref_count(folio))";
    }

    /// What a split does when its freeze fails, since somebody else has a reference on the folio.
    split_freeze: SplitFreeze = Checked ["K§7.3, K§7.4, B11, I05"] {
        Checked: Source, "every kernel", "mm/huge_memory.c, folio_ref_freeze in the split of a folio: -EAGAIN";
        Ignored: Thread, "none; posted in July 2025",
            "thread on zone_device awareness in THP handling, July 2025: split_device_private_folio";
    }

    /// In which order a split gives the counts of its parts back. The original head comes last: what named it before
    /// has to name its new head by then.
    split_unfreeze: SplitUnfreeze = HeadLast ["K§7.3, I05, I25"] {
        HeadLast: Source, "every kernel", "mm/huge_memory.c, the loop over new folios, and the head after it";
        HeadFirst: Derived, "none", "a tail that still names a live head gives a reference on it";
    }

    /// Whether who had the reference for a split that has to be tried again has it still. Error paths of callers that
    /// take one more for the call have forgotten to put it.
    split_again: SplitAgain = Kept ["K§7.4, I03"] {
        Kept: Source, "every kernel that splits folios", "mm/huge_memory.c, the error path of the split";
        Lost: Derived, "unverified", "a folio that leaks when the split of an unmapped folio returns -EAGAIN";
    }

    /// How a reference is taken without a lock. The barrier keeps lock-free GUP's second look at the
    /// entry behind the count, where the unmapper looks; without it both can miss each other.
    gup_grab: Barrier = Full ["K§4.1, K§4.3, I24"] {
        Full: Source, "every kernel", "mm/gup.c, try_grab_folio_fast: a value-returning atomic, fully ordered";
        Relaxed: Derived, "none", "the two looks of GUP and the unmapper are a store-buffer test";
    }

    /// How a reference on a folio is dropped. The barrier keeps every use of the page before the count,
    /// so that whoever brings it to zero frees a page that nobody is still using.
    folio_put: Barrier = Full ["K§2.2, I08"] {
        Full: Source, "every kernel", "include/linux/page_ref.h: a value-returning atomic, fully ordered";
        Relaxed: Derived, "none", "a use of the page could pass the put";
    }

    /// How a folio's count leaves zero, once its head, order and mapping are in place: when it is
    /// allocated and when it is unfrozen.
    folio_publish: Publication = Release ["K§2.2, B10, B24, B30, I27"] {
        Release: Source, "every kernel, at unfreeze", "include/linux/page_ref.h, folio_ref_unfreeze";
        Relaxed: Source, "every kernel, at allocation by its owner",
            "include/linux/page_ref.h, set_page_count: whoever looks at the page before is told nothing";
    }

    /// How a reference on a pagemap is dropped in atomic mode. The barrier keeps every use of what the
    /// reference protects before the release callback, which takes it away.
    percpu_put: Barrier = Full ["K§1.3, I13, I14"] {
        Full: Source, "every kernel", "include/linux/percpu-refcount.h: a value-returning atomic, fully ordered";
        Relaxed: Derived, "none", "the release could run before the last use is done";
    }
}
