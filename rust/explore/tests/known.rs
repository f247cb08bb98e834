//! Known races: told apart from news by what makes them go away, and passed over.

mod failing;

use std::num::NonZeroUsize;

use pgmap_explore::catalogue::{CATALOGUE, Known};
use pgmap_explore::{
    Ends, Found, RandomSearch, Scenario, Search, Seen, Unfinished, Verdict, attribute, explore,
    replay, search,
};
use pgmap_program::{Era, Geometry, Invariant};
use pgmap_sched::{Control, Limit, Plan, Strategy};

use failing::{LOST, find, lost, scenario};

const MUNMAP_UNBIND: &str =
    "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nstart\nw0 munmap 0\nw1 unbind\n";
fn within(bound: u32) -> Plan {
    Plan { bound: Some(bound), ..Plan::default() }
}

fn news(scenario: &Scenario, bound: u32) -> Verdict {
    explore(scenario, &within(bound), Ends::News, &mut |_| Control::Go).expect("a scenario")
}

fn passed(verdict: Verdict) -> Seen {
    match verdict {
        Verdict::Exhausted { seen, .. } => seen,
        other => panic!("{other:#?}"),
    }
}

#[test]
fn what_munmap_meets_when_unbind_takes_its_struct_pages_is_known() {
    let scenario = scenario(MUNMAP_UNBIND, Era::V6_15, &[]);
    let found = find(&scenario);
    assert_eq!(found.finding.invariant, Invariant::I27);
    let known =
        attribute(&scenario, &found, &mut || Control::Go).expect("a scenario").expect("no news");
    assert_eq!((&*known.id, &*known.goes_away_with), ("B50", "teardown-pages=wait-idle"));
    let seen = passed(news(&scenario, 2));
    assert!(seen.known.iter().any(|met| met.id == "B50"), "{:?}", seen.known);
    assert!(seen.again > 0);
    // Mended, there is nothing to pass over.
    let sound = passed(news(
        &Scenario { era: Era::V6_15Sound, rules: Era::V6_15Sound.rules(), ..scenario },
        2,
    ));
    assert_eq!((sound.known.len(), sound.again), (0, 0));
}

#[test]
fn a_search_goes_on_past_known_races_and_counts_them() {
    let seen = passed(news(&lost(), 1));
    let [met] = &seen.known[..] else { panic!("{:?}", seen.known) };
    assert_eq!((&*met.id, &*met.goes_away_with), ("B33", "idle-pred=ref-equals-map"));
    assert!(met.times > 1 && met.times < seen.schedules(), "{} of {}", met.times, seen.schedules());
    let token = met.token.parse().expect("a token");
    let again = replay(&token, None, &mut || Control::Go).expect("it can be run");
    assert!(matches!(again.outcome, pgmap_explore::Outcome::Reproduced(_)), "{:?}", again.outcome);
}

#[test]
fn who_says_stop_is_not_kept_waiting_for_the_name_of_a_known_race() {
    // Many schedules fail with one race mended, so that looking for its name takes many looks.
    let scenario = scenario(&format!("{LOST}w2 pread f 0 1\n"), Era::V6_15, &[]);
    let found = find(&scenario);
    let mut all = 0;
    let known = attribute(&scenario, &found, &mut || {
        all += 1;
        Control::Go
    });
    let known = known.expect("a scenario").expect("no news");
    assert!(all > 2, "asked {all} times");
    for nth in [1, 2, all] {
        let mut asked = 0;
        let stopped = attribute(&scenario, &found, &mut || {
            asked += 1;
            if asked >= nth { Control::Stop } else { Control::Go }
        });
        match stopped {
            Err(Unfinished::Stopped) => {}
            // It was known to be no news by then; its name may be a guess.
            Ok(Some(guess)) => assert_eq!((nth, guess.id), (all, known.id.clone())),
            other => panic!("{other:?}"),
        }
        assert!(asked <= nth + 1, "asked {asked} times after {nth}");
    }
}

