//! The promises on real threads, and one of them over and over: killing.
//!
//! Threads meet at a gate before and after each round. A round on threads shows little, since few orders come about;
//! the explorer shows all of them. What threads add is the machine: its store buffers, and `membarrier`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError, RwLock};
use std::thread;

use prim::{Arena, Cpu, Lease, Machine, TaskId};

use crate::promise::{MOST_TASKS, Play, Promise, play};
use crate::scheme::{Put, Scheme};

/// Room for an object of any scheme: its words and a row of cells.
const ROOM: usize = 1 << 16;

/// Why a promise was not kept, or not tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub String);

/// Where so many threads meet.
#[derive(Debug)]
struct Gate {
    threads: usize,
    arrived: AtomicUsize,
}

impl Gate {
    fn new(threads: usize) -> Self {
        Self { threads, arrived: AtomicUsize::new(0) }
    }

    /// Waits for the others. Spins: the point is that they leave together.
    fn pass(&self) {
        let mine = self.arrived.fetch_add(1, SeqCst) / self.threads;
        let mut turns = 0_u32;
        while self.arrived.load(SeqCst) / self.threads == mine {
            turns = turns.wrapping_add(1);
            if turns.is_multiple_of(64) {
                thread::yield_now();
            } else {
                core::hint::spin_loop();
            }
        }
    }
}

fn lease(machine: &Machine, task: usize) -> Cpu<'_> {
    let leased = machine.lease(Lease::of(TaskId(task as u32)));
    leased.unwrap_or_else(|none| panic!("task {task}: {none}"))
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

/// Runs a promise so many times on threads of its own.
///
/// # Errors
/// The first round that broke it, in words.
pub fn run<S: Scheme, P: Promise>(promise: P, rounds: u32) -> Result<(), Broken> {
    let arena = Arena::new(ROOM).map_err(|none| Broken(none.to_string()))?;
    let program = play::<S, P>(promise, &arena).map_err(|none| Broken(none.to_string()))?;
    play_on_threads(program, rounds)
}

fn play_on_threads(program: Box<dyn Play>, rounds: u32) -> Result<(), Broken> {
    let machine = Machine::new(MOST_TASKS);
    let tasks = program.tasks();
    let gate = Gate::new(tasks);
    let program = RwLock::new(program);
    let broken = Mutex::new(None);
    let note = |round: u32, panic: &(dyn std::any::Any + Send)| {
        let mut first = broken.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| format!("round {round}: {}", words(panic)));
    };
    let is_broken = || broken.lock().unwrap_or_else(PoisonError::into_inner).is_some();
    thread::scope(|scope| {
        for task in 0..tasks {
            let (machine, program, gate) = (&machine, &program, &gate);
            let (note, is_broken) = (&note, &is_broken);
            scope.spawn(move || {
                let cpu = lease(machine, task);
                let with = |round: u32, act: &dyn Fn(&dyn Play)| {
                    let program = program.read().unwrap_or_else(PoisonError::into_inner);
                    let did = catch_unwind(AssertUnwindSafe(|| act(&**program)));
                    did.unwrap_or_else(|panic| note(round, &*panic));
                };
                for round in 0..rounds {
                    if task == 0 {
                        program.write().unwrap_or_else(PoisonError::into_inner).begin(&cpu);
                    }
                    gate.pass();
                    with(round, &|program| program.run(&cpu, task));
                    gate.pass();
                    if task == 0 && !is_broken() {
                        with(round, &|program| program.finish(&cpu));
                    }
                    // Everybody learns of it before the next round begins.
                    gate.pass();
                    if is_broken() {
                        return;
                    }
                }
            });
        }
    });
    broken
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .map_or(Ok(()), |why| Err(Broken(why)))
}

/// Kills an object over and over while another thread takes and gives back references.
///
/// Each time the other thread goes on until it is refused, then keeps what it holds. The count that is confirmed must be
/// what is out at the end, and possibly one more: a put that came late ([`Put::Live`]) may have been on its way. What is
/// left once both are quiet must be what is out, and the owner's put, the last, must be told, and no other.
///
/// # Errors
/// The first kill whose count was wrong, in words, or why none was tried.
pub fn kill<S: Scheme>(kills: u32) -> Result<(), Broken> {
    let machine = Machine::new(2);
    let arena = Arena::new(ROOM).map_err(|none| Broken(none.to_string()))?;
    let scheme = S::new(&arena, 2, 1).map_err(|none| Broken(none.to_string()))?;
    let (scheme, gate) = (&scheme, &Gate::new(2));
    let (held, after, early) = (&AtomicUsize::new(0), &AtomicUsize::new(0), &AtomicUsize::new(0));
    let broken = Mutex::new(None);
    thread::scope(|scope| {
        let peer_machine = &machine;
        scope.spawn(move || {
            let cpu = lease(peer_machine, 1);
            let count = scheme.count(0);
            for kill in 0..kills {
                gate.pass();
                let mut tokens = Vec::with_capacity(2);
                let mut late = 0;
                // Every other time with something in hand, and for a while of its own: kills come at all places.
                while let Some(token) = scheme.try_get(&cpu, count) {
                    tokens.push(token);
                    if tokens.len() > kill as usize % 2
                        && let Some(token) = tokens.pop()
                        && scheme.put(&cpu, count, token) != Put::Unknown
                    {
                        late += 1;
                    }
                }
                held.store(tokens.len(), SeqCst);
                after.store(late, SeqCst);
                gate.pass();
                gate.pass();
                for token in tokens.drain(..) {
                    early.fetch_add(
                        usize::from(scheme.put(&cpu, count, token) == Put::Zero),
                        SeqCst,
                    );
                }
                gate.pass();
            }
        });
        let cpu = lease(&machine, 0);
        let count = scheme.count(0);
        for kill in 0..kills {
            let owners = scheme.init(&cpu, count);
            gate.pass();
            for _ in 0..kill % 64 {
                core::hint::spin_loop();
            }
            let counted = scheme.kill(&cpu, count);
            gate.pass();
            let out = 1 + held.load(SeqCst) as i64;
            let late = after.load(SeqCst) as i64;
            let left = scheme.sum(count);
            let right = counted.is_some_and(|counted| (out..=out + late).contains(&counted));
            let mut why = (!right || left != out).then(|| {
                format!("kill {kill}: counted {counted:?}, {out} and {late} late; left {left}")
            });
            gate.pass();
            gate.pass();
            // The peer has put what it held: ours is the last.
            if early.load(SeqCst) > 0 || scheme.put(&cpu, count, owners) != Put::Zero {
                why.get_or_insert_with(|| format!("kill {kill}: the last put was not told"));
            }
            if let Some(why) = why {
                broken.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
            }
        }
    });
    broken
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .map_or(Ok(()), |why| Err(Broken(why)))
}
