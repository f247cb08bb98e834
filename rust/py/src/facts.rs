//! `facts()`: what the short names in outputs stand for, as plain data (`_core_facts.Facts`); and whether a name
//! of a rule is one.

use pgmap_program::driver::{Does, PrimitiveInfo};
use pgmap_program::era::KnownRace;
use pgmap_program::op::{
    Argument, By, Hunted, Kind, OPERATIONS, Operation, Returns, Role, Weights,
};
use pgmap_program::parse::lacking;
use pgmap_program::rules::RuleValueInfo;
use pgmap_program::{Era, Errno, How, Invariant, RULES, RuleInfo};
use pyo3::prelude::*;
use serde::{Serialize, Serializer};

use crate::config;
use crate::told::to_python;

/// Refuses an era or rules that do not exist, in the words of whoever knows which do.
#[pyfunction]
pub(crate) fn check_rules(
    py: Python<'_>,
    era: &str,
    breaks: Vec<(String, String)>,
) -> PyResult<()> {
    config::rules(py, config::era(py, era)?, &breaks).map(drop)
}

/// Every invariant, rule, era with its known races, operation and error number that an output can name.
#[pyfunction]
pub(crate) fn facts(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    to_python(py, &Facts::all())
}

#[derive(Serialize)]
struct Facts {
    invariants: Vec<InvariantFact>,
    eras: Vec<EraFact>,
    rules: Vec<RuleFact>,
    operations: Vec<OperationFact>,
    kinds: Vec<MeaningFact>,
    returns: Vec<MeaningFact<Returns>>,
    primitives: Vec<PrimitiveInfo>,
    lacking: Vec<LackingFact>,
    errnos: Vec<ErrnoFact>,
}

#[derive(Serialize)]
struct InvariantFact {
    id: &'static str,
    sentence: &'static str,
}

#[derive(Serialize)]
struct EraFact {
    name: &'static str,
    summary: &'static str,
    facts: &'static str,
    known: &'static [KnownRace],
    base: Option<Era>,
    kernels: Option<(String, String)>,
    sound: Era,
    told: Vec<ToldFact>,
}

#[derive(Serialize)]
struct ToldFact {
    rule: &'static str,
    value: &'static str,
    how: How,
    source: &'static str,
}

#[derive(Serialize)]
struct RuleFact {
    name: &'static str,
    summary: &'static str,
    facts: &'static str,
    values: &'static [RuleValueInfo],
    base: &'static str,
    /// By the era's name.
    #[serde(serialize_with = "as_map")]
    eras: Vec<(&'static str, &'static str)>,
}

/// A row of the table of operations.
#[derive(Serialize)]
struct OperationFact {
    words: Vec<&'static str>,
    by: By,
    sentence: &'static str,
    usage: &'static str,
    arguments: Vec<ArgumentFact>,
    returns: Returns,
    errnos: &'static [Errno],
    deaths: Vec<&'static str>,
    hunted: Vec<HuntedFact>,
}

#[derive(Serialize)]
struct ArgumentFact {
    name: &'static str,
    usage: &'static str,
    kind: &'static str,
    role: Option<Role>,
    optional: bool,
    bounds: Option<(u64, u64)>,
    words: &'static [&'static str],
}

#[derive(Serialize)]
struct HuntedFact {
    word: &'static str,
    text: &'static str,
    weights: Weights,
}

#[derive(Serialize)]
struct MeaningFact<N = &'static str> {
    name: N,
    meaning: &'static str,
}

#[derive(Serialize)]
struct LackingFact {
    name: &'static str,
    what: &'static str,
}

#[derive(Serialize)]
struct ErrnoFact {
    name: &'static str,
    number: i32,
    meaning: &'static str,
}

impl Facts {
    fn all() -> Self {
        let invariant = |it: &Invariant| InvariantFact { id: it.id(), sentence: it.sentence() };
        let kind = |it: &Kind| MeaningFact { name: it.name(), meaning: it.meaning() };
        let returns = |it: &Returns| MeaningFact { name: *it, meaning: it.meaning() };
        let errno =
            |it: &Errno| ErrnoFact { name: it.name(), number: *it as i32, meaning: it.describe() };
        Self {
            invariants: Invariant::ALL.iter().map(invariant).collect(),
            eras: Era::ALL.into_iter().map(EraFact::of).collect(),
            rules: RULES.iter().map(RuleFact::of).collect(),
            operations: OPERATIONS.iter().map(OperationFact::of).collect(),
            kinds: Kind::all().iter().map(kind).collect(),
            returns: Returns::all().iter().map(returns).collect(),
            primitives: Does::ALL.iter().map(|does| does.info()).collect(),
            lacking: lacking().map(|(name, what)| LackingFact { name, what }).collect(),
            errnos: Errno::ALL.iter().map(errno).collect(),
        }
    }
}

impl EraFact {
    fn of(era: Era) -> Self {
        Self {
            name: era.name(),
            summary: era.summary(),
            facts: era.k(),
            known: era.known(),
            base: era.base(),
            kernels: era.kernels(),
            sound: era.sound(),
            told: RULES.iter().filter_map(|rule| ToldFact::of(era, rule)).collect(),
        }
    }
}

impl ToldFact {
    /// What an era does differently from its base, and how that is known.
    fn of(era: Era, rule: &RuleInfo) -> Option<Self> {
        let value = era.value_of(rule);
        let before = era.base().map_or(rule.base, |base| base.value_of(rule));
        let (how, source) = era.known_from(rule);
        (value != before).then_some(Self { rule: rule.name, value, how, source })
    }
}

/// In the order in which they are given.
fn as_map<S: Serializer>(pairs: &[(&str, &str)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().copied())
}

impl RuleFact {
    fn of(rule: &RuleInfo) -> Self {
        let &RuleInfo { name, summary, k: facts, values, base } = rule;
        let eras = Era::ALL.into_iter().map(|era| (era.name(), era.value_of(rule))).collect();
        Self { name, summary, facts, values, base, eras }
    }
}

impl OperationFact {
    fn of(it: &Operation) -> Self {
        let hunted = |it: &Hunted| HuntedFact {
            word: it.word,
            text: it.text,
            weights: Weights::of(it.word),
        };
        Self {
            words: it.said.iter().map(|said| said.word).collect(),
            by: it.by,
            sentence: it.sentence,
            usage: it.usage,
            arguments: it.arguments.iter().map(ArgumentFact::of).collect(),
            returns: it.returns,
            errnos: it.errnos,
            deaths: it.deaths.iter().map(|it| it.name()).collect(),
            hunted: it.hunted.iter().map(hunted).collect(),
        }
    }
}

impl ArgumentFact {
    fn of(it: &Argument) -> Self {
        Self {
            name: it.name,
            usage: it.usage,
            kind: it.kind.name(),
            role: it.kind.role(),
            optional: it.is_optional(),
            bounds: it.kind.bounds(),
            words: it.kind.words(),
        }
    }
}
