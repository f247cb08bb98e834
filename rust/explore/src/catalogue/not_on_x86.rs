//! Wrong rules that x86 does not tell from the right ones: orderings that are too weak, where the weak
//! instruction is the strong one.
//!
//! The explorer's memory is no weaker than x86's, so it stays silent, and says so; what shows them is loom,
//! over the protocol's own lower rooms (`pgmap-mm-weak`). They are a list of their own because they need a
//! memory that no [`Scenario`] can ask for. A test of that package holds this list against its models.

use pgmap_program::{Era, Invariant, ParseError, Program};

use super::Known;
use crate::scenario::Scenario;

/// A wrong ordering, and the models that show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOnX86 {
    /// As `--break` takes it.
    pub rule: &'static str,
    pub value: &'static str,
    /// What breaks.
    pub invariant: Invariant,
    /// What happens.
    pub note: &'static str,
    /// Tests of `pgmap-mm-weak`, by name.
    pub models: &'static [&'static str],
    /// The catalogue's program that walks through the weakened operation, by its own wrong rule: silent here.
    walked_by: (&'static str, &'static str),
}

impl NotOnX86 {
    /// `RULE=VALUE`.
    #[must_use]
    pub fn assignment(&self) -> String {
        format!("{}={}", self.rule, self.value)
    }

    /// A program that executes the weakened operation.
    #[must_use]
    pub fn program(&self) -> &'static str {
        let (rule, value) = self.walked_by;
        Known::find(rule, value).map_or("", |known| known.program)
    }

    /// That program under the sound era's rules.
    ///
    /// # Errors
    /// When the program does not parse; a test says that all do.
    pub fn right(&self) -> Result<Scenario, ParseError> {
        Ok(Scenario::new(Program::parse(self.program())?, Era::V6_15Sound))
    }

    /// The entry for a wrong rule.
    #[must_use]
    pub fn find(rule: &str, value: &str) -> Option<&'static Self> {
        NOT_ON_X86.iter().find(|known| (known.rule, known.value) == (rule, value))
    }
}

/// Every wrong rule of this kind.
pub const NOT_ON_X86: &[NotOnX86] = &[
    NotOnX86 {
        rule: "gup-grab",
        value: "relaxed",
        invariant: Invariant::I18,
        note: "GUP's second look at the entry passes its reference: the unmapper finds the page idle, and \
               GUP finds it mapped",
        models: &["pinner_and_unmapper_never_miss_each_other"],
        walked_by: ("gup-pte-recheck", "off"),
    },
    NotOnX86 {
        rule: "folio-put",
        value: "relaxed",
        invariant: Invariant::I08,
        note: "a use of the page passes the put behind it: the page is freed, and then used",
        models: &["whoever_frees_a_page_sees_every_use_of_it"],
        walked_by: ("free-push", "before-settled"),
    },
    NotOnX86 {
        rule: "folio-publish",
        value: "relaxed",
        invariant: Invariant::I27,
        note: "a reference is had before what it refers to can be seen: the order, head or mapping read \
               under it is of an earlier life (B10, B24, B30)",
        models: &[
            "a_tail_of_an_earlier_life_gives_no_reference",
            "a_reference_after_unfreeze_shows_what_was_frozen_for",
        ],
        walked_by: ("free-push", "before-settled"),
    },
    NotOnX86 {
        rule: "percpu-put",
        value: "relaxed",
        invariant: Invariant::I13Weak,
        note: "a use of what the pagemap describes passes the put behind it: the release runs, and unbind \
               takes it away",
        models: &["the_release_of_a_killed_ref_comes_once_and_sees_every_use"],
        walked_by: ("memunmap-wait", "off"),
    },
];
