//! An execution that somebody conducts: who is held stays where it is, who goes round for ever is set aside, and what
//! comes next is decided when nobody can go on.

mod toy;

use std::cell::RefCell;
use std::rc::Rc;

use pgmap_sched::failure::Blocked;
use pgmap_sched::{Conductor, Control, Ended, Explorer, Step, Task};

use toy::{Toy, WRITE};

/// Holds a task at its write of a word until everybody has been at rest so many times, and then ends the execution.
struct Holding {
    task: Task,
    word: u64,
    holds: usize,
    /// Who waited, each time.
    rests: RefCell<Vec<Vec<u8>>>,
}

impl Conductor for Holding {
    fn holds(&self, task: Task, step: &Step) -> bool {
        let there = (task, step.verb, step.object.0) == (self.task, WRITE, self.word);
        there && self.rests.borrow().len() < self.holds
    }

    fn at_rest(&self, waiting: &[Blocked]) -> Control {
        let mut rests = self.rests.borrow_mut();
        rests.push(waiting.iter().map(|it| it.task.0).collect());
        if rests.len() > self.holds { Control::Stop } else { Control::Go }
    }
}

/// How it ended, what a program leaves in its first words, and who waited at each rest.
fn conducted(
    mut toy: Toy,
    (task, word): (u8, u64),
    holds: usize,
) -> (Ended, [u64; 3], Vec<Vec<u8>>) {
    let holding = Rc::new(Holding { task: Task(task), word, holds, rests: RefCell::default() });
    let led: Rc<dyn Conductor> = Rc::<Holding>::clone(&holding);
    let ended = Explorer::new().conduct(&mut toy, led, 10_000_000);
    let rests = holding.rests.borrow().clone();
    (ended, [0, 1, 2].map(|at| toy.memory.peek(at)), rests)
}

#[test]
fn who_is_held_stays_before_its_step_while_others_go_on() {
    let toy = || {
        let first = |memory: &toy::Memory| {
            memory.store(0, 1);
            memory.store(1, 2);
        };
        Toy::new().task(first).task(|memory| {
            let seen = memory.load(0) + 10 * memory.load(1);
            memory.store(2, seen);
        })
    };
    // The one with the lower number goes on as long as it can: both its stores come first.
    assert_eq!(conducted(toy(), (0, 7), 0), (Ended::Stopped, [1, 2, 21], vec![vec![]]));
    // Held between the two, it is still there when the other has ended, and goes on when it is let.
    assert_eq!(conducted(toy(), (0, 1), 1), (Ended::Stopped, [1, 2, 1], vec![vec![], vec![]]));
}

#[test]
fn who_waits_is_told_at_rest_and_who_is_held_is_not() {
    let toy = Toy::new().task(|memory| memory.store(0, 1)).task(|memory| memory.sleep_until(0, 1));
    let rests = vec![vec![1], vec![]];
    assert_eq!(conducted(toy, (0, 0), 1), (Ended::Stopped, [1, 0, 0], rests));
}

#[test]
fn who_goes_round_for_ever_is_set_aside_until_somebody_changes_what_it_looks_at() {
    let toy = |word: usize| {
        let round = |memory: &toy::Memory| {
            while memory.load(0) != 1 {
                let _ = memory.cas(1, 5, 5);
            }
        };
        Toy::new().task(move |memory| memory.store(word, 1)).task(round)
    };
    // It waits at the first rest, and is through at the second.
    let rests = vec![vec![1], vec![]];
    assert_eq!(conducted(toy(0), (0, 0), 1), (Ended::Stopped, [1, 0, 0], rests));
    // A write of what its rounds do not touch does not bring it back.
    let rests = vec![vec![1], vec![1]];
    assert_eq!(conducted(toy(2), (0, 2), 1), (Ended::Stopped, [0, 0, 1], rests));
}

#[test]
fn what_was_touched_before_the_rounds_began_does_not_bring_it_back() {
    let toy = Toy::new().task(|memory| memory.store(2, 1)).task(|memory| {
        let _ = memory.load(2);
        while memory.load(0) != 1 {}
    });
    let rests = vec![vec![1], vec![1]];
    assert_eq!(conducted(toy, (0, 2), 1), (Ended::Stopped, [0, 0, 1], rests));
}

#[test]
fn an_execution_that_never_comes_to_rest_is_given_up() {
    // Its memory never comes back to what it was, so nothing proves that it goes round.
    let toy = Toy::new().task(|memory| while memory.add(0, 1) != u64::MAX {});
    let (ended, _, rests) = conducted(toy, (0, 7), 0);
    assert!(matches!(ended, Ended::Unclear(_)), "{ended:?}");
    assert!(rests.is_empty());
}
