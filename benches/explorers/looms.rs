//! The models on loom, over its atomics.
//!
//! As for shuttle, the first thread does a share of the work itself. No subscriber is installed and no
//! location is captured, so loom logs nothing. Loom also explores which store a load reads from, and
//! leaves out executions that differ in nothing: its executions are other ones, so only their rate is
//! compared and not how many there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32 as Plain, AtomicU64 as Counter, Ordering::Relaxed};

use loom::model::Builder;
use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use loom::thread;

use crate::rounds::Work;
use crate::{Inc, WORDS};

struct Object {
    count: AtomicU32,
    alive: AtomicBool,
    frees: Plain,
}

impl Object {
    fn get(&self, inc: Inc) -> bool {
        if inc == Inc::Blind {
            self.count.fetch_add(1, SeqCst);
            return true;
        }
        let mut seen = self.count.load(SeqCst);
        while seen != 0 {
            match self.count.compare_exchange(seen, seen + 1, SeqCst, SeqCst) {
                Ok(_) => return true,
                Err(found) => seen = found,
            }
        }
        false
    }

    fn put(&self) {
        if self.count.fetch_sub(1, SeqCst) == 1 {
            self.alive.store(false, SeqCst);
            self.frees.fetch_add(1, Relaxed);
        }
    }

    fn take(&self, inc: Inc) {
        if self.get(inc) {
            assert!(self.alive.load(SeqCst), "used after it was freed");
            self.put();
        }
    }
}

/// The get/put/free model.
pub(crate) fn get_put(inc: Inc) {
    let object = Arc::new(Object {
        count: AtomicU32::new(1),
        alive: AtomicBool::new(true),
        frees: Plain::new(0),
    });
    let takers = [(); 2].map(|()| {
        let object = Arc::clone(&object);
        thread::spawn(move || object.take(inc))
    });
    object.put();
    takers.into_iter().for_each(|taker| taker.join().expect("a taker that returned"));
    assert_eq!(object.frees.load(Relaxed), 1, "freed once");
}

/// Two tasks that load and add in turn, over words that they share.
pub(crate) fn two_tasks(atomics: usize) {
    let words: Arc<[AtomicU64; WORDS]> = Arc::new(std::array::from_fn(|_| AtomicU64::new(0)));
    let work = move |words: &[AtomicU64; WORDS]| {
        for n in 0..atomics / 2 {
            let word = &words[n % WORDS];
            if n % 2 == 0 {
                std::hint::black_box(word.load(SeqCst));
            } else {
                word.fetch_add(1, SeqCst);
            }
        }
    };
    let theirs = Arc::clone(&words);
    let other = thread::spawn(move || work(&theirs));
    work(&words);
    other.join().expect("a task that returned");
}

/// Executions of the whole tree of the get/put/free model, with at most so many preemptions.
pub(crate) fn tree(bound: Option<usize>) -> u64 {
    check(bound, usize::MAX - 1, || get_put(Inc::NotZero))
}

/// Runs that many executions, from the start again whenever the tree is exhausted. The points are
/// `atomics` for each: loom does not tell how many decisions it made.
pub(crate) fn run(
    bound: Option<usize>,
    executions: u64,
    atomics: usize,
    model: impl Fn() + Copy + Send + Sync + 'static,
) -> Work {
    let mut done = 0;
    while done < executions {
        let left = usize::try_from(executions - done).unwrap_or(usize::MAX - 1);
        done += check(bound, left, model);
    }
    Work { executions: done, points: done * atomics as u64 }
}

/// At most so many executions; how many there were.
fn check(bound: Option<usize>, most: usize, model: impl Fn() + Send + Sync + 'static) -> u64 {
    let done = Arc::new(Counter::new(0));
    let count = Arc::clone(&done);
    builder(bound, most).check(move || {
        count.fetch_add(1, Relaxed);
        model();
    });
    done.load(Relaxed)
}

/// At most so many preemptions, and executions.
pub(crate) fn builder(bound: Option<usize>, most: usize) -> Builder {
    let mut builder = Builder::new();
    builder.preemption_bound = bound;
    builder.max_branches = 100_000;
    builder.max_duration = None;
    builder.checkpoint_file = None;
    (builder.location, builder.log) = (false, false);
    // The limit is looked at when execution `checkpoint_interval` is about to begin.
    builder.checkpoint_interval = most + 1;
    builder.max_permutations = Some(1);
    builder
}
