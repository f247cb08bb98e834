//! The first difference, as it is told: the words that differ, every page side by side, and what led
//! up to it.

use pgmap_program::errno::describe_return;
use pgmap_program::recording::{Expect, PageState};
use pgmap_program::{Recording, Step};

use crate::conform::compare::{Word, page_words, summary, words};
use crate::conform::course::{ModelStep, Ran};

/// Steps told before the one that differs.
const LEAD_UP: usize = 4;

/// The first step at which kernel and model part.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The step.
    pub step: u32,
    /// As text, with its worker.
    pub op: String,
    /// The words that differ; what comes after them in the step is in `pages`.
    pub words: Vec<Word>,
    /// Every page of that step, on both sides.
    pub pages: Vec<PageRow>,
    /// What led up to it, who sleeps in the model, what the model complained about.
    pub context: Vec<String>,
}

/// A page at the step that differs.
#[derive(Clone, Debug)]
pub struct PageRow {
    /// Page of the file.
    pub page: u32,
    /// By the recording.
    pub recorded: PageState,
    /// By the model; none: there is no such page.
    pub model: Option<PageState>,
}

impl PageRow {
    /// In two lines.
    #[must_use]
    pub fn summary(&self) -> Word {
        let model = self.model.as_ref().map_or_else(|| "no such page".to_owned(), summary);
        Word { what: format!("page {}", self.page), recorded: summary(&self.recorded), model }
    }

    /// Word by word.
    #[must_use]
    pub fn words(&self) -> Vec<Word> {
        page_words(&self.recorded, self.model.as_ref())
    }
}

impl Difference {
    /// The words that differ, then all pages side by side.
    #[must_use]
    pub fn rows(&self) -> Vec<Word> {
        self.words.iter().cloned().chain(self.pages.iter().map(PageRow::summary)).collect()
    }
}

/// Compares step by step; returns how many words were compared, and the first difference.
pub(super) fn first_difference(recording: &Recording, ran: &Ran) -> (usize, Option<Difference>) {
    let mut compared = 0;
    for ((step, seen), model) in recording.steps().zip(&ran.steps) {
        let mut pairs = words(recording, (step, seen), model);
        compared += pairs.len();
        pairs.retain(|word| !word.same());
        if let Some(why) = &model.failure {
            let (what, recorded) = ("the model".to_owned(), "-".to_owned());
            pairs.insert(0, Word { what, recorded, model: why.clone() });
        }
        if !pairs.is_empty() {
            return (compared, Some(tell(recording, ran, (step, &seen.expect), model, pairs)));
        }
    }
    (compared, None)
}

fn tell(
    recording: &Recording,
    ran: &Ran,
    (step, seen): (&Step, &Expect),
    model: &ModelStep,
    words: Vec<Word>,
) -> Difference {
    let pages = side_by_side(seen, model);
    let context = context(recording, ran, step, model);
    let op = recording.program().step_text(step).to_string();
    Difference { step: step.n, op, words, pages, context }
}

fn side_by_side(seen: &Expect, model: &ModelStep) -> Vec<PageRow> {
    let row = |(page, recorded): (&u32, &PageState)| PageRow {
        page: *page,
        recorded: recorded.clone(),
        model: model.did.pages.get(page).cloned(),
    };
    seen.pages.iter().map(row).collect()
}

fn context(recording: &Recording, ran: &Ran, step: &Step, model: &ModelStep) -> Vec<String> {
    let until = step.n as usize + 1;
    let told = recording.steps().take(until).skip(until.saturating_sub(LEAD_UP + 1));
    let mut lines: Vec<String> = told
        .map(|(step, seen)| {
            let text = recording.program().step_text(step);
            let outcome = outcome(&seen.expect);
            let note = if seen.note.is_empty() { "" } else { "  # " };
            format!("{:>3}  {text}{outcome}{note}{}", step.n, seen.note)
        })
        .collect();
    lines.extend(model.asleep.iter().map(|line| format!("in the model {line}")));
    lines.extend(ran.complaints.iter().take(4).map(|line| format!("the model complained: {line}")));
    lines
}

fn outcome(seen: &Expect) -> String {
    let mut text = match seen.ret {
        Some(ret) => format!(" = {}", describe_return(ret)),
        None => String::new(),
    };
    if seen.blocked || seen.in_flight {
        text.push_str(if seen.blocked { " (blocked" } else { " (in flight" });
        match seen.completes_at {
            Some(at) => text.push_str(&format!(" until step {at})")),
            None => text.push_str(" for ever)"),
        }
    }
    text
}
