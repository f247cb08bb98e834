//! Random delays at random instructions: a signal makes a thread nap wherever it happens to be.
//!
//! On few cores races have narrow windows. Each registered thread gets a timer of its own that
//! interrupts it after a random time; the handler sleeps for a random time and sets the timer anew, so
//! the hot path needs no hook and no other thread has to be scheduled for it. How long is drawn from
//! the seed; what that hits is not.
//!
//! A handler runs only while its [`Registration`] lives, and on the thread that owns it: dropping one
//! blocks the signal, deletes the timer and swallows what is still pending before the state goes.
//!
//! Off Linux nothing ever naps.

use std::sync::Arc;

use crate::AtomicU64;

/// However high the rate, a thread gets this much done between two naps, in the mean.
const SHORTEST_AWAKE_NS: u64 = 20_000;
/// Half of the naps are short, to open narrow windows often; half long enough for the others to do a
/// whole chain of operations meanwhile.
#[cfg(target_os = "linux")]
const SHORT_NAP_NS: u64 = 100_000;
#[cfg(target_os = "linux")]
const LONG_NAP_NS: u64 = 1_000_000;

/// What the perturbed threads of a run have in common.
#[derive(Debug)]
pub struct Perturber {
    seed: u64,
    /// Mean time awake between two naps.
    awake_ns: u64,
    registered: AtomicU64,
    naps: Arc<AtomicU64>,
}

impl Perturber {
    /// Threads registered here nap about `rate` times per second of being awake (at least once).
    #[must_use]
    pub fn new(seed: u64, rate: u32) -> Self {
        let awake_ns = (1_000_000_000 / u64::from(rate.max(1))).max(SHORTEST_AWAKE_NS);
        Self { seed, awake_ns, registered: AtomicU64::new(0), naps: Arc::default() }
    }

    /// Makes the calling thread nap for as long as the registration lives.
    #[must_use = "the thread naps only as long as the registration lives"]
    pub fn register_current(&self) -> Registration {
        let nth = self.registered.inc_return();
        let seed = self.seed ^ nth.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Registration { _timer: sys::Timer::start(seed, self.awake_ns, Arc::clone(&self.naps)) }
    }

    /// Naps taken so far.
    #[must_use]
    pub fn naps(&self) -> u64 {
        self.naps.read()
    }
}

/// This thread naps. Stays with the thread.
#[derive(Debug)]
pub struct Registration {
    _timer: Option<sys::Timer>,
}

#[cfg(target_os = "linux")]
mod sys {
    //! The timer and its signal. Async-signal-safety: the handler calls `nanosleep` and
    //! `timer_settime`, keeps `errno`, and touches nothing but its own [`Target`].

    use core::{cell::Cell, ffi::c_int, marker::PhantomData, mem::zeroed, ptr::null_mut};
    use std::sync::Arc;

    use super::{LONG_NAP_NS, SHORT_NAP_NS};
    use crate::{AtomicU64, SplitMix64};

    /// What the handler finds behind the signal's value.
    #[derive(Debug)]
    struct Target {
        timer: Cell<libc::timer_t>,
        random: Cell<SplitMix64>,
        awake_ns: u64,
        naps: Arc<AtomicU64>,
    }

    /// A running timer of this thread. Not `Send`: its signal goes to the thread that made it.
    #[derive(Debug)]
    pub(super) struct Timer {
        target: Box<Target>,
        this_thread: PhantomData<*mut ()>,
    }

    /// glibc keeps the first real-time signals; runtimes like the next few.
    fn number() -> c_int {
        libc::SIGRTMIN() + 7
    }

    impl Target {
        fn below(&self, bound: u64) -> u64 {
            let mut random = self.random.get();
            let drawn = random.below_u64(bound);
            self.random.set(random);
            drawn
        }

