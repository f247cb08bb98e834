//! Two accounts of one step as pairs of words.
//!
//! Every word either side has is a pair; a word that both leave out because it does not apply (the pins
//! of a small folio) or that the recording does not have (`mapped_by` of a page that is mapped) is none, and is
//! not counted as compared. Words that a recording leaves out because
//! they have their usual value (`ret` 0, not blocked, no mapping, `share` 0) are pairs like any other.

use std::collections::BTreeSet;

use pgmap_program::errno::describe_return;
use pgmap_program::recording::{Completion, Expect, LargeMap, Observed, PageState};
use pgmap_program::{Issue, Op, Recording, Step};
use serde::Serialize;

use crate::conform::course::ModelStep;

/// One word, as the kernel had it and as the model has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Word {
    /// Which.
    pub what: String,
    /// By the recording.
    pub recorded: String,
    /// By the model.
    pub model: String,
}

impl Word {
    /// Whether the two agree.
    #[must_use]
    pub fn same(&self) -> bool {
        self.recorded == self.model
    }
}

/// What stands for a word that one side does not have.
const NONE: &str = "-";

/// Every pair of words of a step.
pub(super) fn words(
    recording: &Recording,
    (step, observed): (&Step, &Observed),
    model: &ModelStep,
) -> Vec<Word> {
    let mut pairs = Pairs::default();
    let seen = &observed.expect;
    outcome(&mut pairs, step, seen, model);
    completions(&mut pairs, &recording.completed_in(step.n), &model.did.completed_now);
    let text = |flag: bool| if flag { "yes" } else { "no" };
    pairs.maybe("held", observed.held().map(text), model.held.map(text));
    let byte = |byte: u8| format!("{byte:02x}");
    pairs.maybe("byte", observed.byte().map(byte), model.byte.map(byte));
    for (index, recorded) in &seen.pages {
        let absent = PageState::default();
        let state = model.did.pages.get(index).unwrap_or(&absent);
        page(&mut pairs, &format!("page {index} "), recorded, state);
    }
    pairs.0
}

/// Every pair of words of one page.
pub(super) fn page_words(recorded: &PageState, model: Option<&PageState>) -> Vec<Word> {
    let mut pairs = Pairs::default();
    page(&mut pairs, "", recorded, model.unwrap_or(&PageState::default()));
    pairs.0
}

/// The words of one page in a line, the usual values left out.
pub(super) fn summary(state: &PageState) -> String {
    let pairs = page_words(state, None);
    let unusual = |word: &&Word| match word.what.as_str() {
        "ref" | "map" | "order" | "tail of" => word.recorded != NONE,
        "mapped by" => word.recorded != NONE,
        _ => !matches!(word.recorded.as_str(), "no" | "0" | NONE),
    };
    let text = |word: &Word| match word.recorded.as_str() {
        "yes" => word.what.clone(),
        value => format!("{} {value}", word.what),
    };
    let all: Vec<String> = pairs.iter().filter(unusual).map(text).collect();
    if all.is_empty() { NONE.to_owned() } else { all.join(", ") }
}

#[derive(Default)]
struct Pairs(Vec<Word>);

impl Pairs {
    fn pair(&mut self, what: &str, recorded: impl Into<String>, model: impl Into<String>) {
        let (recorded, model) = (recorded.into(), model.into());
        self.0.push(Word { what: what.to_owned(), recorded, model });
    }

    /// A word that need not exist.
    fn maybe<T: ToString>(&mut self, what: &str, recorded: Option<T>, model: Option<T>) {
        if recorded.is_some() || model.is_some() {
            let text = |word: Option<T>| word.map_or_else(|| NONE.to_owned(), |w| w.to_string());
            self.pair(what, text(recorded), text(model));
        }
    }

    fn flag(&mut self, what: &str, recorded: bool, model: bool) {
        let text = |set| if set { "yes" } else { "no" };
        self.pair(what, text(recorded), text(model));
    }

    /// A flag worth a word only when somebody sets it.
    fn rare(&mut self, what: &str, recorded: bool, model: bool) {
        if recorded || model {
            self.flag(what, recorded, model);
        }
    }
}

