//! Eras: named presets of rules (K§3.7). A faithful era does what that kernel shipped, faults
//! included, and lists them; its sound variant is the same kernel with those faults mended.
//!
//! Conformance with recordings is judged against faithful eras; "clean" is a claim about sound ones.
//!
//! An era is a file, `eras/NAME.toml`: its kernels, what it does differently from the era it is based on and how that is
//! known, and the races it is known to have. A known race names its rule, the wrong value that shipped and the value that mends
//! it; the sound twin is what follows from that. The enum and its table are made when the crate is built
//! (`build/eras.rs`), so presets are constants, and what a file gets wrong does not build.

use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

use crate::by_name::{serialized_by, shown_by};
use crate::invariant::Invariant;
use crate::nearest::hint;
use crate::rules::{How, RuleInfo, Rules};

include!(concat!(env!("OUT_DIR"), "/eras.rs"));

/// What is known of an era.
struct EraInfo {
    name: &'static str,
    summary: &'static str,
    k: &'static str,
    kernels: Option<((u32, u32), (u32, u32))>,
    base: Option<Era>,
    rules: Rules,
    known: &'static [KnownRace],
    told: &'static [ToldRule],
    sound: Era,
}

/// How it is known that an era has a value of a rule, in the era's own words.
struct ToldRule {
    rule: &'static str,
    value: &'static str,
    how: How,
    source: &'static str,
}

/// What an era's file says must exist.
const fn must(rules: Option<Rules>, wrong: &'static str) -> Rules {
    match rules {
        Some(rules) => rules,
        None => panic!("{}", wrong),
    }
}

/// As [`must`], of an invariant.
const fn must_be(invariant: Option<Invariant>, wrong: &'static str) -> Invariant {
    match invariant {
        Some(invariant) => invariant,
        None => panic!("{}", wrong),
    }
}

/// A race that a faithful era is known to have: reported as known, not as news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KnownRace {
    /// Number in the catalogue, `"B33"`.
    pub id: &'static str,
    /// A few words.
    pub title: &'static str,
    /// What it is seen to break, the most usual first.
    pub breaks: &'static [Invariant],
    /// `(rule, value)` that makes the difference.
    pub rule: (&'static str, &'static str),
    /// The value of that rule that mends it.
    pub mend: &'static str,
    /// The operations of which one takes part, as a violation names them.
    pub operations: &'static [&'static str],
    /// Kernels on which it was seen, or that have it by their source.
    pub kernels: &'static str,
    /// The facts behind it.
    #[serde(rename = "facts")]
    pub k: &'static str,
    /// Where the evidence is: recordings, commits, threads.
    pub source: &'static str,
    /// What happens.
    pub note: &'static str,
}

impl KnownRace {
    /// Whether it can happen under these rules.
    #[must_use]
    pub fn is_in_force(&self, rules: &Rules) -> bool {
        rules.is(self.rule.0, self.rule.1)
    }

    /// Whether a failure has its fingerprint: its rule is in force, the failure breaks what it breaks, and one of its
    /// operations takes part.
    #[must_use]
    pub fn is_seen_in(
        &self,
        rules: &Rules,
        invariant: Invariant,
        takes_part: impl Fn(&str) -> bool,
    ) -> bool {
        self.is_in_force(rules)
            && self.breaks.contains(&invariant)
            && self.operations.iter().any(|operation| takes_part(operation))
    }

    /// `(rule, value)` that mends it.
    #[must_use]
    pub const fn mended(&self) -> (&'static str, &'static str) {
        (self.rule.0, self.mend)
    }
}

impl Era {
    /// Every era: kernels in their order, each followed by its sound twin, then proposals.
    pub const ALL: [Era; ALL.len()] = ALL;

