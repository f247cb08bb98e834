//! Work on several OS threads whose result does not depend on how many there are.
//!
//! Jobs are numbered in the order in which they are taken. Each thread takes the next one, with a world
//! of its own to do it in, and what comes of it goes to the calling thread, which looks at results strictly
//! in order and says when it has seen enough. Jobs beyond that one may have been done in vain; they are
//! not looked at. There are no more threads than processors, whatever was asked for: more would do the same work, and
//! an end would wait until each of them was heard.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use pgmap_sched::Control;

/// How long the calling thread waits for results before it tells of progress none the less.
const BEAT: Duration = Duration::from_millis(30);

/// A flag that says that nobody wants more results.
#[derive(Debug, Default)]
pub(crate) struct Enough(AtomicBool);

impl Enough {
    /// What a job under way is to do.
    pub(crate) fn control(&self) -> Control {
        // Relaxed: a flag that nothing else hangs on.
        if self.0.load(Ordering::Relaxed) { Control::Stop } else { Control::Go }
    }

    fn say(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Says enough when its thread panics: a result that never comes would be waited for.
struct Last<'a>(&'a Enough);

impl Drop for Last<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.say();
        }
    }
}

/// The processors that this process may use.
#[must_use]
pub fn processors() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Does jobs in parallel and looks at their results in order.
///
/// `bench` makes what a thread needs for all its jobs, on that thread; `work` does one. `look` runs on the
/// calling thread: it is given each result in the order of the jobs, and nothing when there has been none for a
/// while, and may end it all. What jobs under way still come to then is given to `late`, in their order but with
/// gaps.
pub(crate) fn in_order<J: Send, B, R: Send>(
    threads: NonZeroUsize,
    jobs: impl Iterator<Item = J> + Send,
    bench: impl Fn(&Enough) -> B + Sync,
    work: impl Fn(&mut B, J, &Enough) -> R + Sync,
    look: &mut dyn FnMut(Option<R>) -> Control,
    late: &mut dyn FnMut(R),
) {
    let enough = Enough::default();
    let jobs = Mutex::new(jobs.enumerate());
    // Nobody panics with the lock in hand.
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        let (send, results) = channel();
        for _ in 0..threads.min(processors()).get() {
            let (send, enough, next, bench, work) = (send.clone(), &enough, &next, &bench, &work);
            scope.spawn(move || {
                let _last = Last(enough);
                let mut bench = bench(enough);
                while enough.control() == Control::Go
                    && let Some((number, job)) = next()
                {
                    // Nobody listens any more once the calling thread has seen enough.
                    if send.send((number, work(&mut bench, job, enough))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let (mut early, mut due) = (BTreeMap::new(), 0);
        loop {
            let control = match results.recv_timeout(BEAT) {
                Ok((number, result)) => {
                    early.insert(number, result);
                    // The one that is due may be long in coming while others are done: time passes all the same.
                    let mut control =
                        if early.contains_key(&due) { Control::Go } else { look(None) };
                    while control == Control::Go
                        && let Some(result) = early.remove(&due)
                    {
                        due += 1;
                        control = look(Some(result));
                    }
                    control
                }
                Err(RecvTimeoutError::Timeout) => look(None),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if control == Control::Stop {
                break;
            }
        }
        enough.say();
        early.extend(results);
        early.into_values().for_each(late);
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn threads(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).expect("a number above 0")
    }

    #[test]
    fn results_come_in_the_order_of_the_jobs_however_long_each_takes() {
        for n in [1, 2, 5] {
            let mut seen = Vec::new();
            in_order(
                threads(n),
                0..200u64,
                |_| (),
                |(), job, _| {
                    // The first jobs take longest.
                    (0..(200 - job) * 50).for_each(|_| thread::yield_now());
                    job
                },
                &mut |result| {
                    seen.extend(result);
                    Control::Go
                },
                &mut |_| unreachable!("every result was looked at"),
            );
            assert_eq!(seen, (0..200).collect::<Vec<_>>());
        }
    }

    #[test]
    fn nothing_is_looked_at_after_enough_and_endless_jobs_end() {
        let mut seen = Vec::new();
        let mut after = Vec::new();
        in_order(
            threads(3),
            0u64..,
            |_| (),
            |(), job, _| job,
            &mut |result| {
                seen.extend(result);
                if result == Some(40) { Control::Stop } else { Control::Go }
            },
            &mut |result| after.push(result),
        );
        assert_eq!(seen, (0..=40).collect::<Vec<_>>());
        // What was under way by then is not lost, and comes in order.
        assert!(after.is_sorted() && after.iter().all(|&late| late > 40), "{after:?}");
    }

    #[test]
    fn who_looks_can_end_jobs_that_give_no_results() {
        in_order(
            threads(2),
            0u64..,
            |_| (),
            |(), _, enough| {
                while enough.control() == Control::Go {
                    thread::yield_now();
                }
            },
            &mut |result| if result.is_none() { Control::Stop } else { Control::Go },
            &mut |()| {},
        );
    }

    #[test]
    fn there_are_no_more_threads_than_processors() {
        let (made, ended) = (AtomicUsize::new(0), AtomicBool::new(false));
        let bench = |_: &Enough| {
            made.fetch_add(1, Ordering::Relaxed);
            // The end comes while the first are at it.
            while !ended.load(Ordering::Relaxed) {
                thread::yield_now();
            }
        };
        let mut at_the_end = 0;
        in_order(
            threads(64),
            0u64..,
            bench,
            |(), job, _| job,
            &mut |_| {
                at_the_end = made.load(Ordering::Relaxed);
                ended.store(true, Ordering::Relaxed);
                Control::Stop
            },
            &mut |_| {},
        );
        assert!((1..=processors().get()).contains(&at_the_end), "{at_the_end}");
    }

    #[test]
    fn who_looks_is_asked_although_the_result_that_is_due_does_not_come() {
        in_order(
            threads(2),
            0u64..,
            |_| (),
            |(), job, enough| {
                while job == 0 && enough.control() == Control::Go {
                    thread::yield_now();
                }
            },
            &mut |result| if result.is_none() { Control::Stop } else { Control::Go },
            &mut |()| {},
        );
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_panic_in_a_job_is_the_callers() {
        let panics = |(): &mut (), job: u64, _: &Enough| assert!(job != 3);
        in_order(threads(2), 0u64.., |_| (), panics, &mut |_| Control::Go, &mut |()| {});
    }
}
