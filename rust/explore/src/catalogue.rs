//! Programs that are known to tell a right rule from a wrong one, and what else is known of such rules.
//!
//! An entry is a file, `python/pgmap/races/NAME.toml` (`file` says what is in it); they are compiled in, and a
//! folder of more can be read at run time. Under its right rules the program of an entry is exhausted; with the
//! wrong ones it fails, with the fewest preemptions noted there, on the memory noted there. They are what
//! `explore --break RULE=VALUE` runs when no program is given, what `selftest` runs, and where the search for what
//! real threads saw begins (`reproduce`).
//!
//! Some wrong rules no program can show: orderings that are too weak, where the weak instruction is the strong one
//! on x86. The explorer's memory is no weaker than that, so it stays silent, and says so; what shows them is loom,
//! over the protocol's own lower rooms (`pgmap-mm-weak`). Others wait for an operation that the model lacks.

mod file;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use pgmap_program::{
    Era, Geometry, GeometryError, Invariant, Memory, Program, RULES, Rules, TlbRefill,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::scenario::Scenario;

/// `(rule, value)`.
pub type Assignment = (&'static str, &'static str);

/// What sort of thing an entry shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A failure that needs somebody to be interrupted: one preemption at least.
    Race,
    /// A failure of whole operations in an order that nobody has to be interrupted for.
    Sequential,
    /// Somebody never goes on.
    Liveness,
    /// Nothing fails either way, and no step comes to anything else: the rule makes no difference here.
    Equivalence,
    /// A failure that somebody expected; there is none.
    Refuted,
}

impl Kind {
    /// Whether the wrong rules break something.
    #[must_use]
    pub const fn fails(self) -> bool {
        match self {
            Self::Race | Self::Sequential | Self::Liveness => true,
            Self::Equivalence | Self::Refuted => false,
        }
    }
}

/// What is said of a race, whoever can show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Race {
    /// The file's name; with `.VARIANT` behind it for a variant.
    pub name: String,
    /// Number in the kernel facts, `"B33"`.
    pub number: Option<String>,
    /// A few words.
    pub title: String,
    pub kind: Kind,
    /// What both sides start from.
    pub era: Era,
    /// What is wrong, over the era's rules; none if the era itself is.
    pub wrong: Vec<Assignment>,
    /// What is right, over the era's rules; none if the era itself is.
    pub right: Vec<Assignment>,
    /// What breaks.
    pub invariant: Option<Invariant>,
    /// Commits, threads, recordings, places in the source.
    pub sources: Vec<String>,
    /// What happens, in one sentence.
    pub note: String,
    /// Why it does, in a paragraph.
    pub teaches: String,
}

impl Race {
    /// `RULE=VALUE` of what is wrong, several with a blank between them; the era, if it is wrong by itself.
    #[must_use]
    pub fn assignment(&self) -> String {
        let all: Vec<String> =
            self.wrong.iter().map(|(rule, value)| format!("{rule}={value}")).collect();
        if all.is_empty() { self.era.to_string() } else { all.join(" ") }
    }

    /// The rules with which it fails.
    #[must_use]
    pub fn wrong_rules(&self) -> Rules {
        over(self.era, &self.wrong)
    }

    /// The rules with which it does not.
    #[must_use]
    pub fn right_rules(&self) -> Rules {
        over(self.era, &self.right)
    }

    /// Whether this and nothing else is wrong, beside what is so on the right side, too.
    #[must_use]
    pub fn is_of(&self, rule: &str, value: &str) -> bool {
        let mut wrong = self.wrong.iter().filter(|it| !self.right.contains(it));
        wrong.next() == Some(&(rule, value)) && wrong.next().is_none()
    }

    /// In the order of the rules and their values; what no rule breaks comes last.
    fn place(&self) -> (usize, usize, usize, &str) {
        let at = |(rule, value): &Assignment| {
            let rule_at = RULES.iter().position(|it| it.name == *rule)?;
            let value_at = RULES[rule_at].values.iter().position(|it| it.name == *value)?;
            Some((rule_at, value_at))
        };
        let (rule, value) = self.wrong.first().and_then(at).unwrap_or((usize::MAX, 0));
        (rule, value, self.wrong.len(), &self.name)
    }
}

fn over(era: Era, changed: &[Assignment]) -> Rules {
    // Every assignment of an entry was looked up when it was read.
    changed
        .iter()
        .fold(era.rules(), |rules, (rule, value)| rules.with(rule, value).unwrap_or(rules))
}

/// A wrong rule and a program that shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Known {
    #[serde(flatten)]
    pub race: Race,
    /// Fewest preemptions that a failing schedule has; a store that waits counts as one. Of what does not fail:
    /// within which bound.
    pub preemptions: u32,
    /// The memory on which it is found; on a stronger one, earlier in [`Memory::ALL`], it is silent.
    pub needs: Memory,
    /// When TLBs are filled.
    pub tlb: TlbRefill,
    /// A schedule that fails waits for a grace period.
    pub grace_period: bool,
    /// Sizes of its machine that are not as the program needs them, by name.
    pub sizes: BTreeMap<String, u64>,
    pub program: String,
    /// The program, parsed.
    #[serde(skip)]
    parsed: Program,
}

impl Known {
    /// A machine of its sizes.
    fn sized(&self, mut geometry: Geometry) -> Result<Geometry, GeometryError> {
        self.sizes.iter().try_for_each(|(name, value)| geometry.set(name, *value))?;
        Ok(geometry)
    }

