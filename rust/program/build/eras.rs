//! Eras from their files to Rust: a file is a delta over another era, or over the base of the rules table.
//!
//! An era inherits the rules of its base and, of its known races, those whose wrong value is still in force. The
//! sound twin is what follows from the mends. Whatever needs the tables of rules and invariants is left to the
//! compiler: the text that is made here does not compile where it names what does not exist, and says which file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::Deserialize;

/// An era as its file has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    summary: String,
    facts: String,
    /// First and last `major.minor`; a proposal has none.
    kernels: Option<[String; 2]>,
    /// The era that this one is a delta of.
    base: Option<String>,
    #[serde(default)]
    rules: BTreeMap<String, Chosen>,
    #[serde(default)]
    known: Vec<Race>,
}

/// What an era does differently: a value, or a value with how it is known that this era has it, where the rules table
/// does not say so of these kernels.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Chosen {
    Value(String),
    Told(Told),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    value: String,
    how: How,
    source: String,
}

/// As [`pgmap_program::How`], which is made later.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum How {
    Recorded,
    Source,
    Thread,
    Derived,
}

impl Chosen {
    fn value(&self) -> &str {
        match self {
            Self::Value(value) | Self::Told(Told { value, .. }) => value,
        }
    }
}

/// A race that the era shipped with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Race {
    id: String,
    title: String,
    breaks: Vec<String>,
    rule: String,
    wrong: String,
    mend: String,
    operations: Vec<String>,
    kernels: String,
    facts: String,
    source: String,
    note: String,
}

type Version = (u32, u32);

/// An era with everything that it inherits.
#[derive(Clone, Debug)]
pub(crate) struct Era {
    name: String,
    text: Text,
    kernels: Option<(Version, Version)>,
    /// What differs from the base of the rules table.
    rules: BTreeMap<String, Chosen>,
    known: Vec<Race>,
}

/// The eras of a folder: kernels in their order, then proposals by name.
pub(crate) fn read(folder: &Path) -> Result<Vec<Era>, String> {
    let listed = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut texts = BTreeMap::new();
    for entry in listed {
        let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).map_err(|error| format!("{name}.toml: {error}"))?;
        let text: Text =
            toml::from_str(&text).map_err(|error| format!("eras/{name}.toml: {error}"))?;
        texts.insert(name, text);
    }
    let mut eras = Vec::new();
    for name in texts.keys() {
        eras.push(whole(name, &texts, &mut Vec::new())?);
    }
    eras.sort_by_key(|era| (era.kernels.is_none(), era.kernels, era.name.clone()));
    for pair in eras.windows(2) {
        if let (Some((_, last)), Some((first, _))) = (pair[0].kernels, pair[1].kernels)
            && first <= last
        {
            let (one, other) = (&pair[0].name, &pair[1].name);
            return Err(format!("eras/{other}.toml: kernels: {one} has some of them"));
        }
    }
    Ok(eras)
}

