//! The same work on several threads at once.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use pgmap_prim::measure::pin_thread;

/// Iterations of what is kept up until all have finished.
const MEANWHILE: u64 = 64;

/// How long each of `threads` threads took for so many iterations of `work`, which gets the thread's number; the first
/// thread is this one. All start at once, and each keeps its load on until the last has finished: otherwise the slower
/// one would end in peace.
pub(super) fn together(
    threads: usize,
    processors: &[usize],
    iterations: u64,
    work: impl Fn(usize, u64) + Sync,
) -> Vec<Duration> {
    let (ready, finished) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let wait_for_all = |count: &AtomicUsize, meanwhile: &dyn Fn()| {
        count.fetch_add(1, SeqCst);
        while count.load(SeqCst) < threads {
            meanwhile();
        }
    };
    let one = |thread: usize| {
        wait_for_all(&ready, &std::hint::spin_loop);
        let start = Instant::now();
        work(thread, iterations);
        let elapsed = start.elapsed();
        wait_for_all(&finished, &|| work(thread, MEANWHILE));
        elapsed
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|thread| {
                let (one, processor) = (&one, processors[thread]);
                scope.spawn(move || {
                    // Unbound threads measure too, with more noise.
                    pin_thread(processor);
                    one(thread)
                })
            })
            .collect();
        let mine = one(0);
        let theirs = others.into_iter().filter_map(|other| other.join().ok());
        std::iter::once(mine).chain(theirs).collect()
    })
}
