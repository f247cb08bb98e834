//! Each side of each row of `python -m pgmap.bench core`, under criterion.
//!
//! Criterion measures one thing after the other and keeps history; the command measures quotients in
//! interleaved rounds. Same loops, two views: look here for what a change did to one loop, there for
//! whether a limit is kept. Gains of a second thread are quotients already and are left out.
#![forbid(unsafe_code)]
#![allow(missing_docs, unreachable_pub)]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use pgmap_native::bench::{Sense, Side, Suite, rows};

fn core(criterion: &mut Criterion) {
    let costs = rows(Suite::Core).into_iter().filter(|row| row.limit.sense == Sense::AtMost);
    for row in costs {
        let Ok(mut workload) = (row.build)() else { continue };
        let mut group = criterion.benchmark_group(row.name);
        for (name, side) in [("subject", Side::Subject), ("floor", Side::Floor)] {
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|iterations| {
                    let nanos = workload.measure(side, iterations) * iterations as f64;
                    Duration::from_secs_f64(nanos / 1e9)
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50);
    targets = core
}
criterion_main!(benches);