#[test]
fn drawn_executions_go_on_past_known_races_whatever_the_number_of_threads() {
    let told = |threads| {
        let threads = NonZeroUsize::new(threads).expect("a number");
        let (strategy, seed, executions, steps_max) = (Strategy::Portfolio, 1, 3_000, 100_000);
        let random = Some(RandomSearch { strategy, seed, executions, steps_max, threads });
        let wanted =
            Search { bounds: None, random, schedules_max: u64::MAX, threads, ends: Ends::News };
        let verdict = search(&lost(), &wanted, &mut |_| Control::Go).expect("a scenario");
        let Verdict::NotFound { why: Limit::Schedules, seen } = verdict else {
            panic!("{verdict:#?}")
        };
        assert_eq!(seen.drawn(), 3_000);
        (seen.known, seen.again)
    };
    let alone = told(1);
    assert!(alone.0.len() == 1 && alone.0[0].id == "B33" && alone.1 > 0, "{alone:?}");
    assert_eq!(told(2), alone);
}

#[test]
fn a_wrong_rule_beside_a_known_race_is_news_bounded_or_drawn() {
    // The wrong rule breaks what the known race does not, in a program where the known race comes first.
    let text = format!("{LOST}w2 ftruncate f 0\n");
    let wrong = scenario(&text, Era::V6_15, &["truncate-break-layout=off"]);
    let verdict = news(&wrong, 0);
    let Verdict::Found { found, .. } = verdict else { panic!("{verdict:#?}") };
    assert_eq!(found.finding.invariant, Invariant::I18);
    let threads = NonZeroUsize::MIN;
    let (strategy, seed, executions, steps_max) = (Strategy::Random, 1, 3_000, 100_000);
    let random = Some(RandomSearch { strategy, seed, executions, steps_max, threads });
    let drawing =
        Search { bounds: None, random, schedules_max: u64::MAX, threads, ends: Ends::News };
    let verdict = search(&wrong, &drawing, &mut |_| Control::Go).expect("a scenario");
    let Verdict::Found { found, .. } = verdict else { panic!("{verdict:#?}") };
    assert_eq!(attribute(&wrong, &found, &mut || Control::Go), Ok(None));
}

/// Wrong rules that change nothing under v6.15, with the reason: they show with its known races mended.
const NO_EFFECT: &[(&str, &str)] = &[(
    "request-folio=by-inspection",
    "no page holds a reference on its pagemap while teardown-pages=ignore",
)];

/// A known program with known races provoked beside it: B31 and B50 by unbinding, or B33 in a file of its own where
/// unbind would take away what the wrong rule works on.
fn provoked(known: &Known) -> Scenario {
    let text = match &*known.race.name {
        "busy-scan" => format!("file g 1\n{}", known.program).replace(
            "start\n",
            "w8 mmap 0 g 0 1 rw shared\nw8 w 0 0 | w8 pin 0 0\nstart\n\
             w8 w 0 0 | w8 unpin\nw9 ftruncate g 0\n",
        ),
        _ => format!("{}w9 unbind\n", known.program),
    };
    let wrong = known.race.assignment();
    let scenario = scenario(&text, Era::V6_15, &[&wrong]);
    let geometry = Geometry { pin_bias: known.wrong().geometry.pin_bias, ..scenario.geometry };
    Scenario { memory: known.needs, geometry, ..scenario }
}

fn told(found: &Found) -> String {
    let mends: Vec<String> = found.mends.iter().map(|mend| mend.assignment()).collect();
    format!("{} {} {mends:?}", found.finding.invariant, found.finding.title)
}

#[test]
fn no_known_race_hides_a_wrong_rule() {
    let rules = Era::V6_15.rules();
    let differs = |known: &&Known| {
        let [(rule, value)] = known.race.wrong[..] else { return false };
        // What a race of another era breaks is said of that era.
        let of_this_era = known.race.era == Era::V6_15Sound;
        of_this_era && known.race.kind.fails() && !rules.is(rule, value)
    };
    let (mut shown, mut silent, mut wrong) = (0, 0, Vec::new());
    for known in CATALOGUE.known.iter().filter(differs) {
        let scenario = provoked(known);
        let verdict = news(&scenario, known.preemptions);
        let excused = NO_EFFECT.iter().any(|(rule, _)| *rule == known.race.assignment());
        match verdict {
            Verdict::Found { found, .. }
                if Some(found.finding.invariant) != known.race.invariant =>
            {
                wrong.push(format!("{}: {}", known.race.assignment(), told(&found)));
            }
            Verdict::Found { .. } if !excused => shown += 1,
            Verdict::Found { found, .. } if !found.mends.is_empty() => silent += 1,
            other => wrong.push(format!("{}: {other:?}", known.race.assignment())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(shown >= 13, "{shown}");
    assert_eq!(silent, NO_EFFECT.len());
}
