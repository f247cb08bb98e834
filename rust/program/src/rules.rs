//! Rules: each decision on which kernels and proposals differ, as plain data (K§3.7, K§9 "Knob").
//!
//! A rule is written once, in [`table`], and the macro turns that into a field of [`Rules`], its entry in [`RULES`]
//! and access by its kebab-case name (`--break zap-put=before-flush`). The protocol reads fields; everything else
//! goes through names. A row knows no era: it has a base value, and says of each value how it is known. What an era
//! does differently from the base, the era says (`eras/*.toml`).
//!
//! A rule describes what the kernel *does*, not whether that is right: an era is faithful by
//! choosing what shipped, and sound by choosing what holds.

mod table;
mod values;

use serde::Serialize;
use thiserror::Error;

use crate::nearest::hint;
use crate::same::same;

pub use table::{RULES, Rules};
pub use values::*;

/// How it is known what a kernel does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// A recording of a running kernel shows it.
    Recorded,
    /// Read in the source of a kernel.
    Source,
    /// A message of a mailing list or of a commit says so.
    Thread,
    /// Concluded by pgmap from what is known; nobody else said so.
    Derived,
}

/// One value of a rule: what it does, and how it is known that some kernel does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RuleValueInfo {
    /// Kebab-case name.
    pub name: &'static str,
    /// What the machine does with it.
    pub meaning: &'static str,
    /// How it is known.
    pub how: How,
    /// The kernels that do it.
    pub kernels: &'static str,
    /// Recordings, functions, commits or threads that tell.
    pub source: &'static str,
}

/// What can be said about a rule without a world.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RuleInfo {
    /// Kebab-case name, the one `--break` takes.
    pub name: &'static str,
    /// What the rule decides, and what which kernel did.
    pub summary: &'static str,
    /// Where the facts are: section of the kernel facts, race numbers.
    pub k: &'static str,
    /// The values it can take.
    pub values: &'static [RuleValueInfo],
    /// Its value where an era says nothing else.
    pub base: &'static str,
}

impl RuleInfo {
    /// The value called `name`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&'static RuleValueInfo> {
        self.values.iter().find(|value| value.name == name)
    }

    /// The rule of this name. Underscores are taken for hyphens.
    pub fn find(name: &str) -> Result<&'static RuleInfo, RuleError> {
        let kebab = name.replace('_', "-");
        RULES.iter().find(|r| r.name == kebab).ok_or_else(|| RuleError::UnknownRule {
            rule: name.to_owned(),
            hint: hint(name, RULES.iter().map(|r| r.name)),
            known: list(RULES.iter().map(|r| r.name)),
        })
    }
}

/// Why a rule could not be read or set. Each message lists what exists.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RuleError {
    /// No rule has this name.
    #[error("no rule is called \"{rule}\"{hint}; rules are: {known}")]
    UnknownRule {
        /// What was asked for.
        rule: String,
        /// Nearest match, ready to print.
        hint: String,
        /// The rules that exist.
        known: String,
    },
    /// The rule does not have this value.
    #[error("rule {rule} has no value \"{value}\"{hint}; it takes: {known}")]
    UnknownValue {
        /// The rule.
        rule: &'static str,
        /// What was asked for.
        value: String,
        /// Nearest match, ready to print.
        hint: String,
        /// The values that exist.
        known: String,
    },
    /// Two rules have values that no machine can have together.
    #[error("{}={} and {}={} are impossible together: {why}", one.0, one.1, other.0, other.1)]
    Impossible {
        /// A rule and its value.
        one: (&'static str, &'static str),
        /// The other.
        other: (&'static str, &'static str),
        /// Why.
        why: &'static str,
    },
    /// The text is not `RULE=VALUE`.
    #[error("\"{0}\" is not RULE=VALUE, for example zap-put=before-flush")]
    NotAnAssignment(String),
}

/// Two rules with their values that no machine can have together, and why.
struct Impossible {
    pair: [(&'static str, &'static str); 2],
    why: &'static str,
}

const IMPOSSIBLE: &[Impossible] = &[
    Impossible {
        pair: [("request-folio", "by-inspection"), ("dax-pages", "devmap")],
        why: "a free page has the count one there, so a count that reads one does not say who was first",
    },
    Impossible {
        pair: [("release-folio", "by-inspection"), ("dax-pages", "devmap")],
        why: "a free page has the count one there, so a count that reads zero says nothing of who was last",
    },
];

fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

impl Rules {
    /// Whether the rule called `rule` has the value called `value`.
    #[must_use]
    pub const fn is(&self, rule: &str, value: &str) -> bool {
        match self.value_of(rule) {
            Some(mine) => same(mine, value),
            None => false,
        }
    }

    /// The value of the rule called `name`.
    pub fn get(&self, name: &str) -> Result<&'static str, RuleError> {
        let rule = RuleInfo::find(name)?;
        self.value_of(rule.name).ok_or_else(|| RuleError::NotAnAssignment(name.to_owned()))
    }

    /// Gives the rule called `name` the value called `value`.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), RuleError> {
        let rule = RuleInfo::find(name)?;
        *self = self.with(rule.name, value).ok_or_else(|| RuleError::UnknownValue {
            rule: rule.name,
            value: value.to_owned(),
            hint: hint(value, rule.values.iter().map(|it| it.name)),
            known: list(rule.values.iter().map(|it| it.name)),
        })?;
        Ok(())
    }

    /// Applies `RULE=VALUE`, as `--break` takes it.
    pub fn apply(&mut self, assignment: &str) -> Result<(), RuleError> {
        let (rule, value) = assignment
            .split_once('=')
            .ok_or_else(|| RuleError::NotAnAssignment(assignment.to_owned()))?;
        self.set(rule.trim(), value.trim())
    }

    /// Whether a machine can have all of them together.
    pub fn possible(&self) -> Result<(), RuleError> {
        let is = |(rule, value): &(&str, &str)| self.is(rule, value);
        match IMPOSSIBLE.iter().find(|it| it.pair.iter().all(is)) {
            Some(&Impossible { pair: [one, other], why }) => {
                Err(RuleError::Impossible { one, other, why })
            }
            None => Ok(()),
        }
    }

    /// `(rule, value)` of every rule in which `self` differs from `other`.
    #[must_use]
    pub fn differences(&self, other: &Rules) -> Vec<(&'static str, &'static str)> {
        RULES
            .iter()
            .filter_map(|r| {
                let (mine, theirs) = (self.get(r.name).ok()?, other.get(r.name).ok()?);
                (mine != theirs).then_some((r.name, mine))
            })
            .collect()
    }

    /// `(rule, value)` of every rule.
    #[must_use]
    pub fn values(&self) -> Vec<(&'static str, &'static str)> {
        RULES.iter().filter_map(|r| Some((r.name, self.get(r.name).ok()?))).collect()
    }
}