fn outcome(pairs: &mut Pairs, step: &Step, seen: &Expect, model: &ModelStep) {
    let did = &model.did;
    if step.who.is_some() {
        // What never returned has no value; a recording leaves out a value of 0, too.
        let unreturned = match model.busy_in {
            Some(earlier) => format!("not begun: still in step {earlier}"),
            None => "never".to_owned(),
        };
        let recorded = match (seen.ret, did.ret) {
            (None, None) => unreturned.clone(),
            _ => describe_return(seen.returned()),
        };
        pairs.pair("returns", recorded, did.ret.map_or(unreturned, describe_return));
        match step.issue {
            Issue::Wait => pairs.flag("blocked", seen.blocked, did.blocked),
            Issue::Async => pairs.rare("blocked", seen.blocked, did.blocked),
        }
    } else {
        pairs.maybe("returns", seen.ret.map(describe_return), did.ret.map(describe_return));
        pairs.rare("blocked", seen.blocked, did.blocked);
    }
    match step.issue {
        Issue::Async => pairs.flag("in flight", seen.in_flight, did.in_flight),
        Issue::Wait => pairs.rare("in flight", seen.in_flight, did.in_flight),
    }
    let at = |step: Option<u32>| step.map(|step| format!("at step {step}"));
    pairs.maybe("completes", at(seen.completes_at), at(did.completes_at));
    let waits = matches!(step.op, Op::Wait(_));
    if waits || seen.still_blocked.is_some() {
        // A wait may be for all: the recording names one of those it was for.
        let named = seen.still_blocked.filter(|worker| model.still_blocked.contains(worker));
        let model = named.or(model.still_blocked.first().copied());
        let text = |who: Option<_>| who.map_or_else(|| NONE.to_owned(), |w| format!("{w}"));
        pairs.pair("still blocked", text(seen.still_blocked), text(model));
    }
    pairs.rare("killed by an oops", seen.died, did.died);
}

/// Steps that returned during this one, by number. A step that is listed twice is listed twice here.
fn completions(pairs: &mut Pairs, seen: &[Completion], did: &[Completion]) {
    let mut seen = seen.to_vec();
    seen.sort_by_key(|completion| completion.step);
    let (mut left, mut right) = (seen.into_iter().peekable(), did.iter().copied().peekable());
    loop {
        let recorded = left.peek().map_or(u32::MAX, |c| c.step);
        let model = right.peek().map_or(u32::MAX, |c| c.step);
        let first = left.next_if(|c| c.step <= model);
        let second = right.next_if(|c| c.step <= recorded);
        let Some(step) = first.or(second).map(|c| c.step) else { break };
        let text = |c: Completion| format!("{} returns {}", c.actor, describe_return(c.ret));
        pairs.maybe(&format!("completed: step {step}"), first.map(text), second.map(text));
    }
}

fn page(pairs: &mut Pairs, prefix: &str, recorded: &PageState, model: &PageState) {
    let name = |word: &str| format!("{prefix}{word}");
    pairs.maybe(&name("ref"), recorded.refcount, model.refcount);
    pairs.maybe(&name("map"), recorded.map, model.map);
    pairs.maybe(&name("order"), recorded.order, model.order);
    pairs.maybe(&name("tail of"), recorded.tail_of, model.tail_of);
    // A kernel that does not count them has none to compare.
    if recorded.large_map != Some(LargeMap::NotThere(())) {
        let count = |state: &PageState| state.large_map.and_then(LargeMap::count);
        pairs.maybe(&name("large map"), count(recorded), count(model));
    }
    pairs.maybe(&name("entire map"), recorded.entire_map, model.entire_map);
    pairs.maybe(&name("pin"), recorded.pin, model.pin);
    let share = |state: &PageState| state.share.unwrap_or(0).to_string();
    pairs.pair(&name("share"), share(recorded), share(model));
    pairs.flag(&name("mapping"), recorded.mapping, model.mapping);
    // What was not recorded is no difference.
    if let (Some(recorded), Some(model)) = (recorded.mappers(), model.mappers()) {
        let text = |all: BTreeSet<String>| {
            if all.is_empty() {
                NONE.to_owned()
            } else {
                all.into_iter().collect::<Vec<_>>().join(" ")
            }
        };
        pairs.pair(&name("mapped by"), text(recorded), text(model));
    }
    pairs.flag(&name("va elsewhere"), recorded.va_elsewhere, model.va_elsewhere);
    pairs.rare(&name("gone"), recorded.gone, model.gone);
}
