"""Steps without which nothing breaks, and why that is so.

A step that nothing misses is redundant, or a check or a program is lacking. Each reason says
which, and of which steps it is the reason. What is in no list is not explained yet.
"""

from __future__ import annotations

_REASONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "a process of a program has one thread, so nobody else uses what this guards: "
        "programs with two are lacking",
        (
            "add_unless-workers@get_task_mm",
            "down_read-i_mmap_rwsem@i_mmap_lock_read",
            "down_read-mmap_lock@__get_user_pages",
            "down_read-mmap_lock@do_user_addr_fault",
            "down_read-mmap_lock@mmap_read_lock",
            "down_read-mmap_lock@zap_page_range_single",
            "down_write-mmap_lock#2@fork_mm",
            "down_write-mmap_lock@do_vmi_align_munmap",
            "down_write-mmap_lock@fork_mm",
            "down_write-mmap_lock@mmap",
            "down_write-mmap_lock@move_vma",
            "lock-files_struct#2@fork",
            "lock-files_struct#2@mremap",
            "lock-files_struct#2@munmap",
            "lock-files_struct@exit_files",
            "lock-files_struct@fork",
            "lock-files_struct@mremap",
            "lock-files_struct@munmap",
            "lock-files_struct@slot_of",
            "lock-page_table_lock@do_huge_pmd_anonymous_page",
            "lock-page_table_lock@pte_alloc",
            "lock-pins#2@release_pins",
            "lock-pins@dma",
            "lock-pins@io_sqe_buffers_register",
            "lock-pins@next_pin",
            "lock-pins@pin_number",
            "lock-pins@release_pins",
            "xchg-proc@exit",
        ),
    ),
    (
        "device-dax is in recordings, and no program can make one",
        (
            "publish:set_release-word@vmf_insert_folio_pmd",
            "set-align@dev_dax_probe",
            "set-count@dev_dax_probe",
            "set-dev_dax@dev_dax_probe",
            "set-nlink@dev_dax_probe",
            "set-size@dev_dax_probe",
            "set_index_or_share-folio@dax_set_mapping",
            "set_mapping-folio@dax_set_mapping",
        ),
    ),
    (
        "what a recorder asks for is no operation of a program",
        (
            "down_write-i_rwsem#3@xfs_file_fallocate",
            "down_write-i_rwsem@hog",
            "set-size@hog",
            "set-size@xfs_file_fallocate",
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
            "free-inodes@create",
            "free-maps@memremap_pages",
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
        "a row of the ranges in which get_dev_pagemap looks a frame up, which nothing of this "
        "era's protocol does",
        (
            "lock-pgmap_array@pgmap_array_delete",
            "lock-pgmap_array@pgmap_array_store",
            "set-pagemap@pgmap_array_delete",
            "set-pages@pgmap_array_delete",
            "set-pages@pgmap_array_store",
            "set-start@pgmap_array_store",
            "set_release-pagemap@pgmap_array_store",
        ),
    ),
)

REDUNDANT: dict[str, str] = {step: why for why, steps in _REASONS for step in steps}
