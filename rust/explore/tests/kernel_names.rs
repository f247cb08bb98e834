//! Reports speak the kernel's words: whatever function a report of the catalogue names is one of the kernel's, by the
//! file in which Linux has it, or has a reason to be called otherwise.
//!
//! A function that mirrors one of the kernel's under another name declares it, `#[doc(alias = "folio_put_refs")]`, and
//! a name is declared only if it stands here: a slip of the pen fails, as does a name that nothing bears any more.

use std::collections::BTreeSet;

use pgmap_explore::catalogue::CATALOGUE;
use pgmap_explore::{Ends, Report, Verdict, explore, names, report};
use pgmap_sched::{Control, Plan};

/// The kernel's functions, macros and operations that somebody here goes by.
const KERNEL: &[(&str, &str)] = &[
    (
        "arch/x86/include/asm/pgtable.h",
        "set_pmd_at pmd_clear pte_pfn pte_devmap pte_mkdevmap pte_wrprotect",
    ),
    (
        "drivers/dax/device.c",
        "dev_dax_probe __dev_dax_pmd_fault __dev_dax_pte_fault dev_dax_huge_fault",
    ),
    ("arch/x86/mm/fault.c", "do_user_addr_fault"),
    ("drivers/dax/super.c", "dax_read_lock run_dax kill_dax"),
    (
        "fs/dax.c",
        "dax_iomap_pte_fault dax_iomap_pmd_fault dax_load_hole dax_insert_entry dax_unlock_entry grab_mapping_entry \
         get_next_unlocked_entry wait_entry_unlocked put_unlocked_entry dax_associate_entry dax_disassociate_entry \
         dax_layout_busy_page dax_break_layout dax_break_layout_final wait_page_idle dax_delete_mapping_range \
         dax_folio_reset_order dax_fault_cow_page dax_fault_iter dax_iomap_direct_access __dax_invalidate_entry \
         dax_iomap_iter dax_invalidate_mapping_entry_sync dax_busy_page dax_folio_make_shared dax_folio_put \
         __dax_clear_dirty_range",
    ),
    ("drivers/pci/p2pdma.c", "p2pmem_alloc_mmap"),
    ("fs/file_table.c", "fput __fput"),
    ("fs/inode.c", "iput"),
    ("fs/ioctl.c", "ioctl_file_clone"),
    ("fs/open.c", "do_truncate filp_close"),
    ("fs/pipe.c", "pipe_release"),
    ("fs/xfs/libxfs/xfs_bmap.c", "xfs_bunmapi_range"),
    ("fs/xfs/xfs_bmap_util.c", "xfs_alloc_file_space"),
    (
        "fs/xfs/xfs_file.c",
        "xfs_file_dax_read xfs_file_dax_write xfs_file_fallocate xfs_file_remap_range",
    ),
    ("fs/xfs/xfs_inode.c", "xfs_mmaplock_two_inodes_and_break_dax_layout"),
    ("fs/xfs/xfs_iomap.c", "xfs_dax_write_iomap_end"),
    ("fs/xfs/xfs_mount.h", "xfs_is_shutdown"),
    ("fs/xfs/xfs_notify_failure.c", "xfs_dax_notify_failure xfs_dax_failure_fn"),
    (
        "fs/xfs/xfs_reflink.c",
        "xfs_reflink_remap_blocks xfs_reflink_allocate_cow xfs_reflink_end_cow xfs_reflink_cancel_cow_range \
         xfs_reflink_trim_around_shared",
    ),
    ("include/asm-generic/access_ok.h", "access_ok"),
    ("include/asm-generic/bug.h", "WARN_ON"),
    ("include/asm-generic/memory_model.h", "pfn_to_page page_to_pfn"),
    ("include/linux/completion.h", "reinit_completion"),
    (
        "include/linux/fs.h",
        "i_size_read filemap_invalidate_lock sb_start_pagefault i_mmap_lock_read i_mmap_lock_write vma_is_fsdax",
    ),
    ("drivers/gpu/drm/nouveau/nouveau_svm.c", "nouveau_atomic_range_fault"),
    ("include/linux/gfp.h", "folio_alloc"),
    ("include/linux/iomap.h", "iomap_begin"),
    ("include/linux/leafops.h", "softleaf_to_pfn"),
    ("include/linux/memremap.h", "folio_free page_pgmap"),
    (
        "include/linux/mm.h",
        "folio_put folio_put_refs folio_mapcount folio_order folio_maybe_dma_pinned pfn_folio find_vma pte_offset_map_lock folio_is_longterm_pinnable \
         vma_is_anonymous",
    ),
    ("include/linux/mmap_lock.h", "mmap_read_lock"),
    ("include/linux/page-flags.h", "page_folio folio_test_large"),
    ("include/linux/pagemap.h", "folio_trylock folio_lock __folio_set_locked"),
    (
        "include/linux/page_ref.h",
        "page_ref_count folio_ref_count set_page_count folio_ref_add folio_ref_inc folio_ref_try_add \
         folio_ref_freeze folio_ref_unfreeze folio_try_get",
    ),
    ("include/linux/percpu-defs.h", "this_cpu_add"),
    (
        "include/linux/percpu-refcount.h",
        "percpu_ref_get_many percpu_ref_tryget_many percpu_ref_tryget_live percpu_ref_put_many percpu_ref_is_dying \
         percpu_ref_kill __ref_is_percpu",
    ),
    (
        "include/linux/pgtable.h",
        "ptep_get ptep_get_lockless pmdp_get pmdp_get_lockless ptep_get_and_clear pmdp_huge_get_and_clear \
         set_pte_at pmd_addr_end",
    ),
    ("include/linux/preempt.h", "preempt_count"),
    (
        "include/linux/rmap.h",
        "folio_add_file_rmap_pte folio_add_file_rmap_pmd folio_remove_rmap_pte folio_remove_rmap_pmd",
    ),
    ("include/linux/rwsem.h", "rwsem_is_locked rwsem_is_contended"),
    ("include/linux/smp.h", "smp_processor_id"),
    ("include/linux/srcu.h", "srcu_read_lock srcu_read_unlock"),
    ("include/linux/swapops.h", "make_readable_migration_entry"),
    ("include/linux/wait.h", "waitqueue_active"),
    ("io_uring/rsrc.c", "io_sqe_buffers_register io_sqe_buffers_unregister"),
    ("kernel/exit.c", "exit_mm exit_files"),
    ("kernel/fork.c", "mm_alloc get_task_mm"),
    ("arch/x86/mm/tlb.c", "switch_mm"),
    (
        "kernel/locking/rwsem.c",
        "down_read down_read_trylock down_write down_write_trylock downgrade_write rwsem_mark_wake",
    ),
    ("kernel/rcu/rcu_segcblist.c", "rcu_cblist_dequeue"),
    ("kernel/rcu/srcutree.c", "synchronize_srcu"),
    ("kernel/rcu/tree.c", "call_rcu rcu_barrier"),
    ("kernel/sched/completion.c", "complete_all completion_done wait_for_completion"),
    ("kernel/sched/wait.c", "prepare_to_wait finish_wait"),
    ("kernel/task_work.c", "task_work_add task_work_run"),
    (
        "lib/percpu-refcount.c",
        "percpu_ref_init percpu_ref_exit percpu_ref_switch_to_atomic percpu_ref_switch_to_percpu \
         percpu_ref_kill_and_confirm percpu_ref_is_zero percpu_ref_reinit percpu_ref_resurrect \
         percpu_ref_switch_to_atomic_rcu percpu_count_ptr __percpu_ref_switch_mode __percpu_ref_switch_to_atomic \
         __percpu_ref_switch_to_percpu",
    ),
    (
        "lib/test_hmm.c",
        "dmirror_allocate_chunk dmirror_device_remove_chunks dmirror_devmem_alloc_page dmirror_devmem_fault \
         dmirror_migrate_to_device dmirror_migrate_to_system dmirror_read dmirror_write dmirror_do_read \
         dmirror_range_fault dmirror_exclusive hmm_dmirror_exit",
    ),
    ("lib/xarray.c", "xas_load xa_load"),
    ("mm/filemap.c", "folio_unlock softleaf_entry_wait_on_locked"),
    (
        "mm/gup.c",
        "gup_fast gup_fast_folio_allowed follow_page_mask __get_user_pages get_user_pages pin_user_pages \
         pin_user_pages_fast migrate_longterm_unpinnable_folios unpin_user_pages unpin_user_page_range_dirty_lock \
         try_get_folio try_grab_folio",
    ),
    ("mm/hmm.c", "hmm_range_fault hmm_vma_walk_pmd"),
    (
        "mm/huge_memory.c",
        "vmf_insert_folio_pmd __split_huge_pmd __split_huge_pmd_locked folio_split folio_split_unmapped __folio_split \
         __split_unmapped_folio __split_folio_to_order unmap_folio split_huge_pages_pid copy_huge_pmd \
         do_huge_pmd_anonymous_page do_huge_pmd_wp_page do_huge_pmd_device_private zap_huge_pmd \
         set_pmd_migration_entry remove_migration_pmd deferred_split_folio deferred_split_scan \
         folio_unqueue_deferred_split",
    ),
    ("mm/hugetlb_vmemmap.c", "hugetlb_vmemmap_optimize_folio hugetlb_vmemmap_restore_folio"),
    ("mm/khugepaged.c", "madvise_collapse collapse_huge_page __collapse_huge_page_isolate"),
    ("mm/internal.h", "prep_compound_tail folio_set_order"),
    ("mm/memory-failure.c", "soft_offline_page soft_offline_in_use_page mf_dax_kill_procs"),
    (
        "mm/memory.c",
        "handle_mm_fault vmf_insert_page_mkwrite zap_page_range_single zap_pmd_range zap_pte_range zap_present_ptes \
         zap_nonpresent_ptes do_swap_page vm_normal_page do_cow_fault wp_page_copy copy_pmd_range copy_present_ptes \
         vm_insert_page remove_device_exclusive_entry try_restore_exclusive_pte",
    ),
    (
        "mm/memremap.c",
        "dev_pagemap_percpu_release pgmap_array_delete memremap_pages memunmap_pages get_dev_pagemap free_zone_device_folio",
    ),
    (
        "mm/migrate.c",
        "remove_migration_ptes remove_migration_pte migration_entry_wait pmd_migration_entry_wait folio_migrate_mapping do_pages_move",
    ),
    (
        "mm/migrate_device.c",
        "migrate_vma_setup migrate_vma_collect migrate_vma_unmap migrate_vma_pages migrate_vma_insert_page \
         migrate_vma_collect_huge_pmd migrate_vma_check_page migrate_device_finalize migrate_device_range",
    ),
    ("mm/page_alloc.c", "free_frozen_pages"),
    (
        "mm/memremap.c, as proposed",
        "pgmap_alloc_folios pgmap_folio_get pgmap_request_folios pgmap_release_folios",
    ),
    (
        "mm/mmu_gather.c",
        "tlb_gather_mmu tlb_finish_mmu tlb_flush_mmu tlb_flush_mmu_tlbonly tlb_end_vma tlb_remove_table \
         __tlb_remove_folio_pages \
         __tlb_remove_table_free",
    ),
    ("mm/page_alloc.c", "prep_compound_page"),
    (
        "mm/mmu_notifier.c",
        "mmu_interval_notifier_insert mmu_interval_read_begin mmu_interval_read_retry mmu_notifier_invalidate_range_start \
         mmu_notifier_invalidate_range_end __mmu_notifier_release",
    ),
    ("mm/mremap.c", "move_vma move_page_tables move_huge_pmd move_normal_pmd move_ptes"),
    ("mm/pagewalk.c", "walk_pmd_range folio_walk_start"),
    (
        "mm/pgtable-generic.c",
        "pmdp_invalidate pgtable_trans_huge_deposit pgtable_trans_huge_withdraw",
    ),
    (
        "mm/rmap.c",
        "try_to_migrate try_to_migrate_one unlink_anon_vmas __folio_set_anon make_device_exclusive",
    ),
    ("mm/slub.c", "kmem_cache_alloc kmem_cache_free"),
    ("mm/truncate.c", "invalidate_inode_pages2_range"),
    ("mm/util.c", "folio_anon_vma"),
    (
        "mm/vma.c",
        "do_vmi_align_munmap vms_gather_munmap_vmas vms_complete_munmap_vmas __split_vma unlink_file_vma",
    ),
];

