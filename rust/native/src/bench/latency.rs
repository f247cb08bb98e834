//! How long kills take: each one's time, where nobody is busy and where a peer gets and puts without a pause.
//!
//! A kill is too rare and too uneven for a ratio: what matters is how long the slowest take. Each is timed by itself, from
//! before it begins until it tells its count. What a clock that is read twice in a row says is told besides: no kill
//! can be seen to be shorter.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Instant;

use pgmap_prim::measure::{allowed_processors, pin_thread};
use pgmap_schemes::kinds::{self, Visit};
use pgmap_schemes::scheme::{Learns, Put, Scheme};

use crate::bench::load::Objects;
use crate::bench::refs::refused;
use crate::bench::workload::BuildError;

/// Times of one kind, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percentiles {
    /// Half took less.
    pub p50: u64,
    /// Of a hundred, one took longer.
    pub p99: u64,
    /// Of a thousand.
    pub p999: u64,
    /// The longest.
    pub most: u64,
}

impl Percentiles {
    fn of(mut times: Vec<u64>) -> Option<Self> {
        times.sort_unstable();
        let last = times.len().checked_sub(1)?;
        let at = |thousandths: usize| times[(last * thousandths).div_ceil(1000)];
        Some(Self { p50: at(500), p99: at(990), p999: at(999), most: times[last] })
    }
}

/// What the kills of a scheme took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kills {
    /// Which scheme.
    pub scheme: &'static str,
    /// Nobody else is there.
    pub quiet: Percentiles,
    /// A peer gets and puts on another processor; none where there is one processor.
    pub busy: Option<Percentiles>,
}

/// What two readings of the clock are apart, if nothing lies between them.
#[must_use]
pub fn timer_floor(times: usize) -> Option<Percentiles> {
    Percentiles::of((0..times).map(|_| nanos(|| ())).collect())
}

fn nanos(act: impl FnOnce()) -> u64 {
    let start = Instant::now();
    act();
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Kills that a peer is in the midst of: which life it may use, which it has begun to, and which it has left.
#[derive(Debug, Default)]
struct Lives {
    begun: AtomicUsize,
    met: AtomicUsize,
    left: AtomicUsize,
}

fn wait_for(word: &AtomicUsize, life: usize) {
    while word.load(SeqCst) < life {
        thread::yield_now();
    }
}

impl Lives {
    /// What the peer does: gets and puts until it is refused, in each life.
    fn peer<S: Scheme>(&self, objects: &Objects<S>, lives: usize) {
        let (cpu, scheme, count) = (&objects.cpu(1), &objects.scheme, objects.scheme.count(0));
        for life in 1..=lives {
            wait_for(&self.begun, life);
            while let Some(token) = scheme.try_get(cpu, count) {
                let _ = scheme.put(cpu, count, token);
                self.met.store(life, SeqCst);
            }
            self.left.store(life, SeqCst);
        }
    }
}

/// Kills so many times, in the midst of the peer's gets and puts if there is one; checks what each found.
fn times<S: Scheme>(objects: &Objects<S>, kills: usize, peer: Option<&Lives>) -> Vec<u64> {
    let (cpu, scheme, count) = (&objects.cpu(0), &objects.scheme, objects.scheme.count(0));
    let mut owners = objects.owners[0];
    let mut taken = Vec::with_capacity(kills);
    for life in 1..=kills {
        if let Some(peer) = peer {
            peer.begun.store(life, SeqCst);
            wait_for(&peer.met, life);
        }
        let mut counted = None;
        taken.push(nanos(|| counted = scheme.kill(cpu, count)));
        if let Some(peer) = peer {
            wait_for(&peer.left, life);
        }
        // The peer's one may have been out.
        if !counted.is_some_and(|counted| (1..=2).contains(&counted))
            || scheme.put(cpu, count, owners) != Put::Zero
        {
            refused("the last put");
        }
        owners = scheme.init(cpu, count);
    }
    taken
}

fn of<S: Scheme>(kills: usize) -> Result<Kills, BuildError> {
    let processors = allowed_processors();
    let timed = |peer: Option<&Lives>| {
        let objects = &Objects::<S>::new(1)?;
        let taken = thread::scope(|scope| {
            if let Some(lives) = peer {
                let processor = processors[1];
                scope.spawn(move || {
                    // Unbound threads measure too, with more noise.
                    pin_thread(processor);
                    lives.peer(objects, kills);
                });
            }
            let owner = scope.spawn(|| {
                if let Some(&first) = processors.first() {
                    pin_thread(first);
                }
                times(objects, kills, peer)
            });
            owner.join().unwrap_or_else(|_| refused("a kill"))
        });
        Percentiles::of(taken).ok_or_else(|| BuildError("no kills".to_owned()))
    };
    let busy = (processors.len() > 1).then(|| timed(Some(&Lives::default()))).transpose()?;
    Ok(Kills { scheme: S::NAME, quiet: timed(None)?, busy })
}

/// So many kills of each scheme that can be killed, quiet and busy.
///
/// # Errors
/// There is no room, or none were asked for.
pub fn kills(times: usize) -> Result<Vec<Kills>, BuildError> {
    struct Each(usize, Result<Vec<Kills>, BuildError>);
    impl Visit for Each {
        fn visit<S: Scheme>(&mut self) {
            if let Ok(found) = &mut self.1
                && matches!(S::CAPS.zero, Learns::AfterKill | Learns::AtKill)
            {
                match of::<S>(self.0) {
                    Ok(kills) => found.push(kills),
                    Err(why) => self.1 = Err(why),
                }
            }
        }
    }
    let mut each = Each(times, Ok(Vec::new()));
    kinds::each(&mut each);
    each.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_that_can_be_killed_is_timed() {
        let found = kills(50).expect("kills");
        assert_eq!(found.len(), 6);
        for Kills { quiet, .. } in &found {
            assert!(quiet.p50 <= quiet.p99 && quiet.p99 <= quiet.p999 && quiet.p999 <= quiet.most);
        }
        assert!(kills(0).is_err());
    }

    #[test]
    fn percentiles_are_times_that_were_taken() {
        let found = Percentiles::of((1..=1000).rev().collect()).expect("times");
        assert_eq!(found, Percentiles { p50: 501, p99: 991, p999: 1000, most: 1000 });
        assert_eq!(Percentiles::of(Vec::new()), None);
        assert!(timer_floor(100).is_some());
    }
}
