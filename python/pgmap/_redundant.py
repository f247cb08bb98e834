"""Steps without which nothing breaks, and why that is so.

A step that nothing misses is redundant, or a check or a program is lacking. Each reason says
which, and of which steps it is the reason. What is in no list is not explained yet.
"""

from __future__ import annotations

_REASONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "a worker's pins are its own, and threads do not use each other's: the lock is for whoever "
        "looks at all of them",
        (
            "lock-pins#2@release_pins",
            "lock-pins@dma",
            "lock-pins@io_sqe_buffers_register",
            "lock-pins@keep_buffer",
            "lock-pins@next_pin",
            "lock-pins@pin_number",
            "lock-pins@pins_held",
            "lock-pins@release_buffer",
            "lock-pins@release_pins",
        ),
    ),
    (
        "an extent is one word here, and who changes the same one is kept out by i_rwsem and "
        "invalidate_lock, or has the entry; the kernel's extents are a tree, which needs its lock",
        (
            "down_read-extent_lock@iomap_begin",
            "down_write-extent_lock#2@iomap_begin",
            "down_write-extent_lock#2@xfs_reflink_remap_blocks",
            "down_write-extent_lock@give_block",
            "down_write-extent_lock@unwrite_blocks",
            "down_write-extent_lock@xfs_alloc_file_space",
            "down_write-extent_lock@xfs_bunmapi_range",
            "down_write-extent_lock@xfs_reflink_allocate_cow",
            "down_write-extent_lock@xfs_reflink_cancel_cow_range",
            "down_write-extent_lock@xfs_reflink_end_cow",
            "down_write-extent_lock@xfs_reflink_remap_blocks",
        ),
    ),
    (
        "files are made before anything runs at the same time, on a device that nobody has written",
        (
            "lock-directory@create_file",
            "lock-directory@name_lookup",
            "set-cloned@evict",
            "take_block:set@xfs_alloc_file_space",
        ),
    ),
    (
        "whoever puts the page on a list writes the word anew, and nobody reads it before",
        ("set-private@init_page",),
    ),
    (
        "nobody is in the child yet, and who comes to its page tables by rmap takes no mmap_lock",
        ("down_write-mmap_lock#2@fork_mm",),
    ),
    (
        "the whole block is overwritten at once with what it is a copy of",
        (
            "take_block:set@give_block",
            "take_block:set@xfs_reflink_allocate_cow",
        ),
    ),
    (
        "the page was set to zero, and reads as zero whether it is called written or not: the word "
        "saves a kernel the writing",
        ("or-extent_word@unwrite_blocks",),
    ),
    (
        "without the wait whoever waits asks again and again, and goes on as soon as it may: "
        "nothing but time is lost",
        (
            "lock-page_table_lock@pmd_migration_entry_wait",
            "lock-page_table_lock@wait_for_pmd",
            "wait_event_exclusive-key@wait_entry_unlocked",
            "wait_var_event-flags@softleaf_entry_wait_on_locked",
        ),
    ),
    (
        "only who has the entry locked changes its slot, and a sleeper here looks at the slot "
        "again after it has queued: the kernel's looks before, under this lock",
        (
            "lock-i_pages@dax_insert_entry",
            "lock-i_pages@dax_unlock_entry",
        ),
    ),
    (
        "one word is read, which was right when it was read",
        (
            "lock-driver_free_pool@has_own",
            "lock-files_struct@is_slow_block",
            "lock-i_pages@dax_delete_mapping_range",
            "lock-i_pages@scan_entries",
        ),
    ),
    (
        "what a pread finds is told to nobody: a check is lacking",
        ("down_read-i_rwsem@xfs_file_dax_read",),
    ),
    (
        "a page is one word here: a write and a zeroing of it leave one or the other, in any order",
        ("down_write-i_rwsem#2@xfs_file_fallocate",),
    ),
    (
        "looks at a machine at rest",
        (
            "down_read-mmap_lock@find_vma",
            "down_read-mmap_lock@mapped",
            "lock-driver_free_pool@allocated",
            "lock-i_pages@nrpages",
            "lock-zone_lock@used",
        ),
    ),
    (
        "makes the machine, or a driver, before anything runs at the same time",
        (
            "lock-driver_free_pool@load",
            "set-more_groups@set_allocation_groups",
        ),
    ),
    (
        "no kernel of this era has folios of a device in it that are more than a page: "
        "`device-folios` is v6.19's",
        (
            "invalidate-word@set_pmd_migration_entry",
            "lock-driver_free_pool@alloc",
            "lock-driver_free_pool@make_folios",
            "lock-page_table_lock@do_huge_pmd_device_private",
            "lock-page_table_lock@migrate_vma_collect_huge_pmd",
            "lock-page_table_lock@remove_migration_pmd",
            "publish:set_release-word#3@__split_huge_pmd_locked",
            "publish:set_release-word@remove_migration_pmd",
            "publish:set_release-word@set_pmd_migration_entry",
        ),
    ),
    (
        "what other eras do, and this one does not: under its rules nothing comes here",
        (
            "add-count@pgmap_request_folios",
            "add-pincount@try_grab_folio",
            "down_read-i_mmap_rwsem@is_mapped",
            "get_and_clear:set-word@pmdp_huge_get_and_clear",
            "get_and_clear:set-word@ptep_get_and_clear",
            "lock_shares#2@dax_disassociate_entry",
            "mark_shared-folio@dax_folio_make_shared",
            "put_folio:set@dax_associate_entry",
            "rcu_read_lock-cpu@get_dev_pagemap",
            "reset_folio:set@dax_disassociate_entry",
            "set_index_or_share-folio#2@dax_folio_make_shared",
            "set_mapping-folio#2@dax_associate_entry",
        ),
    ),
    (
        "the faithful era's unbind, which freezes the file system: the sound one shuts it down "
        "first",
        (
            "lock-i_pages@mf_dax_kill_procs",
            "set-shutdown@xfs_dax_notify_failure",
            "store_locked-slot@mf_dax_kill_procs",
            "wait_event-shutdown@sb_start_pagefault",
            "wake_up_all-shutdown@xfs_dax_notify_failure",
        ),
    ),
    (
        "the faithful era's write, which takes entries away before it unmaps: the sound one keeps "
        "faults out meanwhile",
        (
            "clean-slot@__dax_clear_dirty_range",
            "lock-i_pages@__dax_clear_dirty_range",
            "lock-i_pages@invalidate_inode_pages2_range",
            "remove-slot@invalidate_inode_pages2_range",
            "wake_up_all-slot@invalidate_inode_pages2_range",
        ),
    ),
    (
        "a call of stress, of a recorder or of a `World`, and no operation of a program",
        (
            "down_write-i_rwsem#3@xfs_file_fallocate",
            "down_write-i_rwsem@hog",
            "inc_return-clock@advance_clock",
            "lock-pipe@oldest_is_gone",
            "set-contents#2@cpu_access",
            "set-contents@dev_claim",
            "set-size@hog",
            "set-size@xfs_file_fallocate",
        ),
    ),
    (
        "what is inside takes one step here: no grace period ends in its middle",
        (
            "run-leaf@percpu_ref_get_many",
            "run-leaf@percpu_ref_put_many",
            "run-leaf@percpu_ref_tryget_live",
        ),
    ),
    (
        "a reference is killed once, by who has the device's lock, and is switched and given up by "
        "nobody else",
        (
            "and-modes@percpu_ref_switch_to_atomic_rcu",
            "lock-percpu_ref_switch_lock@percpu_ref_exit",
            "lock-percpu_ref_switch_lock@percpu_ref_kill_and_confirm",
            "or-percpu_count_ptr@__percpu_ref_switch_to_atomic",
            "set-confirm_switch@__percpu_ref_switch_to_atomic",
            "set-confirm_switch@percpu_ref_init",
            "set-percpu_count_ptr@percpu_ref_exit",
            "set-percpu_count_ptr@percpu_ref_switch_to_atomic_rcu",
            "set_release-confirm_switch@percpu_ref_switch_to_atomic_rcu",
            "wake_up_all-confirm_switch@percpu_ref_switch_to_atomic_rcu",
        ),
    ),
    (
        "a PTE holds a reference, which is put behind the flush whoever else flushes: the count is "
        "for entries that hold none, as up to v6.12",
        (
            "dec-gathers@tlb_finish_mmu",
            "inc_return-gathers@tlb_gather_mmu",
        ),
    ),
    (
        "GUP-fast looks again at the PMD and the PTE after it has its reference: what it has read "
        "of a table that is gone it forgets. A kernel's table is unmapped memory by then, which is "
        "no memory here",
        (
            "local_irq_save-cpu@gup_fast",
            "sync_irq@__tlb_remove_table_free",
            "sync_irq@tlb_remove_table",
        ),
    ),
    (
        "of two faults on one huge range the DAX entry lets one through, and an unmap is kept out "
        "by mmap_lock and invalidate_lock",
        ("lock-page_table_lock@vmf_insert_folio_pmd",),
    ),
    (
        "the driver asks under its own lock, so of two who ask for one range one comes here: "
        "rust/mm/tests/alloc_folios.rs has more",
        (
            "bit_spin_lock-claims@claim",
            "bit_spin_lock-claims@claim_others",
        ),
    ),
    (
        "device-dax is in recordings, and no program can make one",
        (
            "set-align@dev_dax_probe",
            "set-count@dev_dax_probe",
            "set-dev_dax@dev_dax_probe",
            "set-nlink@dev_dax_probe",
            "set-shift@memremap_pages",
            "set-size@dev_dax_probe",
            "set_index_or_share-folio@dax_set_mapping",
            "set_mapping-folio@dax_set_mapping",
        ),
    ),
    (
        "programs kill a reference and never switch it back or revive it: "
        "rust/mm/tests/percpu_ref.rs does",
        (
            "add-count@__percpu_ref_switch_to_percpu",
            "add-count@percpu_ref_get_many",
            "add_unless-count@percpu_ref_tryget_many",
            "and-modes@percpu_ref_switch_to_percpu",
            "and-percpu_count_ptr@percpu_ref_resurrect",
            "lock-percpu_ref_switch_lock@__percpu_ref_switch_mode",
            "lock-percpu_ref_switch_lock@percpu_ref_is_zero",
            "lock-percpu_ref_switch_lock@percpu_ref_resurrect",
            "lock-percpu_ref_switch_lock@percpu_ref_switch_to_atomic",
            "lock-percpu_ref_switch_lock@percpu_ref_switch_to_percpu",
            "or-modes@__percpu_ref_switch_to_percpu",
            "or-modes@percpu_ref_switch_to_atomic",
            "percpu_add-cpu@percpu_ref_tryget_many",
            "run-leaf@percpu_ref_tryget_many",
            "set_release-percpu_count_ptr@__percpu_ref_switch_to_percpu",
            "wait_event-confirm_switch@__percpu_ref_switch_mode",
        ),
    ),
    (
        "is called where memory is short, and no program is short of it: "
        "rust/mm/tests/faults.rs is",
        (
            "free-counters@percpu_ref_init",
            "free-counters@percpu_ref_exit",
            "free-inodes@create",
            "free-maps@memremap_pages",
            "free-pipes@pipe",
            "free-procs@fork",
            "free-procs@new_proc",
            "set-count@folio_put_refs",
        ),
    ),
    (
        "the emulator's own record, by which it finds a mistake or finds it sooner; "
        "nothing of the kernel's",
        (
            "add-shadow_unplug@memunmap_pages",
            "check_idle@dax_associate_entry",
            "check_no_user@xfs_bunmapi_range",
            "lock-block_allocator@used",
            "set-epoch@fill",
            "set-generation@fill",
            "set-region@touch",
            "set-summaries@tlb_fill",
            "set-tag@fill",
        ),
    ),
    (
        "waits for GUP-fast before a complaint is made of a count that is one where a "
        "page is free, as in v6.1 and v6.12 only",
        (
            "put_folio:sync_irq@dax_associate_entry",
            "put_folio:sync_irq@dax_disassociate_entry",
            "take_block:sync_irq@xfs_reflink_allocate_cow",
            "take_block:sync_irq@give_block",
            "take_block:sync_irq@iomap_begin",
            "take_block:sync_irq@xfs_alloc_file_space",
        ),
    ),
    (
        "the memory here is sequentially consistent, or x86's, where an atomic that tells "
        "its result is a barrier: rust/mm-weak",
        (
            "smp_mb_after_atomic@try_grab_folio",
            "smp_mb_after_atomic@try_grab_folio_fast",
        ),
    ),
    (
        "the word says so already in every program: who gave the folio up has reset it, "
        "or it is the frame's first life; each of the two resets covers for the other",
        (
            "set-extra@dax_folio_reset_order",
            "set-extra@prep_compound_tail",
            "set-flags@prep_compound_tail",
            "set-index@dax_folio_reset_order",
            "set-index@prep_compound_page",
            "set-index@prep_compound_tail",
            "set-mapcount@prep_compound_page",
            "set-mapcount@prep_compound_tail",
            "set-mapping@__split_folio_to_order",
            "set-mapping@dax_folio_reset_order",
            "set-mapping@prep_compound_page",
            "set-mapping@prep_compound_tail",
            "set-private@dax_folio_reset_order",
            "set-private@prep_compound_tail",
            "set_mapping-folio@free_frozen_pages",
            "set_mapping-folio@free_zone_device_folio",
        ),
    ),
    (
        "without it the set-up of every program that takes it fails: that is the break",
        (
            "publish:set_release-word@do_huge_pmd_anonymous_page",
            "set-word@load",
        ),
    ),
    (
        "nothing of this era's protocol looks a frame up in the ranges, and the device's lock lets "
        "one at a time change them",
        (
            "lock-pgmap_array@pgmap_array_delete",
            "lock-pgmap_array@pgmap_array_store",
            "synchronize_rcu@pgmap_array_delete",
        ),
    ),
)

REDUNDANT: dict[str, str] = {step: why for why, steps in _REASONS for step in steps}
