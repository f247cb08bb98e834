//! What a step does, by the kernel's name for it.

use pgmap_sched::Verb;

macro_rules! verbs {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Positions in `NAMES`.
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Number { $($name),* }
        $($(#[$doc])* pub const $name: Verb = Verb(Number::$name as u8);)*
        const NAMES: &[&str] = &[$($text),*];
    };
}

verbs! {
    READ = "READ_ONCE",
    SET = "WRITE_ONCE",
    ATOMIC_READ = "atomic_read",
    ATOMIC_SET = "atomic_set",
    READ_ACQUIRE = "smp_load_acquire",
    SET_RELEASE = "smp_store_release",
    ADD = "atomic_add",
    SUB = "atomic_sub",
    INC = "atomic_inc",
    DEC = "atomic_dec",
    OR = "atomic_or",
    AND = "atomic_and",
    ADD_RETURN = "atomic_add_return",
    SUB_RETURN = "atomic_sub_return",
    INC_RETURN = "atomic_inc_return",
    DEC_RETURN = "atomic_dec_return",
    FETCH_OR = "atomic_fetch_or",
    FETCH_AND = "atomic_fetch_and",
    XCHG = "xchg",
    SUB_AND_TEST = "atomic_sub_and_test",
    DEC_AND_TEST = "atomic_dec_and_test",
    CMPXCHG = "cmpxchg",
    CMPXCHG_ACQUIRE = "cmpxchg_acquire",
    CMPXCHG_RELEASE = "cmpxchg_release",
    ADD_UNLESS = "atomic_add_unless",
    TEST_AND_SET_BIT = "test_and_set_bit",
    CLEAR_BIT_UNLOCK = "clear_bit_unlock",
    PERCPU_ADD = "this_cpu_add",
    MEMSET = "memset",
    SHOULD_FAIL = "should_failslab",
    SPIN_LOCK = "spin_lock",
    SPIN_TRYLOCK = "spin_trylock",
    SPIN_UNLOCK = "spin_unlock",
    SPIN_IS_LOCKED = "spin_is_locked",
    DOWN_READ = "down_read",
    DOWN_READ_TRYLOCK = "down_read_trylock",
    DOWN_READ_SLOWPATH = "down_read (waited)",
    UP_READ = "up_read",
    DOWN_WRITE = "down_write",
    DOWN_WRITE_TRYLOCK = "down_write_trylock",
    /// A writer that had to wait goes in.
    DOWN_WRITE_SLOWPATH = "down_write (waited)",
    UP_WRITE = "up_write",
    DOWNGRADE_WRITE = "downgrade_write",
    RWSEM_IS_LOCKED = "rwsem_is_locked",
    BIT_SPIN_LOCK = "bit_spin_lock",
    BIT_SPIN_UNLOCK = "__bit_spin_unlock",
    BIT_LOCK = "wait_on_bit_lock",
    BIT_TRYLOCK = "test_and_set_bit_lock",
    BIT_UNLOCK = "clear_and_wake_up_bit",
    BIT_WAIT = "wait_on_bit",
    PREPARE_TO_WAIT = "prepare_to_wait",
    FINISH_WAIT = "finish_wait",
    /// The sleep itself: runs when the sleeper is woken.
    SCHEDULE = "schedule",
    WAKE_UP = "wake_up",
    SIGNAL = "send_sig",
    SIGNAL_PENDING = "signal_pending",
    SECTION_ENTER = "read section begins",
    SECTION_LEAVE = "read section ends",
    SYNCHRONIZE_RCU = "synchronize_rcu",
    SYNC_IRQ = "tlb_remove_table_sync_one",
    FLUSH_TLB = "flush_tlb",
    SMP_MB = "smp_mb",
    /// A store goes into a buffer, or comes out.
    STORE_BUFFER = "store buffer",
    CPU_GET = "get_cpu",
    CPU_PUT = "put_cpu",
    FETCH_ADD_RELAXED = "atomic_fetch_add_relaxed",
    FETCH_ADD_ACQUIRE = "atomic_fetch_add_acquire",
    FETCH_SUB_RELEASE = "atomic_fetch_sub_release",
    /// A task that an oops has killed takes no step.
    DIE = "make_task_dead",
}

/// The kernel's name for it.
#[must_use]
pub fn verb_name(verb: Verb) -> &'static str {
    NAMES.get(usize::from(verb.0)).copied().unwrap_or("?")
}