    /// The program under the right rules and the memory it needs: what must be exhausted.
    #[must_use]
    pub fn right(&self) -> Scenario {
        let scenario = Scenario::new(self.parsed.clone(), self.race.era);
        let geometry = self.sized(scenario.geometry).unwrap_or(scenario.geometry);
        let rules = self.race.right_rules();
        Scenario { rules, memory: self.needs, tlb: self.tlb, geometry, ..scenario }
    }

    /// The same under the wrong rules: what fails.
    #[must_use]
    pub fn wrong(&self) -> Scenario {
        Scenario { rules: self.race.wrong_rules(), ..self.right() }
    }

    /// The first entry of the catalogue for a wrong rule.
    #[must_use]
    pub fn find(rule: &str, value: &str) -> Option<&'static Self> {
        CATALOGUE.known.iter().find(|known| known.race.is_of(rule, value))
    }
}

/// A wrong ordering that x86 does not tell from the right one, and the models that show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotOnX86 {
    #[serde(flatten)]
    pub race: Race,
    /// Tests of `pgmap-mm-weak`, by name.
    pub models: Vec<String>,
    /// A program that walks through the weakened operation: silent here.
    pub program: String,
    #[serde(skip)]
    parsed: Program,
}

impl NotOnX86 {
    /// That program under the right rules.
    #[must_use]
    pub fn right(&self) -> Scenario {
        let scenario = Scenario::new(self.parsed.clone(), self.race.era);
        Scenario { rules: self.race.right_rules(), ..scenario }
    }

    /// The same under the wrong rules, which is the same search.
    #[must_use]
    pub fn wrong(&self) -> Scenario {
        Scenario { rules: self.race.wrong_rules(), ..self.right() }
    }
}

/// A wrong rule that no program can show yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotShown {
    #[serde(flatten)]
    pub race: Race,
    pub why: String,
}

/// Every entry, by what shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Catalogue {
    pub known: Vec<Known>,
    pub not_on_x86: Vec<NotOnX86>,
    pub not_shown: Vec<NotShown>,
}

/// What is wrong with an entry, with its file and the key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}: {what}")]
pub struct RaceError {
    pub file: String,
    pub what: String,
}

/// The files that were compiled in: name and text.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/races.rs"));

/// What they say. A test reads every one of them; one that cannot be read is a bug of pgmap's.
pub static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| match Catalogue::of(FILES) {
    Ok(catalogue) => catalogue,
    Err(wrong) => panic!("{wrong}"),
});

impl Catalogue {
    /// The entries of these files, `(name, text)`.
    ///
    /// # Errors
    /// The first thing that is wrong with one of them.
    pub fn of(files: &[(&str, &str)]) -> Result<Self, RaceError> {
        let mut all = Self::default();
        // What walks through another entry's program is read after it.
        let mut walking = Vec::new();
        for (name, text) in files {
            for entry in file::read(name, text)? {
                match entry {
                    file::Entry::Known(known) => all.known.push(known),
                    file::Entry::NotShown(missing) => all.not_shown.push(missing),
                    file::Entry::NotOnX86 { race, models, walks } => {
                        walking.push((race, models, walks));
                    }
                }
            }
        }
        for (race, models, walks) in walking {
            let Some(known) = all.known.iter().find(|known| known.race.name == walks) else {
                let what = format!("walks: no race with a program is called \"{walks}\"");
                return Err(RaceError { file: format!("{}.toml", race.name), what });
            };
            let (program, parsed) = (known.program.clone(), known.parsed.clone());
            all.not_on_x86.push(NotOnX86 { race, models, program, parsed });
        }
        all.known.sort_by(|one, other| one.race.place().cmp(&other.race.place()));
        all.not_on_x86.sort_by(|one, other| one.race.place().cmp(&other.race.place()));
        all.not_shown.sort_by(|one, other| one.race.place().cmp(&other.race.place()));
        Ok(all)
    }

    /// What was compiled in, and the files of a folder.
    ///
    /// # Errors
    /// The first thing that is wrong with one of them.
    pub fn with(folder: &Path) -> Result<Self, RaceError> {
        let wrong = |file: &Path, error: &dyn std::fmt::Display| RaceError {
            file: file.display().to_string(),
            what: error.to_string(),
        };
        let listed = fs::read_dir(folder).map_err(|error| wrong(folder, &error))?;
        let mut paths = Vec::new();
        for entry in listed {
            let path = entry.map_err(|error| wrong(folder, &error))?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                paths.push(path);
            }
        }
        paths.sort();
        if paths.is_empty() {
            return Err(wrong(folder, &"no file of it ends in .toml"));
        }
        let mut more = Vec::new();
        for path in &paths {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let text = fs::read_to_string(path).map_err(|error| wrong(path, &error))?;
            if FILES.iter().any(|(known, _)| *known == name) {
                return Err(wrong(path, &"pgmap has a race of this name"));
            }
            more.push((name, text));
        }
        let more = more.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        Self::of(&FILES.iter().copied().chain(more).collect::<Vec<_>>())
    }

    /// Every entry.
    pub fn races(&self) -> impl Iterator<Item = &Race> {
        let weak = self.not_on_x86.iter().map(|it| &it.race);
        let missing = self.not_shown.iter().map(|it| &it.race);
        self.known.iter().map(|it| &it.race).chain(weak).chain(missing)
    }
}
