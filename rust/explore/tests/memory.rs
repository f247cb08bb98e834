//! What store buffers show, and what they do not.

use std::time::Instant;

use pgmap_explore::catalogue::{CATALOGUE, Known};
use pgmap_explore::{Verdict, explore};
use pgmap_program::Memory;
use pgmap_sched::{Control, Plan};

#[test]
fn scratch() {
    let known = Known::find("zap-clear", "load-store").unwrap();
    for memory in [Memory::Sc, Memory::Tso] {
        for wrong in [true, false] {
            let mut scenario = known.right().unwrap();
            scenario.memory = memory;
            if wrong { scenario.rules.apply(&known.assignment()).unwrap(); }
            let at = Instant::now();
            let verdict = explore(&scenario, &Plan { bound: Some(2), ..Plan::default() }, &mut |_| Control::Go).unwrap();
            match &verdict {
                Verdict::Found { found, .. } => println!("{memory} {wrong} found {:?} {:?}", found.preemptions, found.finding),
                other => println!("{memory} {wrong} {other:?}"),
            }
            println!("{:?}", at.elapsed());
            if let Verdict::Found { found, .. } = verdict {
                println!("{}", pgmap_explore::report(&scenario, &found).unwrap());
            }
        }
    }
}
