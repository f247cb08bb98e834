//! What the command line says.

use std::fs;
use std::time::Duration;

pub(crate) struct Options {
    pub(crate) rounds: usize,
    /// Of each search that is to exhaust.
    pub(crate) limit: Duration,
    pub(crate) json: Option<String>,
    /// Asked of the process that looks for a mistake.
    pub(crate) find: Option<String>,
    /// A program, if only its time to exhaust is asked for.
    pub(crate) exhaust: Option<String>,
}

impl Options {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let limit = Duration::from_secs(30);
        let mut options = Self { rounds: 31, limit, json: None, find: None, exhaust: None };
        let missing = |word: &str| format!("{word} needs a value");
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| missing(&word));
            match word.as_str() {
                "--rounds" => {
                    let number = value()?.parse().ok().filter(|&rounds| rounds > 0);
                    options.rounds = number.ok_or("--rounds is a number above 0")?;
                }
                "--limit" => {
                    let seconds = value()?.parse().ok().map(Duration::from_secs);
                    options.limit = seconds.ok_or("--limit is a number of seconds")?;
                }
                "--exhaust" => {
                    let file = value()?;
                    let text = fs::read_to_string(&file);
                    options.exhaust = Some(text.map_err(|error| format!("{file}: {error}"))?);
                }
                "--json" => options.json = Some(value()?),
                "--find" => options.find = Some(value()?),
                // Cargo's own.
                "--bench" => {}
                _ => {
                    return Err(format!(
                        "{word} is no option; there are --rounds N, --limit SECONDS, --exhaust FILE and --json FILE"
                    ));
                }
            }
        }
        Ok(options)
    }
}
