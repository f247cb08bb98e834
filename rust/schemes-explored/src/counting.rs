//! What a get and a put ask of the machine, counted instead of timed: locked instructions, loads, stores, and how often
//! a line changes hands.
//!
//! The schemes' own source runs on the explored face, whose steps are its accesses. CPUs take turns at one object, and
//! every access goes through [`lines`](crate::lines). So the counts are exact, the same on every machine, and say
//! nothing about time; what a hand-off costs, a benchmark says.
//!
//! Turns change after each pair of a get and a put, or after each of the two. Nobody is interrupted in the middle of
//! either, so no exchange fails for another's sake. A first round warms the lines up, and the rounds after it must all
//! come to the same.
//!
//! A step of the explored face may be more than one instruction natively, and is counted as those: `this_cpu_add` is a
//! load and a store, `add_unless` a look and then an exchange, a read-side section a store at each end to a line of the
//! CPU's own.

use std::sync::Arc;

use prim::{
    Arena, AtomicUsize, Cpu, Entered, Lease, Machine, NoMemory, Snapshot, Subject, TaskId,
    verb_name,
};
use sched::{Control, Defect, Ended, Event, Explorer, Kind, Model, Schedule, Task, Trace};

use crate::kinds::{self, Visit};
use crate::lines::{LINE, Lines, Wants};
use crate::scheme::{Group, Scheme, Speculates};

/// Address space for one object of any scheme.
const ROOM: usize = 1 << 16;
/// CPUs that share an object: its owner, and others enough to meet each other.
pub const CPUS: usize = 4;
/// Rounds of each count, the one that warms up included.
const ROUNDS: usize = 4;

/// When the next CPU takes its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// After a get and a put.
    Pair,
    /// After each of them.
    Operation,
}

/// What a round asked of the machine; a round is a get and a put of every CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Instructions with a lock prefix, also those that failed.
    pub locked: u64,
    /// Plain loads.
    pub loads: u64,
    /// Plain stores.
    pub stores: u64,
    /// Accesses for which a line had to be handed over.
    pub hand_offs: u64,
}

/// Why there is no count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsteady(pub String);

/// An object that CPUs get and put by turns.
struct ByTurns<S> {
    scheme: S,
    machine: Arc<Machine>,
    arena: Arena,
    start: Snapshot,
    cpus: usize,
    turn: Turn,
    /// How many turns were taken. Not in the arena, and so no access of the scheme's.
    taken: AtomicUsize,
    _entered: Entered,
}

fn lease(machine: &Machine, task: usize) -> Cpu<'_> {
    let leased = machine.lease(Lease::of(TaskId(task as u32)));
    leased.unwrap_or_else(|none| panic!("task {task}: {none}"))
}

impl<S: Scheme> ByTurns<S> {
    fn new(cpus: usize, turn: Turn) -> Result<Self, NoMemory> {
        let (machine, arena) = (Machine::new(cpus), Arena::new(ROOM)?);
        let entered = arena.enter();
        let scheme = S::new(&arena, cpus, 1)?;
        let _ = scheme.init(&lease(&machine, 0), scheme.count(0));
        let (start, taken) = (arena.snapshot(), AtomicUsize::new(0));
        Ok(Self { scheme, machine, arena, start, cpus, turn, taken, _entered: entered })
    }

    fn await_turn(&self, cpu: &Cpu<'_>) {
        while self.taken.read() % self.cpus != cpu.id().0 {
            cpu.relax();
        }
    }

    fn get(&self, cpu: &Cpu<'_>) -> S::Token {
        let count = self.scheme.count(0);
        if S::CAPS.try_get == Speculates::Never {
            return self.scheme.get(cpu, count);
        }
        let token = self.scheme.try_get(cpu, count);
        token.unwrap_or_else(|| panic!("{}: a reference was refused", S::NAME))
    }

    /// Turns of a round.
    fn turns(&self) -> usize {
        match self.turn {
            Turn::Pair => self.cpus,
            Turn::Operation => 2 * self.cpus,
        }
    }
}

impl<S: Scheme> Model for ByTurns<S> {
    fn tasks(&self) -> usize {
        self.cpus
    }

    fn reset(&mut self) {
        self.arena.restore(&self.start);
        self.machine.reset();
        self.taken = AtomicUsize::new(0);
    }

    fn run(&self, task: Task) {
        let cpu = lease(&self.machine, usize::from(task.0));
        for _ in 0..ROUNDS {
            self.await_turn(&cpu);
            let token = self.get(&cpu);
            if self.turn == Turn::Operation {
                self.taken.inc();
                self.await_turn(&cpu);
            }
            let _ = self.scheme.put(&cpu, self.scheme.count(0), token);
            self.taken.inc();
        }
    }

