//! Programs nobody wrote, in which parties wait for pins, for locks that calls hold, for unbind and for I/O in flight,
//! with and without a later release. What the explorer makes of each is compared with a brute force over a small
//! model of who can still act, which shares nothing with it but the program.
//!
//! The model knows operations and no steps: a call takes its lock, or waits for it; then it has what it waits for, or
//! waits. Where nobody can act, what no step of a party that is left gives back is taken away by hand, and whoever
//! then has what it waits for gives back all that its steps give back. If that frees everybody, it is the program's
//! own wait; if not, a deadlock.

mod failing;

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use pgmap_explore::{Ends, Sort, Verdict, explore};
use pgmap_program::Era;
use pgmap_sched::{Control, Plan};

use failing::{Numbers, scenario};

const FILES: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Call {
    Truncate(usize),
    Unbind,
    Unpin,
    Exit,
    Direct(usize),
    Sleep,
}

/// The pins a party has when it starts, by file, and what it does. The last may be the environment, which lets time
/// pass and nothing else.
#[derive(Clone, Debug)]
struct Party {
    pins: Vec<usize>,
    calls: Vec<Call>,
}

fn is_environment(party: &Party) -> bool {
    party.calls.contains(&Call::Sleep)
}

fn drawn(numbers: &mut Numbers) -> Vec<Party> {
    let count = 1 + numbers.below(4);
    let sleeps = count > 1 && numbers.below(3) == 0;
    let party = |numbers: &mut Numbers| {
        let pins: Vec<usize> = (0..numbers.below(3)).map(|_| numbers.below(FILES)).collect();
        let mut left = pins.len();
        let mut calls = Vec::new();
        for _ in 0..1 + numbers.below(3) {
            calls.push(match numbers.below(8) {
                4..=7 if left > 0 => {
                    left -= 1;
                    Call::Unpin
                }
                3 => Call::Unbind,
                4 => Call::Direct(numbers.below(FILES)),
                _ => Call::Truncate(numbers.below(FILES)),
            });
        }
        if numbers.below(6) == 0 {
            calls.push(Call::Exit);
        }
        Party { pins, calls }
    };
    let mut parties: Vec<Party> =
        (0..count - usize::from(sleeps)).map(|_| party(numbers)).collect();
    if sleeps {
        let calls = vec![Call::Sleep; 1 + numbers.below(2)];
        parties.push(Party { pins: Vec::new(), calls });
    }
    parties
}

fn text(parties: &[Party]) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{line}");
    };
    (0..FILES).for_each(|file| line(format!("file f{file} 1")));
    let workers = || (0..).zip(parties).filter(|(_, party)| !is_environment(party));
    for (who, party) in workers() {
        line(format!("w{who} open 1 /dev/nullb0 rw"));
        (0..FILES).for_each(|file| line(format!("w{who} mmap {file} f{file} 0 1 rw shared")));
        party.pins.iter().for_each(|file| line(format!("w{who} pin {file} 0")));
    }
    line("start".to_owned());
    for (who, party) in (0..).zip(parties) {
        let who = if is_environment(party) { String::new() } else { format!("w{who} ") };
        for call in &party.calls {
            line(match call {
                Call::Truncate(file) => format!("{who}ftruncate f{file} 0"),
                Call::Unbind => format!("{who}unbind"),
                Call::Unpin => format!("{who}unpin"),
                Call::Exit => format!("{who}exit"),
                Call::Direct(file) => format!("{who}dio_write 1 {file} 0 1"),
                Call::Sleep => format!("{who}sleep"),
            });
        }
    }
    text
}

/// Where everybody stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    /// The call each party is in, and whether it has its lock, or its I/O is in flight.
    at: Vec<(usize, bool)>,
    pins: Vec<Vec<usize>>,
    /// The file that a party's I/O is on, while it is in flight.
    flight: Vec<Option<usize>>,
    gone: [bool; FILES],
    /// 0: bound; 1: being unbound, no fault starts any more; 2: unbound.
    unbound: u8,
}