    const fn info(self) -> &'static EraInfo {
        &ERAS[self as usize]
    }

    /// The name on command lines and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.info().name
    }

    /// One sentence about it.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        self.info().summary
    }

    /// The facts behind it.
    #[must_use]
    pub const fn k(self) -> &'static str {
        self.info().k
    }

    /// Its rules.
    #[must_use]
    pub const fn rules(self) -> Rules {
        self.info().rules
    }

    /// The value a rule has in this era.
    #[must_use]
    pub fn value_of(self, rule: &RuleInfo) -> &'static str {
        self.rules().get(rule.name).unwrap_or(rule.base)
    }

    /// How it is known that this era has the value it has, and what tells: the era's own word for it, where its kernels are
    /// not those of which the rules table knows the value.
    #[must_use]
    pub fn known_from(self, rule: &RuleInfo) -> (How, &'static str) {
        let value = self.value_of(rule);
        let own = self.info().told.iter().find(|it| it.rule == rule.name && it.value == value);
        let told = own.map(|it| (it.how, it.source));
        let listed = || rule.value(value).map(|it| (it.how, it.source));
        told.or_else(listed).unwrap_or((How::Derived, rule.summary))
    }

    /// The era that it is a delta of; none if it is one of the base of the rules table.
    #[must_use]
    pub const fn base(self) -> Option<Era> {
        self.info().base
    }

    /// First and last kernel that it describes, `major.minor`; none for what no kernel shipped.
    #[must_use]
    pub fn kernels(self) -> Option<(String, String)> {
        let text = |(major, minor): (u32, u32)| format!("{major}.{minor}");
        self.info().kernels.map(|(first, last)| (text(first), text(last)))
    }

    /// The races it is known to have.
    #[must_use]
    pub const fn known(self) -> &'static [KnownRace] {
        self.info().known
    }

    /// The same kernel with its known races mended; itself, if there are none.
    #[must_use]
    pub const fn sound(self) -> Era {
        self.info().sound
    }

    /// The known race of this era whose fingerprint a failure under `rules` has.
    #[must_use]
    pub fn known_race(
        self,
        rules: &Rules,
        invariant: Invariant,
        takes_part: impl Fn(&str) -> bool,
    ) -> Option<&'static KnownRace> {
        self.known().iter().find(|race| race.is_seen_in(rules, invariant, &takes_part))
    }

    /// The faithful era for a running kernel's version string (`"6.16.12+deb13"`): the newest that is not newer than the
    /// kernel. None for a kernel before all of them.
    #[must_use]
    pub fn of_kernel(version: &str) -> Option<Era> {
        let version = version_of(version)?;
        let begun = |era: &Era| era.info().kernels.is_some_and(|(first, _)| first <= version);
        Era::ALL.into_iter().rfind(begun)
    }

    /// Whether it describes that kernel, and is not merely the nearest before it.
    #[must_use]
    pub fn describes(self, version: &str) -> bool {
        let within = |version| {
            self.info().kernels.is_some_and(|(first, last)| (first..=last).contains(&version))
        };
        version_of(version).is_some_and(within)
    }
}

/// `major.minor` of a version string.
fn version_of(text: &str) -> Option<(u32, u32)> {
    let number = |s: &str| -> Option<u32> {
        s.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok())
    };
    let mut parts = text.split('.');
    Some((number(parts.next()?)?, number(parts.next()?)?))
}

/// The newest kernel that has been recorded in full, with its known races mended: what nobody chose is not to be
/// blamed for a race that shipped.
impl Default for Era {
    fn default() -> Era {
        Era::V6_15Sound
    }
}

/// No era has that name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no era is called \"{name}\"{hint}; eras are: {known}")]
pub struct EraError {
    /// What was asked for.
    pub name: String,
    hint: String,
    known: String,
}

impl FromStr for Era {
    type Err = EraError;

    fn from_str(name: &str) -> Result<Era, EraError> {
        let names = || Era::ALL.iter().map(|era| era.name());
        Era::ALL.into_iter().find(|era| era.name() == name).ok_or_else(|| EraError {
            name: name.to_owned(),
            hint: hint(name, names()),
            known: names().collect::<Vec<_>>().join(", "),
        })
    }
}

shown_by!(name: Era);
serialized_by!(name: Era);
