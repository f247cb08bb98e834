//! One entry of the catalogue from its file, and every complaint about it.
//!
//! | key | what it is |
//! |---|---|
//! | `number` | in the kernel facts, such as `B33`; not every entry has one |
//! | `title`, `note`, `teaches` | a few words, what happens in a sentence, why in a paragraph |
//! | `kind` | `race`, `sequential`, `liveness`, `equivalence` or `refuted` |
//! | `era` | what both sides start from; v6.15-sound if it is left out |
//! | `wrong`, `right` | lists of `RULE=VALUE` over the era's rules; left out, the era is that side |
//! | `invariant` | what breaks; none of what does not fail |
//! | `bound` | fewest preemptions of a failing schedule; of what does not fail, the bound searched |
//! | `needs` | `memory` (`sc`, `tso`), `speculative-tlb`, `grace-period` (true), `sizes` of the machine, by name |
//! | `program` | what shows it |
//! | `walks`, `models` | instead of a program: whose program walks there, and the tests of `pgmap-mm-weak` that show it |
//! | `unshown` | instead of a program: why there is none |
//! | `sources` | commits, threads, recordings, places in the source |
//! | `[[variants]]` | the same race by another mistake: `name`, and what of the above differs |

use std::collections::BTreeMap;

use pgmap_program::{Era, Geometry, Invariant, Memory, Program, TlbRefill};
use serde::Deserialize;

use super::{Assignment, Kind, Known, NotShown, Race, RaceError};

/// An entry, by what shows it; where it walks is a name yet.
pub(super) enum Entry {
    Known(Known),
    NotOnX86 { race: Race, models: Vec<String>, walks: String },
    NotShown(NotShown),
}

/// A file, or a variant in it: what a variant leaves out is as in the file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Text {
    name: Option<String>,
    number: Option<String>,
    title: Option<String>,
    note: Option<String>,
    teaches: Option<String>,
    kind: Option<Kind>,
    era: Option<String>,
    wrong: Option<Vec<String>>,
    right: Option<Vec<String>>,
    invariant: Option<String>,
    bound: Option<u32>,
    needs: Option<Needs>,
    program: Option<String>,
    walks: Option<String>,
    models: Option<Vec<String>>,
    unshown: Option<String>,
    sources: Option<Vec<String>>,
    variants: Vec<Text>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Needs {
    memory: Option<String>,
    speculative_tlb: bool,
    grace_period: bool,
    sizes: BTreeMap<String, u64>,
}

