//! Threads that wait for work. What a search needs of memory stays with its thread, so the next search is given to
//! one that has searched before: calls in a loop neither start threads nor map memory.
//!
//! A thread is idle from the moment its work is done, before anybody hears of that: who hears and asks for the next
//! thing at once is served by the same thread. Nobody waits here for anybody: where two are in each other's way a
//! thread is started, or ends.

use std::io;
use std::sync::mpsc::{SendError, Sender, channel};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::thread::Builder;

/// Most that wait.
const IDLE: usize = 4;

/// Work. What comes of it is what its thread does when it is idle again: it tells the result.
type Work = Box<dyn FnOnce() -> Tell + Send>;
/// What tells it.
pub(crate) type Tell = Box<dyn FnOnce()>;

/// Threads that wait for work, the last one at the end.
struct Idle {
    /// Whose they are: a child of `fork` has none of its parent's.
    process: u32,
    threads: Vec<Sender<Work>>,
}

static WAITING: Mutex<Idle> = Mutex::new(Idle { process: 0, threads: Vec::new() });

/// Runs work in a thread of its own.
///
/// # Errors
/// When no thread can be had.
pub(crate) fn run(work: impl FnOnce() -> Tell + Send + 'static) -> io::Result<()> {
    let mut work: Work = Box::new(work);
    let thread = idle().and_then(|mut idle| idle.threads.pop());
    if let Some(thread) = thread {
        match thread.send(work) {
            Ok(()) => return Ok(()),
            Err(SendError(back)) => work = back,
        }
    }
    let (give, take) = channel();
    let body = move || {
        let mut next = Some(work);
        while let Some(work) = next {
            let tell = work();
            let waits = wait(&give);
            tell();
            next = waits.then(|| take.recv().ok()).flatten();
        }
    };
    Builder::new().name("pgmap-explore".to_owned()).spawn(body).map(drop)
}

/// Whether the thread that is served by this sender may wait for more.
fn wait(me: &Sender<Work>) -> bool {
    match idle() {
        Some(mut idle) if idle.threads.len() < IDLE => {
            idle.threads.push(me.clone());
            true
        }
        _ => false,
    }
}

/// Those of this process, unless somebody is at them just now.
fn idle() -> Option<MutexGuard<'static, Idle>> {
    let mut idle = match WAITING.try_lock() {
        Ok(idle) => idle,
        Err(TryLockError::Poisoned(idle)) => idle.into_inner(),
        Err(TryLockError::WouldBlock) => return None,
    };
    let process = std::process::id();
    if idle.process != process {
        // They were the parent's, and are in the midst of whatever they were at.
        std::mem::forget(std::mem::take(&mut idle.threads));
        idle.process = process;
    }
    Some(idle)
}
