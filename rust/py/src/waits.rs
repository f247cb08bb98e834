//! Waits in words: who waits for what, and who holds it.

use std::time::Duration;

use pgmap_mm::dax::PAGE_IDLE;
use pgmap_mm::page::Pfn;
use pgmap_mm::world::{IN_FLIGHT, Party};
use pgmap_native::threaded::{Patience, ThreadedWorld};
use pgmap_prim::Waiter;

/// The frame somebody waits for.
pub(crate) fn awaited(waiter: &Waiter) -> Option<Pfn> {
    (waiter.class == PAGE_IDLE).then(|| u32::try_from(waiter.object).ok().map(Pfn)).flatten()
}

/// "w0 close waits for page to become idle, pfn 18, since 2.0 s".
pub(crate) fn describe(waiter: &Waiter) -> String {
    let who = Party::of(waiter.task.0);
    let what = match awaited(waiter) {
        Some(pfn) => format!("pfn {}", pfn.0),
        None => format!("{:#x}", waiter.object),
    };
    let owner =
        waiter.owner.map_or_else(String::new, |task| format!(", held by {}", Party::of(task.0)));
    let seconds = waiter.for_.as_secs_f64();
    format!("{who} waits for {}, {what}{owner}, for {seconds:.1} s", waiter.class)
}

/// Who holds the pages that are waited for, as far as the machine can still tell.
pub(crate) fn holders(
    threaded: &ThreadedWorld,
    deadline: Duration,
    waiters: &[Waiter],
) -> Vec<String> {
    let patience = Patience { deadline: Some(deadline), poll: None };
    let mut frames: Vec<u32> = waiters.iter().filter_map(awaited).map(|pfn| pfn.0).collect();
    frames.sort_unstable();
    frames.dedup();
    let found = threaded.enter(0, patience, |cpu| {
        let of = |pfn: u32| {
            let holders = threaded.world().holders(cpu, Pfn(pfn)).into_iter();
            holders.map(move |holder| format!("pfn {pfn}: {}, {} page(s)", holder.by, holder.pages))
        };
        frames.iter().flat_map(|pfn| of(*pfn)).collect()
    });
    let mut found: Vec<String> = found.unwrap_or_default();
    if waiters.iter().any(|waiter| waiter.class == IN_FLIGHT) {
        found.push("the slow device, until complete_io() or tick()".to_owned());
    }
    found
}
