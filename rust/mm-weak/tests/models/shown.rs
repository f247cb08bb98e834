//! A model with the wrong rule that it shows.

use prim::model::{Model, Verdict, explore};
use program::{Era, Rules};

use crate::{folio_publish, folio_put, gup_grab, percpu_put, unfreeze};

/// What a model shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    /// Its test.
    pub(crate) name: &'static str,
    /// As `--break` takes it.
    pub(crate) rule: &'static str,
    pub(crate) value: &'static str,
    /// Searches it under these rules.
    search: fn(Rules) -> Verdict,
    /// What the failure says.
    failure: &'static str,
}

/// Every model, each with a test of its name.
pub(crate) const MODELS: &[Shown] = &[
    Shown {
        name: "pinner_and_unmapper_never_miss_each_other",
        rule: "gup-grab",
        value: "relaxed",
        search: |rules| all(gup_grab::PinnerAndUnmapper { rules }),
        failure: "both missed",
    },
    Shown {
        name: "whoever_frees_a_page_sees_every_use_of_it",
        rule: "folio-put",
        value: "relaxed",
        search: |rules| explore(folio_put::TwoHolders { rules }, Some(folio_put::PREEMPTIONS)),
        failure: "freed before a use of it was seen",
    },
    Shown {
        name: "a_tail_of_an_earlier_life_gives_no_reference",
        rule: "folio-publish",
        value: "relaxed",
        search: |rules| all(folio_publish::StaleTail { rules }),
        failure: "a reference through a stale tail",
    },
    Shown {
        name: "a_reference_after_unfreeze_shows_what_was_frozen_for",
        rule: "folio-publish",
        value: "relaxed",
        search: |rules| all(unfreeze::Moved { rules }),
        failure: "an old field under a new reference",
    },
    Shown {
        name: "the_release_of_a_killed_ref_comes_once_and_sees_every_use",
        rule: "percpu-put",
        value: "relaxed",
        search: |rules| explore(percpu_put::KillAndUse { rules }, Some(percpu_put::PREEMPTIONS)),
        failure: "released before a use was seen",
    },
];

fn all<M: Model>(model: M) -> Verdict {
    explore(model, None)
}

/// Under the sound rules it holds, under the wrong one it breaks as known.
fn shows(name: &str) {
    let shown = MODELS.iter().find(|shown| shown.name == name).expect("in the list");
    let sound = Era::V6_15Sound.rules();
    let held = (shown.search)(sound);
    let Verdict::Held { executions } = held else { panic!("the sound rules: {held:?}") };
    assert!(executions > 1, "a model with one execution shows nothing");
    let mut wrong = sound;
    wrong.set(shown.rule, shown.value).expect("a rule and a value of it");
    let broke = (shown.search)(wrong);
    let Verdict::Broke { why, .. } = &broke else { panic!("the wrong rule: {broke:?}") };
    assert!(why.contains(shown.failure), "{why}");
}

macro_rules! tests {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                shows(stringify!($name));
            }
        )*

        #[test]
        fn every_model_has_a_test() {
            let tests = [$(stringify!($name)),*];
            assert_eq!(MODELS.iter().map(|shown| shown.name).collect::<Vec<_>>(), tests);
        }
    };
}

tests! {
    pinner_and_unmapper_never_miss_each_other
    whoever_frees_a_page_sees_every_use_of_it
    a_tail_of_an_earlier_life_gives_no_reference
    a_reference_after_unfreeze_shows_what_was_frozen_for
    the_release_of_a_killed_ref_comes_once_and_sees_every_use
}
