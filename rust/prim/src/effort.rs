//! How much CPU time a thread has used, read by another one.
//!
//! Time on the wall passes for a thread that starves too. A call that goes round in circles is known by what
//! it costs, so whoever watches for one reads this. Off Linux there is only the wall.

use core::time::Duration;

/// The clock of the thread that made it. Readable for as long as that thread lives.
#[derive(Clone, Copy, Debug)]
pub struct Effort(sys::Clock);

impl Effort {
    /// The calling thread's.
    #[must_use]
    pub fn of_this_thread() -> Self {
        Self(sys::Clock::of_this_thread())
    }

    /// CPU time used so far; `None` once the thread is gone.
    #[must_use]
    pub fn used(&self) -> Option<Duration> {
        self.0.read()
    }
}

#[cfg(target_os = "linux")]
mod sys {
    use core::time::Duration;

    #[derive(Clone, Copy, Debug)]
    pub(super) struct Clock(Option<libc::clockid_t>);

    impl Clock {
        pub(super) fn of_this_thread() -> Self {
            let mut id: libc::clockid_t = 0;
            // SAFETY: asks about the calling thread, which lives; `id` is ours.
            let failed = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut id) };
            Self((failed == 0).then_some(id))
        }

        pub(super) fn read(self) -> Option<Duration> {
            let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            // SAFETY: `time` is ours; the clock of a thread that is gone is refused.
            let failed = unsafe { libc::clock_gettime(self.0?, &raw mut time) };
            let seconds = u64::try_from(time.tv_sec).ok()?;
            (failed == 0).then(|| Duration::new(seconds, time.tv_nsec as u32))
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod sys {
    use core::time::Duration;
    use std::time::Instant;

    #[derive(Clone, Copy, Debug)]
    pub(super) struct Clock(Instant);

    impl Clock {
        pub(super) fn of_this_thread() -> Self {
            Self(Instant::now())
        }

        pub(super) fn read(self) -> Option<Duration> {
            Some(self.0.elapsed())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_thread_that_works_uses_time_and_one_that_waits_does_not() {
        let (tell, told) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let waits = std::thread::spawn(move || {
            tell.send(Effort::of_this_thread()).is_ok() && ended.recv().is_ok()
        });
        let theirs = told.recv().expect("the thread tells its clock");
        let mine = Effort::of_this_thread();
        let begun = mine.used().expect("we live");
        while mine.used().expect("we live") < begun + Duration::from_millis(5) {}
        assert!(theirs.used().expect("it lives") < Duration::from_millis(5));
        end.send(()).expect("it waits");
        assert!(waits.join().expect("no panic"));
    }
}
