//! Runs one operation so many times: `counted OPERATION TIMES`. For tools that count instructions; see
//! `tests/instruction_counts.py`.
#![forbid(unsafe_code)]

use std::error::Error;

use pgmap_native::bench::{Counted, counted_pairs};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(wanted), Some(times), None) = (words.next(), words.next(), words.next()) else {
        return Err("counted OPERATION TIMES".into());
    };
    let times = times.parse()?;
    if let Some((_, operation)) = Counted::ALL.iter().find(|(name, _)| *name == wanted) {
        return Ok(operation.run(times)?);
    }
    let pair = counted_pairs().into_iter().find(|(name, _)| *name == wanted);
    let (_, run) = pair.ok_or_else(|| format!("there is no operation {wanted}"))?;
    Ok(run(times)?)
}
