//! Measures the scheme: two threads on one object, against one locked addition each way, in the same rounds.
#![forbid(unsafe_code)]

use std::io::Write;
use std::time::Duration;

use pgmap_example_refcount::native::scheme::Doubled;
use pgmap_native::bench::{BenchRun, Config, Suite, against_add};

fn main() -> std::io::Result<()> {
    let config = Config {
        suite: Suite::FolioTryGet,
        time: Duration::from_secs(5),
        only: vec!["doubled".to_owned()],
        extra: vec![against_add::<Doubled>()],
        ..Config::default()
    };
    let report = BenchRun::start(config).finish();
    let mut out = std::io::stdout().lock();
    for found in report.rows.iter().chain(&report.nulls) {
        let (name, spread) = (&found.row.name, found.ratio);
        writeln!(out, "{name}: {:.2} ({:.2}..{:.2})", spread.median, spread.low, spread.high)?;
    }
    for (name, why) in report.left_out {
        writeln!(out, "{name} was left out: {why}")?;
    }
    Ok(())
}
