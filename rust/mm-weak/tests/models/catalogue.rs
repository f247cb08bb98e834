//! The catalogue of wrong rules that x86 does not show, held against the models that do.

use std::collections::BTreeSet;

use pgmap_explore::catalogue::NOT_ON_X86;

use crate::shown::MODELS;

#[test]
fn the_catalogue_lists_exactly_these_models_each_under_the_rule_it_shows() {
    let listed = NOT_ON_X86
        .iter()
        .flat_map(|weak| weak.models.iter().map(move |name| (*name, weak.rule, weak.value)));
    let listed: Vec<_> = listed.collect();
    let unique: BTreeSet<_> = listed.iter().copied().collect();
    assert_eq!(unique.len(), listed.len(), "each model once");
    let mine: BTreeSet<_> =
        MODELS.iter().map(|shown| (shown.name, shown.rule, shown.value)).collect();
    assert_eq!(unique, mine);
}
