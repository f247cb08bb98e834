//! Choices that cost, and tasks that need not end.

mod toy;

use pgmap_sched::{
    Control, Defect, Effect, Ended, Explorer, Failure, Looks, Model, Object, Outcome, Schedule,
    Step, Task, Trace, Verb, Wait, WaitClass, choose_paid, foretell, point_when,
};
use toy::{Memory, Toy, brute, cached, search, search_all};

fn asks(times: usize, of: u32) -> impl Fn(&Memory) {
    move |memory| {
        let sum = (0..times).map(|at| choose_paid(of) << at).sum::<u32>();
        memory.result(sum.into());
        memory.add(0, 1);
    }
}

/// Executions within a bound.
#[track_caller]
fn count(mut model: impl Model, bound: Option<u32>) -> u64 {
    let (outcome, _) = search_all(&mut model, &brute(bound));
    let Outcome::Exhausted { stats } = outcome else { panic!("{outcome:?}") };
    stats.last().expect("a bound").schedules
}

#[test]
fn a_bound_limits_how_many_choices_cost() {
    // Of 5 choices at most b are not ordinary: the sum of C(5, i) for i <= b.
    for (bound, executions) in [(0, 1), (1, 6), (2, 16), (3, 26), (5, 32)] {
        assert_eq!(count(Toy::new().task(asks(5, 2)), Some(bound)), executions, "{bound}");
    }
    assert_eq!(count(Toy::new().task(asks(5, 2)), None), 32);
    // Each costs the same, however many results it has: 1 + 3 * 2.
    assert_eq!(count(Toy::new().task(asks(3, 3)), Some(1)), 7);
}

#[test]
fn choices_and_preemptions_are_paid_from_one_budget() {
    let walk = |word: usize| {
        move |memory: &Memory| {
            memory.result(choose_paid(2).into());
            memory.add(word, 1);
            memory.add(word, 1);
        }
    };
    let two = || Toy::new().task(walk(0)).task(walk(1));
    // Two orders; one thing paid: a choice of either task, or the one place to preempt the first.
    assert_eq!(count(two(), Some(0)), 2);
    assert_eq!(count(two(), Some(1)), 2 * (1 + 2 + 1));
    // All: C(4, 2) orders, two choices.
    assert_eq!(count(two(), None), 6 * 4);
}

/// Fails when the second of three choices costs, and another task came between.
fn bad_payment() -> Toy {
    let body = |memory: &Memory| {
        let paid = (0..3).map(|at| choose_paid(3) << (2 * at)).sum::<u32>();
        memory.add(0, 1);
        memory.store(1, if memory.load(0) == 2 { paid.into() } else { 0 });
    };
    Toy::new().task(body).task(|memory| _ = memory.add(0, 1)).check(|memory| match memory.peek(1) {
        8 => Err(Defect { code: 1, object: 0, value: 8 }),
        _ => Ok(()),
    })
}

#[test]
fn a_choice_that_cost_is_part_of_the_schedule() {
    let Outcome::Found { failure, schedule, bound, .. } =
        search(&mut bad_payment(), &cached(Some(3)))
    else {
        panic!("nothing found")
    };
    assert_eq!(bound, Some(1), "the other task may come first for nothing");
    let told: Vec<_> = schedule.payments().iter().map(|it| (it.nth, it.value)).collect();
    assert_eq!(told, [(1, 2)]);
    let schedule = Schedule::from_bytes(&schedule.to_bytes()).expect("its own bytes");
    let again =
        Explorer::new().replay(&mut bad_payment(), &schedule, Trace::Keep, &mut || Control::Go);
    assert_eq!((again.end, again.diverged), (Ended::Failed(failure), None));
}

#[test]
fn a_schedule_whose_payment_is_never_asked_has_diverged() {
    let Outcome::Found { schedule, .. } = search(&mut bad_payment(), &cached(Some(3))) else {
        panic!("nothing found")
    };
    let mut other = Toy::new().task(|memory| _ = memory.add(0, 1));
    assert!(
        Explorer::new()
            .replay(&mut other, &schedule, Trace::Skip, &mut || Control::Go)
            .diverged
            .is_some()
    );
}

#[test]
fn the_cache_knows_what_was_spent_on_choices() {
    for bound in [Some(1), Some(2), Some(3), None] {
        let (mut brutal, mut pruned) = (bad_payment(), bad_payment());
        let all = search_all(&mut brutal, &brute(bound)).1;
        let some = search_all(&mut pruned, &cached(bound)).1;
        assert_eq!(brutal.finals.into_inner(), pruned.finals.into_inner(), "{bound:?}");
        assert_eq!(all.is_empty(), some.is_empty(), "{bound:?}");
    }
}

/// A toy with a daemon that doubles word 0 whenever word 1 says so.
struct Served(Toy);

const SERVE: Verb = Verb(40);

fn served(verb: Verb) -> Step {
    Step { verb, object: Object(0), effect: Effect::Write, site: core::panic::Location::caller() }
}

impl Model for Served {
    fn tasks(&self) -> usize {
        self.0.tasks() + 1
    }

    fn daemons(&self) -> usize {
        1
    }

    fn reset(&mut self) {
        self.0.reset();
    }

    fn run(&self, task: Task) {
        if usize::from(task.0) < self.0.tasks() {
            return self.0.run(task);
        }
        let memory = &self.0.memory;
        loop {
            let asked = || memory.peek(1) != memory.peek(2);
            point_when(
                served(Verb(0)),
                Wait::unowned(WaitClass::named("request"), 1, Looks::Anywhere),
                &asked,
            );
            memory.add(0, memory.peek(0));
            memory.store(2, memory.peek(1));
        }
    }

    fn finish(&self) -> Result<(), Defect> {
        self.0.finish()
    }
}

fn request(memory: &Memory) {
    memory.add(0, 1);
    memory.add(1, 1);
    foretell(Task(1), served(SERVE));
}

#[test]
fn an_execution_is_over_when_only_daemons_wait() {
    let mut served = Served(Toy::new().task(request));
    let (outcome, failures) = search_all(&mut served, &brute(None));
    assert!(matches!(outcome, Outcome::Exhausted { .. }), "{outcome:?}");
    assert!(failures.is_empty());
    let words: Vec<u64> = served.0.finals.into_inner().iter().map(|all| all[0]).collect();
    assert_eq!(words, [2], "what the daemon was asked for is done before the end");
}

#[test]
fn a_daemon_that_waits_is_no_part_of_a_deadlock() {
    let mut served = Served(Toy::new().task(|memory| memory.sleep_until(3, 1)));
    let (_, failures) = search_all(&mut served, &brute(Some(0)));
    let [(Failure::Deadlock { waits, cycle: None }, _)] = &failures[..] else {
        panic!("{failures:?}")
    };
    assert_eq!(waits.iter().map(|wait| wait.task).collect::<Vec<_>>(), [Task(0)]);
}

#[test]
fn a_wait_that_was_given_a_step_takes_that_one() {
    let mut served = Served(Toy::new().task(request));
    let replayed =
        Explorer::new().replay(&mut served, &Schedule::default(), Trace::Keep, &mut || Control::Go);
    let steps: Vec<u8> = replayed
        .trace
        .iter()
        .filter(|event| event.task == Task(1))
        .map(|event| event.verb.0)
        .collect();
    assert_eq!(steps.first(), Some(&SERVE.0), "{steps:?}");
}