        /// Fires once, between now and twice the mean from now.
        fn arm(&self) {
            let delay = 1 + self.below(2 * self.awake_ns);
            // SAFETY: the timer exists until `Timer::drop`; a zeroed itimerspec is valid.
            unsafe {
                let mut time: libc::itimerspec = zeroed();
                time.it_value = timespec(delay);
                libc::timer_settime(self.timer.get(), 0, &raw const time, null_mut());
            }
        }
    }

    fn timespec(ns: u64) -> libc::timespec {
        // SAFETY: a zeroed timespec is valid; both fields are set below.
        let mut time: libc::timespec = unsafe { zeroed() };
        time.tv_sec = (ns / 1_000_000_000) as libc::time_t;
        time.tv_nsec = (ns % 1_000_000_000) as libc::c_long;
        time
    }

    extern "C" fn nap(_: c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: the kernel passes a valid siginfo (SA_SIGINFO). Only signals of a timer carry a Target;
        // they come to the thread that owns it and never after `Timer::drop` has returned. errno is this
        // thread's; nanosleep is async-signal-safe.
        unsafe {
            if (*info).si_code != libc::SI_TIMER {
                return;
            }
            let target = &*(*info).si_value().sival_ptr.cast::<Target>();
            let errno = libc::__errno_location();
            let saved = *errno;
            let longest = if target.below(2) == 0 { SHORT_NAP_NS } else { LONG_NAP_NS };
            let time = timespec(1 + target.below(longest));
            libc::nanosleep(&raw const time, null_mut());
            target.naps.inc();
            target.arm();
            *errno = saved;
        }
    }

    impl Timer {
        /// None when the system has no timer to spare.
        pub(super) fn start(seed: u64, awake_ns: u64, naps: Arc<AtomicU64>) -> Option<Self> {
            let timer = Cell::new(null_mut());
            let target = Box::new(Target {
                timer,
                random: Cell::new(SplitMix64::new(seed)),
                awake_ns,
                naps,
            });
            let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut libc::c_void) = nap;
            // SAFETY: zeroed sigaction and sigevent are valid; the handler has the SA_SIGINFO signature; the
            // Target is boxed, so its address is good until `drop`. Installing the handler again is harmless.
            unsafe {
                let mut action: libc::sigaction = zeroed();
                action.sa_sigaction = handler as libc::sighandler_t;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
                libc::sigemptyset(&raw mut action.sa_mask);
                libc::sigaction(number(), &raw const action, null_mut());
                let mut event: libc::sigevent = zeroed();
                event.sigev_notify = libc::SIGEV_THREAD_ID;
                event.sigev_signo = number();
                event.sigev_value.sival_ptr = (&raw const *target).cast_mut().cast();
                event.sigev_notify_thread_id = libc::gettid();
                let made = libc::timer_create(
                    libc::CLOCK_MONOTONIC,
                    &raw mut event,
                    target.timer.as_ptr(),
                );
                if made != 0 {
                    return None;
                }
            }
            target.arm();
            Some(Self { target, this_thread: PhantomData })
        }
    }

    impl Drop for Timer {
        fn drop(&mut self) {
            // SAFETY: this is the thread the signal goes to. While it is blocked no handler runs; after
            // timer_delete nothing new is queued; what was queued is swallowed. Only then does the Target go.
            unsafe {
                let mut ours: libc::sigset_t = zeroed();
                let mut before: libc::sigset_t = zeroed();
                libc::sigemptyset(&raw mut ours);
                libc::sigaddset(&raw mut ours, number());
                libc::pthread_sigmask(libc::SIG_BLOCK, &raw const ours, &raw mut before);
                libc::timer_delete(self.target.timer.get());
                let now = timespec(0);
                while libc::sigtimedwait(&raw const ours, null_mut(), &raw const now) == number() {}
                libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, null_mut());
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod sys {
    use std::sync::Arc;

    use crate::AtomicU64;

    #[derive(Debug)]
    pub(super) struct Timer;

    impl Timer {
        pub(super) fn start(_seed: u64, _awake_ns: u64, _naps: Arc<AtomicU64>) -> Option<Self> {
            None
        }
    }
}
