//! The models themselves, over the atomics and threads of whoever mounts this file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32 as Plain, Ordering::Relaxed};

use super::{AtomicBool, AtomicU32, AtomicU64, SeqCst, thread};
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
