//! Kills: a load that has one every hundred pairs.

use std::sync::Mutex;

use pgmap_schemes::kinds::{add::Add, closed::Closed};
use pgmap_schemes::scheme::{Caps, Learns, Put, Scheme};

use crate::bench::contest::Pairs;
use crate::bench::load::{Load, Objects, lock};
use crate::bench::refs::refused;
use crate::bench::workload::BuildError;

/// Pairs between two kills.
const LIFE: u64 = 100;

/// Kills, on one thread: what a kill costs where nobody is busy, spread over the pairs of a life.
pub(super) struct Kill<S: Scheme>(Objects<S>, Mutex<S::Token>);

impl<S: Scheme> Pairs for Kill<S> {
    #[inline(never)]
    fn run(&self, thread: usize, pairs: u64) {
        let (cpu, mut owners) = (&self.0.cpu(thread), lock(&self.1));
        let (scheme, count) = (&self.0.scheme, self.0.scheme.count(0));
        for pair in 1..=pairs {
            let token = self.0.get(cpu, 0);
            let _ = self.0.put(cpu, 0, token);
            if pair % LIFE == 0 {
                let killed = scheme.kill(cpu, count);
                if killed != Some(1) || scheme.put(cpu, count, *owners) != Put::Zero {
                    refused("the last put");
                }
                *owners = scheme.init(cpu, count);
            }
        }
    }
}

impl Load for Kill<Add> {
    const NAME: &'static str = "killed every 100 pairs";
    const THREADS: usize = 1;
    const ONE_OBJECT: bool = true;
    type Floor = Closed;
    type Of<S: Scheme> = Kill<S>;

    fn fits(caps: Caps) -> bool {
        matches!(caps.zero, Learns::AfterKill | Learns::AtKill)
    }

    fn of<S: Scheme>() -> Result<Kill<S>, BuildError> {
        let objects = Objects::new(1)?;
        let owners = objects.owners[0];
        Ok(Kill(objects, Mutex::new(owners)))
    }
}
