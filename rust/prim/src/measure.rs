//! What a benchmark needs from below the language: references the compiler knows nothing about, and a
//! place to run.
//!
//! Linux: `OPTIMIZER_HIDE_VAR`, `sched_setaffinity`. Not part of the protocol's door: nothing in `mm` may use
//! this, and no other task can observe it.

use core::arch::asm;

/// The same reference, of unknown origin: what was read or written through it before cannot be
/// folded into what follows. Costs no instruction; `std::hint::black_box` would go through memory.
#[inline(always)]
#[must_use]
#[expect(clippy::pointers_in_nomem_asm_block, reason = "nothing is read or written through it")]
pub fn opaque<T>(value: &T) -> &T {
    let mut pointer = core::ptr::from_ref(value);
    // SAFETY: an empty instruction sequence; the register is said to change but does not, so the
    // pointer is still the reference it was made from.
    unsafe {
        asm!("/* {0} */", inout(reg) pointer, options(nomem, nostack, preserves_flags));
        &*pointer
    }
}

/// The processors this thread may run on, ascending; empty where that cannot be asked.
#[must_use]
pub fn allowed_processors() -> Vec<usize> {
    sys::allowed()
}

/// Binds the calling thread to one processor. False where that cannot be done.
pub fn pin_thread(processor: usize) -> bool {
    sys::bind(&[processor])
}

/// Lets the calling thread run on any of these processors again.
pub fn unpin_thread(processors: &[usize]) -> bool {
    sys::bind(processors)
}

#[cfg(target_os = "linux")]
mod sys {
    fn empty() -> libc::cpu_set_t {
        // SAFETY: a cpu_set_t is an array of integers.
        unsafe { core::mem::zeroed() }
    }

    pub(super) fn allowed() -> Vec<usize> {
        let mut set = empty();
        // SAFETY: 0 is the calling thread; the kernel writes at most the given size.
        let got = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) };
        if got != 0 {
            return Vec::new();
        }
        let processors = 0..8 * size_of::<libc::cpu_set_t>();
        // SAFETY: every index asked about is inside the set.
        processors.filter(|&processor| unsafe { libc::CPU_ISSET(processor, &set) }).collect()
    }

    pub(super) fn bind(processors: &[usize]) -> bool {
        let mut set = empty();
        for &processor in processors.iter().filter(|&&p| p < 8 * size_of::<libc::cpu_set_t>()) {
            // SAFETY: the index is inside the set.
            unsafe { libc::CPU_SET(processor, &mut set) };
        }
        // SAFETY: 0 is the calling thread; the kernel reads the given size. An empty set is refused.
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) == 0 }
    }
}

#[cfg(not(target_os = "linux"))]
mod sys {
    pub(super) fn allowed() -> Vec<usize> {
        Vec::new()
    }

    pub(super) fn bind(_processors: &[usize]) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opaque_value_is_the_value() {
        let word = 7_u64;
        assert_eq!(*opaque(&word), 7);
    }

    #[test]
    fn a_thread_bound_to_a_processor_may_run_nowhere_else_until_it_is_let_go() {
        let all = allowed_processors();
        let Some(&last) = all.last() else { return };
        assert!(pin_thread(last));
        assert_eq!(allowed_processors(), [last]);
        assert!(unpin_thread(&all));
        assert_eq!(allowed_processors(), all);
    }

    #[test]
    fn a_processor_that_cannot_exist_is_refused() {
        assert!(!pin_thread(usize::MAX));
    }
}
