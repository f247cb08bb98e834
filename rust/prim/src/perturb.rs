//! Random delays at random instructions: a signal makes a thread nap wherever it happens to be.
//!
//! On few cores races have narrow windows. A helper thread sends a real-time signal to registered
//! threads; the handler sleeps for as long as the signal says, up to 1 ms, so the hot path needs no
//! hook. The delay travels in the signal's value and the handler touches nothing else: no state is
//! shared with it. Which thread, when and how long follow from the seed; what that hits does not.
//!
//! A target rests for three naps' time before it is chosen again. Without that a high rate would queue
//! signals faster than a thread can sleep them off, and the thread would never get out of the handler.
//!
//! Off Linux nothing is ever sent.

use core::time::Duration;
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Instant,
};

use crate::{AtomicU64, Machine};

/// Half of the naps are short, to open narrow windows often; half long enough for the others to do a
/// whole chain of operations meanwhile.
const SHORT_NAP_NS: u64 = 100_000;
const MAX_DELAY_NS: u64 = 1_000_000;

/// Sends signals until it is dropped.
#[derive(Debug)]
pub struct Perturber {
    shared: Arc<Shared>,
    helper: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    sent: AtomicU64,
    threads: Mutex<Threads>,
    stop: Condvar,
}

#[derive(Debug, Default)]
struct Threads {
    stopping: bool,
    /// Signals are sent under the lock, so that a thread cannot end (and its id be reused) between
    /// being chosen and being signalled.
    targets: Vec<Target>,
}

#[derive(Debug)]
struct Target {
    id: i32,
    rested_at: Instant,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Perturber {
    /// Starts the helper, which sends up to `rate` signals a second in all as long as
    /// `machine` is not poisoned.
    #[must_use]
    pub fn start(machine: Arc<Machine>, seed: u64, rate: u32) -> Self {
        sys::install_handler();
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let helper = std::thread::spawn(move || send(&machine, &theirs, seed, rate.max(1)));
        Self { shared, helper: Some(helper) }
    }

    /// Makes the calling thread a target for as long as the registration lives.
    #[must_use = "the thread is a target only as long as the registration lives"]
    pub fn register_current(&self) -> Registration {
        let id = sys::current_thread();
        self.shared.lock().targets.push(Target { id, rested_at: Instant::now() });
        Registration {
            shared: Arc::clone(&self.shared),
            id,
            this_thread: core::marker::PhantomData,
        }
    }

    /// Signals sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.shared.sent.read()
    }
}

impl Drop for Perturber {
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.stop.notify_all();
        if let Some(helper) = self.helper.take() {
            // The helper does not panic; if it did, there is nobody left to send signals.
            let _ = helper.join();
        }
    }
}

/// This thread is a target. Stays with the thread.
#[derive(Debug)]
pub struct Registration {
    shared: Arc<Shared>,
    id: i32,
    this_thread: core::marker::PhantomData<*mut ()>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut threads = self.shared.lock();
        if let Some(at) = threads.targets.iter().position(|target| target.id == self.id) {
            threads.targets.swap_remove(at);
        }
    }
}

fn send(machine: &Machine, shared: &Shared, seed: u64, rate: u32) {
    let mut random = SplitMix(seed);
    let mut threads = shared.lock();
    loop {
        // Intervals between 0 and twice the mean.
        let interval = random.below(2_000_000_000 / u64::from(rate) + 1);
        let waited =
            shared.stop.wait_timeout_while(threads, Duration::from_nanos(interval), |threads| {
                !threads.stopping
            });
        threads = waited.unwrap_or_else(PoisonError::into_inner).0;
        if threads.stopping || machine.is_poisoned() {
            return;
        }
        // On busy processors this thread wakes late; whoever is rested gets its nap then.
        let now = Instant::now();
        for target in &mut threads.targets {
            let longest = if random.below(2) == 0 { SHORT_NAP_NS } else { MAX_DELAY_NS };
            let delay = random.below(longest + 1);
            if target.rested_at <= now && sys::signal(target.id, delay) {
                target.rested_at = now + 2 * Duration::from_nanos(delay);
                shared.sent.inc();
            }
        }
    }
}

struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        // High half of the product: uniform enough for delays.
        ((u128::from(z ^ z >> 31) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(target_os = "linux")]
mod sys {
    //! The signal itself. Async-signal-safety: the handler calls `nanosleep` and keeps `errno`.

    use core::{ffi::c_int, mem::zeroed, ptr::null_mut};

    /// glibc keeps the first real-time signals; runtimes like the next few.
    fn number() -> c_int {
        libc::SIGRTMIN() + 7
    }

    extern "C" fn nap(_: c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: the kernel passes a valid siginfo (SA_SIGINFO); `si_value` is set by `signal` below, and
        // anything else's value is clamped. errno is this thread's. nanosleep is async-signal-safe.
        unsafe {
            let errno = libc::__errno_location();
            let saved = *errno;
            let wanted = (*info).si_value().sival_ptr.addr() as u64;
            let delay = wanted.min(super::MAX_DELAY_NS);
            let mut time: libc::timespec = zeroed();
            time.tv_nsec = delay as libc::c_long;
            libc::nanosleep(&raw const time, null_mut());
            *errno = saved;
        }
    }

    /// Idempotent. Stays installed for the life of the process: a signal may be delivered after the
    /// perturber has gone.
    pub(super) fn install_handler() {
        let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut libc::c_void) = nap;
        // SAFETY: a zeroed sigaction is valid; the handler has the SA_SIGINFO signature.
        unsafe {
            let mut action: libc::sigaction = zeroed();
            action.sa_sigaction = handler as libc::sighandler_t;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut action.sa_mask);
            libc::sigaction(number(), &raw const action, null_mut());
        }
    }

    pub(super) fn current_thread() -> i32 {
        // SAFETY: no arguments, always succeeds.
        unsafe { libc::gettid() }
    }

    /// The kernel's siginfo for a queued signal, 64-bit layout.
    #[repr(C)]
    struct QueuedInfo {
        number: c_int,
        errno: c_int,
        code: c_int,
        alignment: c_int,
        pid: libc::pid_t,
        uid: libc::uid_t,
        value: u64,
        rest: [u64; 12],
    }
    const _: () = assert!(size_of::<QueuedInfo>() == size_of::<libc::siginfo_t>());

    /// Sends one signal that carries `delay`; false if the system did not take it.
    pub(super) fn signal(thread: i32, delay: u64) -> bool {
        // SAFETY: a valid siginfo of SI_QUEUE kind; thread ids are looked up by the kernel within our own
        // process, so a stale one is an error, not a fault.
        unsafe {
            let pid = libc::getpid();
            let info = QueuedInfo {
                number: number(),
                errno: 0,
                code: libc::SI_QUEUE,
                alignment: 0,
                pid,
                uid: libc::getuid(),
                value: delay,
                rest: [0; 12],
            };
            let info = &raw const info;
            libc::syscall(libc::SYS_rt_tgsigqueueinfo, pid, thread, number(), info) == 0
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod sys {
    pub(super) fn install_handler() {}

    pub(super) fn current_thread() -> i32 {
        0
    }

    pub(super) fn signal(_thread: i32, _delay: u64) -> bool {
        false
    }
}