impl State {
    fn held(&self, file: usize) -> bool {
        self.pins.iter().flatten().any(|pin| *pin == file) || self.flight.contains(&Some(file))
    }

    fn call(&self, parties: &[Party], who: usize) -> Option<Call> {
        parties[who].calls.get(self.at[who].0).copied()
    }

    /// Whether somebody is inside a call like this, with its lock.
    fn locked(&self, parties: &[Party], call: Call) -> bool {
        (0..parties.len()).any(|who| self.at[who].1 && self.call(parties, who) == Some(call))
    }

    /// What a party comes to next; none if it has ended or waits.
    fn step(&self, parties: &[Party], who: usize) -> Option<Self> {
        let call = self.call(parties, who)?;
        let mut next = self.clone();
        let inside = self.at[who].1;
        let done = |next: &mut Self| next.at[who] = (self.at[who].0 + 1, false);
        match (call, inside) {
            (Call::Truncate(_) | Call::Unbind, false) => {
                if self.locked(parties, call) {
                    return None;
                }
                next.at[who].1 = true;
                if call == Call::Unbind {
                    next.unbound = next.unbound.max(1);
                }
            }
            (Call::Truncate(file), true) => {
                if self.held(file) {
                    return None;
                }
                next.gone[file] = true;
                done(&mut next);
            }
            (Call::Unbind, true) => {
                if self.unbound < 2 && (0..FILES).any(|file| self.held(file)) {
                    return None;
                }
                next.unbound = 2;
                done(&mut next);
            }
            (Call::Direct(file), false) => {
                if self.gone[file] || self.unbound > 0 {
                    done(&mut next);
                } else {
                    next.flight[who] = Some(file);
                    next.at[who].1 = true;
                }
            }
            (Call::Direct(_), true) => {
                if self.flight[who].is_some() {
                    return None;
                }
                done(&mut next);
            }
            (Call::Unpin, _) => {
                next.pins[who].pop();
                done(&mut next);
            }
            (Call::Exit, _) => {
                next.pins[who].clear();
                done(&mut next);
            }
            (Call::Sleep, _) => {
                next.flight.fill(None);
                done(&mut next);
            }
        }
        Some(next)
    }

    fn ended(&self, parties: &[Party], who: usize) -> bool {
        self.call(parties, who).is_none()
    }

    /// The steps a party has still to begin.
    fn rest<'a>(&self, parties: &'a [Party], who: usize) -> &'a [Call] {
        parties[who].calls.get(self.at[who].0 + 1..).unwrap_or(&[])
    }

    /// How many of a party's pins, the last ones, its remaining steps give back.
    fn unpins(&self, parties: &[Party], who: usize) -> usize {
        let rest = self.rest(parties, who);
        if rest.contains(&Call::Exit) {
            return self.pins[who].len();
        }
        rest.iter().filter(|call| **call == Call::Unpin).count().min(self.pins[who].len())
    }

    /// Nobody can act: whether everybody could, were that given back which nobody gives back.
    fn is_own_wait(&self, parties: &[Party]) -> bool {
        let all = 0..parties.len();
        let mut hand = self.clone();
        let sleeps =
            |state: &Self| all.clone().any(|who| state.rest(parties, who).contains(&Call::Sleep));
        for who in all.clone() {
            let kept = self.pins[who].len() - self.unpins(parties, who);
            hand.pins[who].drain(..kept);
        }
        if !sleeps(self) {
            hand.flight.fill(None);
        }
        loop {
            let free = all
                .clone()
                .find(|who| !hand.ended(parties, *who) && hand.step(parties, *who).is_some());
            let Some(free) = free else { break };
            // It lets go of its lock, and of what its steps let go.
            if hand.rest(parties, free).contains(&Call::Sleep) {
                hand.flight.fill(None);
            }
            hand.pins[free].clear();
            hand.flight[free] = None;
            hand.at[free] = (parties[free].calls.len(), false);
        }
        all.clone().all(|who| hand.ended(parties, who))
    }
}

