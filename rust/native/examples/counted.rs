//! Runs one operation so many times: `counted OPERATION TIMES`. For tools that count instructions; see
//! `tests/instruction_counts.py`.
#![forbid(unsafe_code)]

use std::error::Error;

use pgmap_native::bench::Counted;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(wanted), Some(times), None) = (words.next(), words.next(), words.next()) else {
        return Err("counted OPERATION TIMES".into());
    };
    let known = Counted::ALL.iter().find(|(name, _)| *name == wanted);
    let (_, operation) = known.ok_or_else(|| format!("there is no operation {wanted}"))?;
    Ok(operation.run(times.parse()?)?)
}
