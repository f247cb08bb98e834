//! The benchmark measures what it says it measures. How long anything takes is nobody's business here.

use std::collections::BTreeSet;
use std::time::Duration;

use pgmap_native::bench::{
    BenchRun, Config, Limit, ROUNDS_MIN, Report, Row, Sense, Side, Suite, rows,
};

fn run(suite: Suite, only: &[&str]) -> Report {
    let only = only.iter().map(|part| (*part).to_owned()).collect();
    BenchRun::start(Config { time: Duration::ZERO, only, seed: 3, suite, ..Config::default() })
        .finish()
}

fn all_rows() -> impl Iterator<Item = Row> {
    Suite::ALL.into_iter().flat_map(|(_, suite)| rows(suite))
}

#[test]
fn every_row_can_be_built_and_both_its_sides_yield_a_figure() {
    for row in all_rows() {
        let Ok(mut workload) = (row.build)() else {
            // One processor cannot show what a second one gains.
            assert!(row.name.contains("threads"), "{} cannot be built", row.name);
            continue;
        };
        for side in [Side::Subject, Side::Floor, Side::Subject] {
            let figure = workload.measure(side, 100);
            assert!(figure.is_finite() && figure > 0.0, "{} {side:?}: {figure}", row.name);
        }
    }
}

#[test]
fn names_are_unique_and_gains_have_lower_limits() {
    let rows: Vec<Row> = all_rows().collect();
    for (at, row) in rows.iter().enumerate() {
        assert!(rows[..at].iter().all(|other| other.name != row.name));
        let is_gain = row.unit.contains("gain");
        assert_eq!(row.limit.sense == Sense::AtLeast, is_gain, "{}", row.name);
    }
}

#[test]
fn however_short_the_time_there_are_enough_rounds_and_controls() {
    let report = run(Suite::Core, &["sound idle", "get+put, called"]);
    assert!(report.complete && report.broken.is_none());
    let [row, called] = &report.rows[..] else { panic!("{:?}", report.rows) };
    let [null] = &report.nulls[..] else { panic!("{:?}", report.nulls) };
    assert_eq!([row, called, null].map(|row| row.raw.len()), [ROUNDS_MIN; 3]);
    assert_eq!(report.bare_calls.expect("a row of bare calls").raw.len(), ROUNDS_MIN);
    assert!(row.ratio.low <= row.ratio.median && row.ratio.median <= row.ratio.high);
}

#[test]
fn every_floor_is_measured_against_itself_and_judges_its_own_rows_only() {
    let floors = |suite, only| {
        let report = run(suite, only);
        let rows = report.rows.iter().map(|row| row.row.floor.clone());
        let nulls = report.nulls.iter().map(|null| null.row.floor.clone());
        let (rows, nulls): (BTreeSet<_>, BTreeSet<_>) = (rows.collect(), nulls.collect());
        assert_eq!(nulls.len(), report.nulls.len());
        (rows, nulls)
    };
    let measured = [
        (Suite::Refcount, &["lockref"][..], 2),
        (Suite::Refcount, &["lockref, 1 thread"], 1),
        (Suite::RefcountLoads, &["lockref"], 6),
        (Suite::Pagemap, &["atomic add, one for 8"], 1),
        (Suite::FolioTryGet, &["guess 1"], 2),
    ];
    for (suite, only, count) in measured {
        let (rows, nulls) = floors(suite, only);
        assert!(rows == nulls && rows.len() == count, "{suite:?} {only:?}: {rows:?} {nulls:?}");
    }
}

#[test]
fn schemes_have_a_null_row_and_no_limits() {
    for suite in [Suite::Refcount, Suite::RefcountLoads, Suite::Pagemap, Suite::Alloc] {
        assert!(rows(suite).iter().all(|row| row.limit.set_on.is_empty()));
    }
    let report = run(Suite::FolioTryGet, &["frozen bit, count 17"]);
    assert!(report.complete && report.broken.is_none(), "{:?}", report.broken);
    assert_eq!((report.rows.len(), report.nulls[0].raw.len()), (1, ROUNDS_MIN));
    assert!(report.bare_calls.is_none());
}

#[test]
fn a_load_that_a_scheme_cannot_bear_is_left_out_of_it() {
    let names: Vec<_> = rows(Suite::RefcountLoads).into_iter().map(|row| row.name).collect();
    let has = |part: &str| names.iter().any(|name| name.contains(part));
    assert!(
        has("zipf 0.99 of 16: kill, then count: paygo-like") && has("private objects: pin only")
    );
    // One object at a time is pinned; only pages are frozen; nobody kills what tells its end at a put.
    assert!(!names.iter().any(|name| name.starts_with("zipf") && name.contains("pin only")));
    assert!(!has("frozen against readers: kill") && !has("killed every 100 pairs: zero at put"));
}

#[test]
fn a_name_that_fits_no_row_measures_nothing() {
    let report = run(Suite::Core, &["nonsense"]);
    assert!(report.rows.is_empty());
}

#[test]
fn a_stopped_run_ends_and_says_that_it_is_not_whole() {
    let mut bench =
        BenchRun::start(Config { time: Duration::from_secs(3600), ..Config::default() });
    bench.stop();
    assert!(!bench.finish().complete);
    assert!(bench.poll().done);
    assert!(bench.finish().rows.is_empty(), "a report is taken once");
}

#[test]
fn every_limit_names_the_processors_it_was_set_on() {
    for row in rows(Suite::Core) {
        let processors = row.limit.set_on;
        assert!(!processors.is_empty(), "{}", row.name);
        // As the host names itself: with family and model.
        assert!(processors.iter().all(|(name, _)| name.contains("(family ")), "{processors:?}");
    }
    let limit = Limit::at_most(&[("this one", 2.0), ("that one", 3.0)]);
    let asked = ["this one", "that one", "another"].map(|name| limit.on(name));
    assert_eq!(asked, [Some(2.0), Some(3.0), None]);
}