/// How executions can end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ways {
    done: bool,
    own_wait: bool,
    deadlock: bool,
}

/// Every order, or those with so many preemptions at most.
fn brute_force(parties: &[Party], most: Option<u32>) -> Ways {
    let start = State {
        at: vec![(0, false); parties.len()],
        pins: parties.iter().map(|party| party.pins.clone()).collect(),
        flight: vec![None; parties.len()],
        gone: [false; FILES],
        unbound: 0,
    };
    let mut ways = Ways::default();
    let mut seen = HashSet::new();
    let mut open = vec![(start, None, 0_u32)];
    while let Some((state, last, spent)) = open.pop() {
        let key = (state.clone(), last, if most.is_some() { spent } else { 0 });
        if !seen.insert(key) {
            continue;
        }
        let able: Vec<(usize, State)> =
            (0..parties.len()).filter_map(|who| Some((who, state.step(parties, who)?))).collect();
        if able.is_empty() {
            if (0..parties.len()).all(|who| state.ended(parties, who)) {
                ways.done = true;
            } else if state.is_own_wait(parties) {
                ways.own_wait = true;
            } else {
                ways.deadlock = true;
            }
            continue;
        }
        let goes_on = last.is_some_and(|last| able.iter().any(|(who, _)| *who == last));
        for (who, next) in able {
            let spent = spent + u32::from(goes_on && last != Some(who));
            if most.is_none_or(|most| spent <= most) {
                open.push((next, Some(who), spent));
            }
        }
    }
    ways
}

#[test]
fn what_the_explorer_makes_of_a_wait_is_what_a_brute_force_makes_of_it() {
    let wanted = std::env::var("PGMAP_PROGRAMS").ok().and_then(|n| n.parse().ok()).unwrap_or(240);
    let mut numbers = Numbers::new(7);
    let mut verdicts: HashMap<&str, u32> = HashMap::new();
    for _ in 0..wanted {
        let parties = drawn(&mut numbers);
        let text = text(&parties);
        let bound = if parties.len() > 2 { 0 } else { 1 };
        let (all, within) = (brute_force(&parties, None), brute_force(&parties, Some(bound)));
        let plan = Plan { bound: Some(bound), ..Plan::default() };
        let scenario = scenario(&text, Era::V6_15Sound, &[]);
        let verdict = explore(&scenario, &plan, Ends::News, &mut |_| Control::Go).expect(&text);
        let word = match verdict {
            Verdict::Found { found, .. } => {
                let finding = &found.finding;
                assert!(all.deadlock, "no deadlock in\n{text}{finding:#?}");
                assert_eq!(finding.sort, Sort::Deadlock, "{text}{finding:#?}");
                "deadlock"
            }
            Verdict::Exhausted { seen, .. } => {
                assert!(!within.deadlock, "a deadlock in\n{text}");
                let (waiting, ends) = (seen.waiting, seen.schedules());
                let some = (waiting > 0, waiting < ends);
                assert!(some.0 || !within.own_wait, "nobody waits in\n{text}");
                assert!(some.1 || !within.done, "nobody gets through\n{text}");
                assert!(all.own_wait || !some.0, "{waiting} of {ends} wait in\n{text}");
                assert!(all.done || !some.1, "{waiting} of {ends} wait in\n{text}");
                match some {
                    (true, true) => "some wait",
                    (true, false) => "all wait",
                    (false, _) => "through",
                }
            }
            other => panic!("{text}{other:?}"),
        };
        *verdicts.entry(word).or_default() += 1;
    }
    // Each kind is among them.
    let often = |word| verdicts.get(word).is_some_and(|times| *times >= 10);
    assert!(
        ["deadlock", "some wait", "all wait", "through"].into_iter().all(often),
        "{verdicts:?}"
    );
}