/// An era over its base, which is read first; `above` are those that asked for it.
fn whole(
    name: &str,
    texts: &BTreeMap<String, Text>,
    above: &mut Vec<String>,
) -> Result<Era, String> {
    let text = texts.get(name).cloned().ok_or_else(|| match above.last() {
        Some(asker) => format!("eras/{asker}.toml: base: there is no era {name}"),
        None => format!("there is no era {name}"),
    })?;
    if above.iter().any(|asker| asker == name) {
        return Err(format!("eras/{name}.toml: base: {} is over itself", above.join(" over ")));
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    if !name.chars().all(is_word) || name.ends_with("-sound") {
        return Err(format!("eras/{name}.toml: letters, digits, dots and hyphens, and no -sound"));
    }
    above.push(name.to_owned());
    let base = text.base.as_deref().map(|base| whole(base, texts, above)).transpose()?;
    let (mut rules, inherited) = base.map_or_else(Default::default, |it| (it.rules, it.known));
    rules.extend(text.rules.clone());
    let in_force = |race: &Race| rules.get(&race.rule).is_none_or(|it| it.value() == race.wrong);
    let told_here = |race: &Race| text.known.iter().any(|mine| mine.id == race.id);
    let mut known: Vec<Race> =
        inherited.into_iter().filter(|race| in_force(race) && !told_here(race)).collect();
    // In the order of the file: which of several a failure is, is tried in that order.
    known.extend(text.known.clone());
    for (at, race) in known.iter().enumerate() {
        let fail = |what: String| Err(format!("eras/{name}.toml: {}: {what}", race.id));
        if race.wrong == race.mend {
            return fail("mend: it is what is wrong".to_owned());
        }
        if known[..at].iter().any(|other| other.id == race.id) {
            return fail("it is known twice".to_owned());
        }
        if let Some(other) =
            known[..at].iter().find(|other| other.rule == race.rule && other.mend != race.mend)
        {
            return fail(format!("mend: {} mends {} by {}", other.id, race.rule, other.mend));
        }
    }
    let kernels = text.kernels.as_ref().map(|[first, last]| {
        let version = |text: &str| {
            let (major, minor) = text.split_once('.')?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        };
        let range: Option<(Version, Version)> = version(first).zip(version(last));
        range.filter(|(first, last)| first <= last).ok_or_else(|| {
            format!(
                "eras/{name}.toml: kernels: not a first and a last, such as [\"6.15\", \"6.18\"]"
            )
        })
    });
    let kernels = kernels.transpose()?;
    Ok(Era { name: name.to_owned(), text, kernels, rules, known })
}

impl Era {
    /// `v6.15-sound` is `V6_15Sound`.
    fn variant(name: &str) -> String {
        let words = name.split('-').map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_ascii_uppercase() + &rest.replace('.', "_")
        });
        words.collect()
    }
}

/// Rust text: the enum, each era's rules, and the table.
#[must_use]
pub(crate) fn rust(eras: &[Era]) -> String {
    let mut variants = Vec::new();
    let (mut presets, mut rows) = (String::new(), String::new());
    for era in eras {
        let Era { name, text, kernels, known, .. } = era;
        let own = Era::variant(name);
        let sound_name = (!known.is_empty()).then(|| format!("{name}-sound"));
        let sound = sound_name.as_deref().map_or_else(|| own.clone(), Era::variant);
        presets += &preset(&own, &rules(name, &era.rules, known));
        let faithful = Row {
            name,
            summary: &text.summary,
            facts: &text.facts,
            kernels: *kernels,
            base: text.base.as_deref().map(Era::variant),
            variant: &own,
            known: known.iter().map(|race| known_race(name, race)).collect(),
            told: era.rules.iter().filter_map(told).collect(),
            sound: &sound,
        };
        rows += &faithful.text();
        variants.push((own.clone(), text.summary.clone()));
        let Some(sound_name) = sound_name else { continue };
        let digit = |it: &str| it.starts_with(|c: char| c.is_ascii_digit());
        let title = match name.strip_prefix('v') {
            Some(version) if digit(version) => format!("Linux {name}"),
            _ => name.clone(),
        };
        let summary = format!("{title} with its known races mended.");
        presets += &preset(&sound, &mended(name, &own, known));
        let twin = Row {
            name: &sound_name,
            summary: &summary,
            kernels: None,
            base: Some(own.clone()),
            variant: &sound,
            known: String::new(),
            told: faithful.told.clone(),
            ..faithful
        };
        rows += &twin.text();
        variants.push((sound.clone(), summary));
    }
    let all: String = variants.iter().map(|(name, _)| format!("Era::{name}, ")).collect();
    let count = variants.len();
    let variants: String =
        variants.iter().map(|(name, summary)| format!("#[doc = {summary:?}] {name},\n")).collect();
    format!(
        "/// A named preset.\n\
         #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]\n\
         #[allow(non_camel_case_types)]\n\
         pub enum Era {{\n{variants}}}\n\
         const ALL: [Era; {count}] = [{all}];\n\
         {presets}\
         const ERAS: [EraInfo; ALL.len()] = [\n{rows}];\n"
    )
}