/// What a report calls otherwise, and why.
const OUR_OWN: &[(&str, &str)] = &[
    ("cpu_access", "a load or store of the process itself: no function of the kernel's"),
    ("touch", "loads or stores of the process itself: no function of the kernel's"),
    (
        "munmap",
        "what the mmap of a device's file undoes is a munmap here, where the kernel never shows the mapping",
    ),
    ("flush_tlb", "each architecture has its own name for it, x86-64 flush_tlb_mm_range"),
];

fn kernel() -> BTreeSet<&'static str> {
    KERNEL.iter().flat_map(|(_, names)| names.split_whitespace()).collect()
}

/// The report of each way in which an entry of the catalogue fails.
fn reports() -> impl Iterator<Item = (&'static str, Report)> {
    let failing = CATALOGUE.known.iter().filter(|known| known.race.kind.fails());
    failing.map(|known| {
        let name = known.race.name.as_str();
        let plan = Plan { bound: Some(known.preemptions), ..Plan::default() };
        let verdict = explore(&known.wrong(), &plan, Ends::Any, &mut |_| Control::Go);
        let Ok(Verdict::Found { found, .. }) = verdict else { panic!("{name}: {verdict:?}") };
        let scenario = found.scenario(&known.wrong());
        (name, report(&scenario, &found, &mut || Control::Go).expect("it can be run again"))
    })
}