    fn finish(&self) -> Result<(), Defect> {
        Ok(())
    }
}

impl Traffic {
    fn access(&mut self, lines: &mut Lines, cpu: u8, byte: u64, kinds: &[Access]) {
        for kind in kinds {
            let (counter, wants) = match kind {
                Access::Load => (&mut self.loads, Wants::Shared),
                Access::Store => (&mut self.stores, Wants::Alone),
                Access::Locked => (&mut self.locked, Wants::Alone),
            };
            *counter += 1;
            self.hand_offs += u64::from(lines.access(cpu, byte / LINE, wants));
        }
    }
}

#[derive(Clone, Copy)]
enum Access {
    Load,
    Store,
    Locked,
}

/// What a step on a word is natively.
fn accesses(event: &Event) -> &'static [Access] {
    match verb_name(event.verb) {
        "READ_ONCE" | "atomic_read" | "smp_load_acquire" => &[Access::Load],
        "WRITE_ONCE" | "atomic_set" | "smp_store_release" => &[Access::Store],
        "this_cpu_add" => &[Access::Load, Access::Store],
        "atomic_add_unless" => &[Access::Load, Access::Locked],
        _ => &[Access::Locked],
    }
}

/// Adds up what each round did.
fn add_up(trace: &[Event], turns_of_a_round: usize) -> Vec<Traffic> {
    let (mut lines, mut rounds) = (Lines::default(), vec![Traffic::default(); ROUNDS]);
    let mut turns = 0;
    for event in trace.iter().filter(|event| matches!(event.kind, Kind::Step | Kind::Record)) {
        let round = &mut rounds[(turns / turns_of_a_round).min(ROUNDS - 1)];
        match Subject::of(event.object) {
            Subject::Word(byte) => {
                round.access(&mut lines, event.task.0, byte, accesses(event));
            }
            // A marker on a line of the CPU's own.
            Subject::Section(_) => round.stores += 1,
            Subject::Outside(_) if verb_name(event.verb) == "atomic_inc" => turns += 1,
            _ => {}
        }
    }
    rounds
}

/// What a get and a put of so many CPUs, one each, ask of the machine.
///
/// # Errors
/// It did not run, or not every round is like the one before it.
pub fn count<S: Scheme>(cpus: usize, turn: Turn) -> Result<Traffic, Unsteady> {
    let told = |why: String| Unsteady(format!("{}: {why}", S::NAME));
    let mut model = ByTurns::<S>::new(cpus, turn).map_err(|none| told(none.to_string()))?;
    let turns = model.turns();
    let schedule = Schedule::default();
    // The schedule says nothing: whose turn it is decides.
    let ran = Explorer::new().replay(&mut model, &schedule, Trace::Keep, &mut || Control::Go);
    if ran.end != Ended::Passed {
        return Err(told(format!("{:?}", ran.end)));
    }
    match *add_up(&ran.trace, turns) {
        [_, one, ref others @ ..] if others.iter().all(|other| *other == one) => Ok(one),
        ref rounds => Err(told(format!("{rounds:?}"))),
    }
}

/// What rounds of [`CPUS`] ask of the machine; a round has as many pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// A CPU's turn is a pair.
    pub pairs: Traffic,
    /// A CPU's turn is a get, or a put.
    pub operations: Traffic,
}

/// A scheme with its counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// What it is called.
    pub name: &'static str,
    /// What it may be compared with.
    pub group: Group,
    /// One CPU on its own.
    pub alone: Traffic,
    /// [`CPUS`] that take turns; none if it may not be shared.
    pub shared: Option<Shared>,
}

fn counted<S: Scheme>() -> Result<Counted, Unsteady> {
    let shared = || {
        let [pairs, operations] =
            [count::<S>(CPUS, Turn::Pair)?, count::<S>(CPUS, Turn::Operation)?];
        Ok(Shared { pairs, operations })
    };
    Ok(Counted {
        name: S::NAME,
        group: S::CAPS.group(),
        alone: count::<S>(1, Turn::Pair)?,
        shared: S::CAPS.is_shared().then(shared).transpose()?,
    })
}

/// Every scheme, those that may be compared side by side.
///
/// # Errors
/// One could not be counted.
pub fn all() -> Result<Vec<Counted>, Unsteady> {
    struct All(Result<Vec<Counted>, Unsteady>);
    impl Visit for All {
        fn visit<S: Scheme>(&mut self) {
            if let Ok(found) = &mut self.0 {
                match counted::<S>() {
                    Ok(one) => found.push(one),
                    Err(why) => self.0 = Err(why),
                }
            }
        }
    }
    let mut all = All(Ok(Vec::new()));
    kinds::each(&mut all);
    let mut found = all.0?;
    found.sort_by_key(|counted| counted.group);
    Ok(found)
}
