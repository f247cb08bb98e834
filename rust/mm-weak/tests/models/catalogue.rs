//! The catalogue of wrong rules that x86 does not show, held against the models that do.

use std::collections::BTreeSet;

use pgmap_explore::catalogue::{CATALOGUE, NotOnX86};

use crate::shown::MODELS;

#[test]
fn the_catalogue_lists_exactly_these_models_each_under_the_rule_it_shows() {
    let of = |weak: &'static NotOnX86| {
        let [(rule, value)] = weak.race.wrong[..] else { panic!("{}: one rule", weak.race.name) };
        weak.models.iter().map(move |name| (name.as_str(), rule, value))
    };
    let listed: Vec<_> = CATALOGUE.not_on_x86.iter().flat_map(of).collect();
    let unique: BTreeSet<_> = listed.iter().copied().collect();
    assert_eq!(unique.len(), listed.len(), "each model once");
    let mine: BTreeSet<_> =
        MODELS.iter().map(|shown| (shown.name, shown.rule, shown.value)).collect();
    assert_eq!(unique, mine);
}