#[test]
fn a_function_that_a_report_names_is_the_kernels_or_has_a_reason() {
    let kernel = kernel();
    let own = |name: &str| OUR_OWN.iter().any(|(own, _)| *own == name);
    let (mut named, mut wrong) = (BTreeSet::new(), BTreeSet::new());
    for (race, report) in reports() {
        let rows = report.rows.iter().filter_map(|row| row.function.map(str::to_owned));
        let culprits = [&report.taken_by, &report.freed_by].into_iter().flatten();
        for name in rows.chain(culprits.map(|by| by.function.clone())) {
            if !kernel.contains(name.as_str()) && !own(&name) {
                wrong.insert(format!("{name} ({race})"));
            }
            named.insert(name);
        }
    }
    assert!(wrong.is_empty(), "no name of the kernel's, and no reason given: {wrong:#?}");
    assert!(named.len() > 40, "{named:?}");
    for (own, why) in OUR_OWN {
        assert!(named.contains(*own), "no report calls anything {own} any more ({why})");
    }
}

#[test]
fn a_declared_name_is_a_name_of_the_kernels_and_each_of_those_is_borne() {
    let kernel = kernel();
    let unknown: Vec<_> = names::kernel_names().iter().filter(|it| !kernel.contains(*it)).collect();
    assert!(unknown.is_empty(), "declared, but not among the kernel's names here: {unknown:?}");
    // A declaration of a trait's has no body, and no steps.
    let borne: BTreeSet<&str> =
        names::functions().chain(names::kernel_names().iter().copied()).collect();
    let nobody: Vec<_> = kernel.iter().filter(|it| !borne.contains(*it)).collect();
    assert!(nobody.is_empty(), "no function goes by {nobody:?}");
}