/// The entries of a file: itself, and its variants.
pub(super) fn read(name: &str, text: &str) -> Result<Vec<Entry>, RaceError> {
    let file = format!("{name}.toml");
    let fail = |what: String| RaceError { file: file.clone(), what };
    let word = |name: &str| {
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    if !word(name) {
        return Err(fail("the name of a race is made of a-z, 0-9 and hyphens".to_owned()));
    }
    let whole: Text = toml::from_str(text).map_err(|error| fail(located(text, &error)))?;
    if whole.name.is_some() {
        return Err(fail("name: that is the file's; only variants have one in it".to_owned()));
    }
    let mut all = vec![entry(name.to_owned(), &whole).map_err(fail)?];
    let mut names: Vec<&str> = Vec::new();
    for variant in &whole.variants {
        let fail = |what: String| fail(format!("variants: {what}"));
        let mine = variant.name.as_deref().unwrap_or_default();
        if !word(mine) || names.contains(&mine) || !variant.variants.is_empty() {
            return Err(fail("each has a name of its own, of a-z, 0-9 and hyphens".to_owned()));
        }
        names.push(mine);
        let read = entry(format!("{name}.{mine}"), &variant.clone().over(&whole));
        all.push(read.map_err(|what| fail(format!("{mine}: {what}")))?);
    }
    Ok(all)
}

/// What the reader of TOML says, with the line that it says it of.
fn located(text: &str, error: &toml::de::Error) -> String {
    let Some(span) = error.span() else { return error.message().to_owned() };
    let before = text.get(..span.start).unwrap_or(text);
    let number = before.matches('\n').count();
    let line = text.lines().nth(number).unwrap_or_default().trim();
    format!("line {}: {line}: {}", number + 1, error.message())
}

impl Text {
    fn over(self, whole: &Self) -> Self {
        let whole = whole.clone();
        // Another way to show it takes the place of the file's, whichever that is.
        let shows = self.program.is_some() || self.walks.is_some() || self.unshown.is_some();
        let or = |mine: Option<String>, theirs| if shows { mine } else { mine.or(theirs) };
        Self {
            name: self.name,
            number: self.number.or(whole.number),
            title: self.title.or(whole.title),
            note: self.note.or(whole.note),
            teaches: self.teaches.or(whole.teaches),
            kind: self.kind.or(whole.kind),
            era: self.era.or(whole.era),
            wrong: self.wrong.or(whole.wrong),
            right: self.right.or(whole.right),
            invariant: self.invariant.or(whole.invariant),
            bound: self.bound.or(whole.bound),
            needs: self.needs.or(whole.needs),
            program: or(self.program, whole.program),
            walks: or(self.walks, whole.walks),
            models: self.models.or_else(|| whole.models.filter(|_| !shows)),
            unshown: or(self.unshown, whole.unshown),
            sources: self.sources.or(whole.sources),
            variants: Vec::new(),
        }
    }
}

/// An entry of what was read; an error begins with the key.
fn entry(name: String, text: &Text) -> Result<Entry, String> {
    let race = race(name, text)?;
    let ways = [&text.program, &text.walks, &text.unshown];
    match (ways.map(Option::as_deref), &text.models) {
        ([Some(program), None, None], None) => known(race, program, text).map(Entry::Known),
        ([None, Some(walks), None], Some(models)) if !models.is_empty() => {
            refuse(text, "walks")?;
            let (walks, models) = (walks.to_owned(), models.clone());
            Ok(Entry::NotOnX86 { race, models, walks })
        }
        ([None, None, Some(why)], None) => {
            refuse(text, "unshown")?;
            Ok(Entry::NotShown(NotShown { race, why: why.to_owned() }))
        }
        _ => Err(
            "program: there is one, or walks with models, or unshown, and nothing of the others"
                .to_owned(),
        ),
    }
}

/// What only a program has.
fn refuse(text: &Text, instead: &str) -> Result<(), String> {
    match (text.bound, &text.needs) {
        (None, None) => Ok(()),
        (Some(_), _) => Err(format!("bound: it is of a program, and here is {instead}")),
        (_, Some(_)) => Err(format!("needs: it is of a program, and here is {instead}")),
    }
}

fn race(name: String, text: &Text) -> Result<Race, String> {
    let era = match &text.era {
        Some(era) => era.parse().map_err(|wrong| format!("era: {wrong}"))?,
        None => Era::default(),
    };
    let sides = ["wrong", "right"].map(|side| {
        let told = if side == "wrong" { &text.wrong } else { &text.right };
        let all = told.iter().flatten().map(|told| assignment(era, told));
        all.collect::<Result<Vec<_>, _>>().map_err(|what| format!("{side}: {what}"))
    });
    let [wrong, right] = sides;
    let race = Race {
        name,
        number: text.number.clone(),
        title: said(&text.title, "title")?,
        kind: text.kind.ok_or("kind: missing")?,
        era,
        wrong: wrong?,
        right: right?,
        invariant: text.invariant.as_deref().map(invariant).transpose()?,
        sources: text.sources.clone().unwrap_or_default(),
        note: said(&text.note, "note")?,
        teaches: said(&text.teaches, "teaches")?,
    };
    let number = |number: &String| {
        number.strip_prefix('B').is_some_and(|it| it.len() == 2 && it.parse::<u8>().is_ok())
    };
    if !race.number.as_ref().is_none_or(number) {
        return Err("number: not one, such as \"B33\"".to_owned());
    }
    if race.sources.is_empty() {
        return Err("sources: missing".to_owned());
    }
    for (side, rules) in [("wrong", race.wrong_rules()), ("right", race.right_rules())] {
        rules.possible().map_err(|what| format!("{side}: {what}"))?;
    }
    if race.wrong_rules() == race.right_rules() {
        return Err("wrong: these are the rules that are right".to_owned());
    }
    match (race.kind.fails(), race.invariant) {
        (true, None) => Err("invariant: missing".to_owned()),
        (false, Some(_)) => Err("invariant: what does not fail breaks none".to_owned()),
        _ => Ok(race),
    }
}

fn said(text: &Option<String>, key: &str) -> Result<String, String> {
    let text = text.as_deref().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() { Err(format!("{key}: missing")) } else { Ok(text) }
}

fn assignment(era: Era, told: &str) -> Result<Assignment, String> {
    let mut rules = era.rules();
    rules.apply(told).map_err(|wrong| wrong.to_string())?;
    let changed = rules.differences(&era.rules());
    changed.first().copied().ok_or_else(|| format!("{told} is what {era} has"))
}

fn invariant(told: &str) -> Result<Invariant, String> {
    Invariant::from_id(told).ok_or_else(|| format!("invariant: none is called \"{told}\""))
}

fn known(race: Race, program: &str, text: &Text) -> Result<Known, String> {
    let parsed = Program::parse(program).map_err(|wrong| format!("program: {wrong}"))?;
    let needs = text.needs.clone().unwrap_or_default();
    let memory = match &needs.memory {
        Some(memory) => memory.parse().map_err(|wrong| format!("needs: memory: {wrong}"))?,
        None => Memory::Sc,
    };
    let tlb = if needs.speculative_tlb { TlbRefill::Speculative } else { TlbRefill::OnAccess };
    let preemptions = text.bound.ok_or("bound: missing")?;
    match (race.kind, preemptions) {
        (Kind::Race, 0) => {
            return Err("bound: what needs no preemption is sequential and no race".to_owned());
        }
        (Kind::Sequential, 1..) => {
            return Err("bound: what needs a preemption is a race and not sequential".to_owned());
        }
        _ => {}
    }
    let known = Known {
        race,
        preemptions,
        needs: memory,
        tlb,
        grace_period: needs.grace_period,
        sizes: needs.sizes,
        program: program.to_owned(),
        parsed,
    };
    known.sized(Geometry::SMALL).map_err(|wrong| format!("needs: sizes: {wrong}"))?;
    known.right().validate().map_err(|wrong| format!("program: {wrong}"))?;
    Ok(known)
}