fn preset(variant: &str, rules: &str) -> String {
    format!("const {}: Rules = {rules};\n", constant(variant))
}

fn constant(variant: &str) -> String {
    format!("RULES_OF_{}", variant.to_ascii_uppercase())
}

/// A row of the table.
struct Row<'a> {
    name: &'a str,
    summary: &'a str,
    facts: &'a str,
    kernels: Option<(Version, Version)>,
    base: Option<String>,
    variant: &'a str,
    known: String,
    told: String,
    sound: &'a str,
}

impl Row<'_> {
    fn text(&self) -> String {
        let Row { name, summary, facts, kernels, base, variant, known, told, sound } = self;
        let base = match base {
            Some(base) => format!("Some(Era::{base})"),
            None => "None".to_owned(),
        };
        let rules = constant(variant);
        format!(
            "EraInfo {{ name: {name:?}, summary: {summary:?}, k: {facts:?}, kernels: {kernels:?}, base: {base}, \
             rules: {rules}, known: &[{known}], told: &[{told}], sound: Era::{sound} }},\n"
        )
    }
}

/// The rules of an era, over the base of the table; whatever it is known for must be so.
fn rules(name: &str, delta: &BTreeMap<String, Chosen>, known: &[Race]) -> String {
    let with = |rules: String, (rule, chosen): (&String, &Chosen)| {
        let value = chosen.value();
        let wrong = format!(
            "eras/{name}.toml: rules: {rule} = {value}: no such rule, or no such value of it"
        );
        format!("must({rules}.with({rule:?}, {value:?}), {wrong:?})")
    };
    let rules = delta.iter().fold("Rules::BASE".to_owned(), with);
    let mut asserted = String::new();
    for Race { id, rule, wrong, .. } in known {
        let told = format!("eras/{name}.toml: {id}: the era's rules are not {rule} = {wrong}");
        let _ = write!(asserted, "assert!(rules.is({rule:?}, {wrong:?}), {told:?}); ");
    }
    if asserted.is_empty() {
        return rules;
    }
    format!("{{ let rules = {rules}; {asserted}rules }}")
}

/// How it is known that an era has a value, where it says so itself.
fn told((rule, chosen): (&String, &Chosen)) -> Option<String> {
    match chosen {
        Chosen::Value(_) => None,
        Chosen::Told(Told { value, how, source }) => Some(format!(
            "ToldRule {{ rule: {rule:?}, value: {value:?}, how: How::{how:?}, source: {source:?} }}, "
        )),
    }
}

/// The rules of the sound twin: the era's, with each known race's rule at the value that mends it.
fn mended(name: &str, variant: &str, known: &[Race]) -> String {
    let with = |rules: String, race: &Race| {
        let Race { id, rule, mend, .. } = race;
        let wrong = format!("eras/{name}.toml: {id}: mend: {rule} has no value {mend}");
        format!("must({rules}.with({rule:?}, {mend:?}), {wrong:?})")
    };
    known.iter().fold(constant(variant), with)
}

fn known_race(name: &str, race: &Race) -> String {
    let Race { id, title, breaks, rule, wrong, mend, operations, kernels, facts, source, note } =
        race;
    let breaks: String = breaks
        .iter()
        .map(|breaks| {
            let wrong = format!("eras/{name}.toml: {id}: breaks: there is no invariant {breaks}");
            format!("must_be(Invariant::from_id({breaks:?}), {wrong:?}), ")
        })
        .collect();
    format!(
        "KnownRace {{ id: {id:?}, title: {title:?}, breaks: &[{breaks}], rule: ({rule:?}, {wrong:?}), \
         mend: {mend:?}, operations: &{operations:?}, kernels: {kernels:?}, k: {facts:?}, \
         source: {source:?}, note: {note:?} }}, "
    )
}
