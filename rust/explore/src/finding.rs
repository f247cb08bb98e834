//! A failed execution in the words of the protocol: what is broken, where, by whom.
//!
//! A wait that never ends is judged by who could end it (`stuck`). What the program holds past its end, a pin
//! that it never gives back, is its own doing and no finding. A ring of waits is a deadlock (I20). A page that
//! nobody holds any more while somebody still sleeps for it is a wake-up that was lost (L2, L4).

use pgmap_mm::world::Party;
use pgmap_prim::{CpuId, TaskId, Warn, WarnRecord};
use pgmap_program::Invariant;
use pgmap_sched::{Blocked, Defect, Failure, Task};
use serde::Serialize;

use crate::explored::{ExploredWorld, code};
use crate::names::function;
use crate::scenario::Scenario;
use crate::stuck::{Need, Sleeper, is_asked_for, sleepers};
use crate::who::Who;

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// An invariant was seen broken in the middle of an execution.
    Violation,
    /// Everybody has left, and something is still counted.
    Leak,
    /// Tasks wait for each other in a ring, or for a lock whose holder is gone.
    Deadlock,
    /// Somebody sleeps although what is waited for has happened.
    LostWakeup,
    /// Tasks go on and on and get nowhere.
    Livelock,
    /// The program expects something else of its steps.
    Expectation,
    /// A bug of the emulator.
    Panic,
}

/// Who could have done better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// The rules, or what was made of them.
    Rules,
    /// The program: a holder of a page asks for what waits for pages, and any rules let it wait for itself.
    Program,
}

/// A race, or what else a failed execution is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub sort: Sort,
    pub invariant: Invariant,
    /// What happened, in a few words that do not depend on the execution.
    pub title: String,
    /// The page, when it is about one.
    pub page: Option<u32>,
    /// Who noticed, and the other side.
    pub parties: Vec<String>,
    /// Values and lives.
    pub detail: String,
    /// Who waits for what, when nobody can go on.
    pub waits: Vec<String>,
    pub blame: Blame,
    /// The number of a race that the era is known to have, once that was looked into (`known`).
    pub known: Option<String>,
    /// The rules, `RULE=VALUE`, with which it goes away then.
    pub goes_away_with: Option<String>,
    /// The place of the program's expectation that is broken.
    #[serde(skip)]
    pub expectation: Option<usize>,
}

/// A failure that is no news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribution {
    /// The race's number; several, if only all of them mended make it go away.
    pub id: String,
    /// The race in a few words.
    pub title: &'static str,
    /// `RULE=VALUE`, or several.
    pub goes_away_with: String,
}

impl Finding {
    /// Whether two findings are the same race, so that a smaller program for the one is one for the other.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (self.sort, self.invariant, &self.title) == (other.sort, other.invariant, &other.title)
    }

    /// What a failure is, told from the state in which the execution ended. None: the program's own
    /// doing.
    #[must_use]
    pub fn of(scenario: &Scenario, explored: &ExploredWorld, failure: &Failure) -> Option<Self> {
        let namer = Namer { scenario, explored };
        Some(match failure {
            Failure::Defect { task, defect } => namer.defect(*task, *defect),
            Failure::Deadlock { waits, cycle } => match namer.stuck(waits, cycle.as_deref()) {
                Some(stuck) => stuck,
                // Its own doing is an end like others, so it is held to what it expects.
                None => namer.unexpected(explored.step_results().close().err()?),
            },
            Failure::Livelock { tasks, recurrence } => {
                let again = recurrence.map_or_else(String::new, |again| {
                    let site = again.step.site;
                    let place = function(site).map_or_else(|| site.to_string(), str::to_owned);
                    format!("{place} again after {} steps, with everything as it was", again.round)
                });
                Finding {
                    parties: tasks.iter().map(|&task| namer.name(task)).collect(),
                    detail: again,
                    ..Finding::plain(Sort::Livelock, Invariant::L3, "retries get nowhere")
                }
            }
            Failure::Panic { task, message } => Finding {
                parties: task.iter().map(|&task| namer.name(task)).collect(),
                detail: message.clone(),
                ..Finding::plain(Sort::Panic, Invariant::I01, "pgmap itself panicked")
            },
        })
    }

    /// With what was found out about known races.
    #[must_use]
    pub fn attributed(self, to: Option<Attribution>) -> Self {
        let (known, goes_away_with) = to.map(|to| (to.id, to.goes_away_with)).unzip();
        Self { known, goes_away_with, ..self }
    }

    fn plain(sort: Sort, invariant: Invariant, title: &str) -> Self {
        let (title, known, goes_away_with) = (title.to_owned(), None, None);
        let (parties, waits, detail) = (Vec::new(), Vec::new(), String::new());
        let blame = Blame::Rules;
        Self {
            sort,
            invariant,
            title,
            page: None,
            parties,
            detail,
            waits,
            blame,
            known,
            goes_away_with,
            expectation: None,
        }
    }
}

/// Who waits for what, in words.
pub(crate) fn waiting(
    scenario: &Scenario,
    explored: &ExploredWorld,
    waits: &[Blocked],
) -> Vec<String> {
    let namer = Namer { scenario, explored };
    sleepers(explored, waits).iter().map(|one| namer.wait(one)).collect()
}

struct Namer<'a> {
    scenario: &'a Scenario,
    explored: &'a ExploredWorld,
}

impl Namer<'_> {
    fn name(&self, task: Task) -> String {
        self.explored.role(task).who().in_a_sentence()
    }

    fn defect(&self, task: Option<Task>, defect: Defect) -> Finding {
        match defect.code {
            code::NOT_AT_REST => {
                let wrong = self.explored.imbalance().unwrap_or_default();
                return Finding {
                    detail: wrong.join("; "),
                    parties: vec!["all tasks, gone".to_owned()],
                    ..Finding::plain(
                        Sort::Leak,
                        Invariant::I03,
                        "the books do not balance at the end",
                    )
                };
            }
            code::CANNOT_LEAVE => {
                return Finding {
                    parties: vec!["a process that leaves".to_owned()],
                    ..Finding::plain(Sort::Leak, Invariant::L4, "a process cannot leave")
                };
            }
            code::UNEXPECTED => {
                return self.unexpected(usize::try_from(defect.object).unwrap_or(usize::MAX));
            }
            _ => {}
        }
        let warn = Warn {
            code: u16::try_from(defect.code).unwrap_or(u16::MAX),
            object: defect.object,
            value: defect.value,
        };
        let task = task.map_or(0, |task| self.explored.party(task));
        let record = WarnRecord { warn, cpu: CpuId(0), task: TaskId(task), beside: Vec::new() };
        match self.explored.look(|world, cpu| world.violation(cpu, &record)) {
            Ok(violation) => Finding {
                page: violation.pfn.map(|pfn| pfn.0),
                parties: violation.parties.iter().map(ToString::to_string).collect(),
                detail: violation.detail,
                ..Finding::plain(Sort::Violation, violation.invariant, &violation.title)
            },
            // Somebody was stopped with a lock in hand, so the other side cannot be asked for.
            Err(_) => {
                let complaint = pgmap_mm::warn::Complaint::from_code(warn.code);
                let (invariant, title) = complaint
                    .map_or((Invariant::I20, "misuse of a primitive"), |complaint| {
                        (complaint.invariant(), complaint.title())
                    });
                Finding {
                    parties: vec![Party::of(task).to_string()],
                    detail: format!("object {:#x}, value {}", warn.object, warn.value),
                    ..Finding::plain(Sort::Violation, invariant, title)
                }
            }
        }
    }

    /// An execution ended otherwise than the program expects.
    fn unexpected(&self, nth: usize) -> Finding {
        let mut finding =
            Finding::plain(Sort::Expectation, Invariant::P1, "a program's expectation is broken");
        finding.expectation = Some(nth);
        let Some(it) = self.scenario.program.expectations.get(nth) else { return finding };
        let mut named = it.condition.steps();
        named.sort_unstable();
        named.dedup();
        let came = |n: &u32| {
            let name = self.scenario.program.step_name(*n).unwrap_or_default();
            format!("{name} = {}", self.explored.step_results().outcome(*n))
        };
        let came: Vec<String> = named.iter().map(came).collect();
        finding.detail =
            format!("\"{}\", but {}", self.scenario.program.expectation_text(it), came.join(", "));
        let steps = self.scenario.program.steps.iter().filter(|step| named.contains(&step.n));
        let who = steps.map(|step| Who::from(step.who).in_a_sentence());
        finding.parties = who.collect();
        finding.parties.sort_unstable();
        finding.parties.dedup();
        finding
    }

    /// Nobody can go on. None if everybody waits, in the end, for what the program never gives back.
    fn stuck(&self, waits: &[Blocked], cycle: Option<&[Task]>) -> Option<Finding> {
        let all = sleepers(self.explored, waits);
        let stuck: Vec<&Sleeper<'_>> = all.iter().filter(|one| !one.free).collect();
        stuck.first()?;
        let described = all.iter().map(|one| self.wait(one)).collect();
        let blame = if is_asked_for(self.explored, &all) { Blame::Program } else { Blame::Rules };
        let told = |finding: Finding| Finding { waits: described, blame, ..finding };
        let names = |tasks: &[Task]| tasks.iter().map(|&task| self.name(task)).collect();
        let page = |one: &Sleeper<'_>| one.page.map(|pfn| pfn.0);
        let mut for_pages = stuck.iter().filter(|one| one.is_for_pages());
        if let Some(lost) = for_pages.clone().find(|one| one.needs.is_empty()) {
            let (invariant, title, detail) = match lost.page {
                Some(_) => (Invariant::L2, "asleep for a page that is idle", "nobody holds it"),
                None => (Invariant::L1, "unbind waits for references that nobody has", ""),
            };
            return Some(told(Finding {
                page: page(lost),
                parties: names(&[lost.wait.task]),
                detail: detail.to_owned(),
                ..Finding::plain(Sort::LostWakeup, invariant, title)
            }));
        }
        if let Some(over) = for_pages.next() {
            let mut parties = vec![over.wait.task];
            parties.extend(over.others());
            // Who waits for itself is both sides.
            if parties.len() > 2 || parties.first() != parties.last() {
                parties.dedup();
            }
            let held = over.needs.iter().filter_map(|need| need.by).map(|by| by.to_string());
            let title = "the holder of a page waits for the one who waits for the page";
            return Some(told(Finding {
                page: page(over),
                parties: names(&parties),
                detail: held.collect::<Vec<_>>().join("; "),
                ..Finding::plain(Sort::Deadlock, Invariant::I20, title)
            }));
        }
        // Who waits for nobody who is left is why the others wait.
        let forsaken = stuck.iter().find(|one| one.needs.is_empty()).map(|one| one.wait.owner);
        let (sort, invariant, title) = match (cycle, forsaken) {
            (Some(_), _) | (None, None) => {
                (Sort::Deadlock, Invariant::I20, "tasks wait for each other")
            }
            (None, Some(Some(_))) => {
                (Sort::Deadlock, Invariant::I20, "a lock is held by a task that has ended")
            }
            (None, Some(None)) => {
                (Sort::LostWakeup, Invariant::L4, "asleep, and nobody is left to wake it")
            }
        };
        let stuck: Vec<Task> = stuck.iter().map(|one| one.wait.task).collect();
        Some(told(Finding {
            parties: names(cycle.unwrap_or(&stuck)),
            ..Finding::plain(sort, invariant, title)
        }))
    }

    /// "w1 waits for page to become idle (pfn 0x5), held by w0 pin 0 until w0 unpin".
    fn wait(&self, one: &Sleeper<'_>) -> String {
        let Sleeper { wait, needs, .. } = one;
        let object = one.awaited().map_or_else(String::new, |pfn| format!(" (pfn {:#x})", pfn.0));
        let held: Vec<String> = needs.iter().filter_map(|need| self.need(need)).collect();
        let held = match (wait.owner, held.as_slice()) {
            (Some(owner), []) => format!(", held by {}", self.name(owner)),
            (_, held) => held.iter().map(|held| format!(", {held}")).collect(),
        };
        format!("{} waits for {}{object}{held}", self.name(wait.task), wait.class)
    }

    /// Who holds what is needed, and until when.
    fn need(&self, need: &Need) -> Option<String> {
        let step = |step: u32| {
            let step = self.scenario.program.steps.get(step as usize)?;
            Some(self.scenario.program.step_text(step).to_string())
        };
        let until = need.given_back.iter().filter_map(|(_, next)| step((*next)?)).next();
        match (need.by, until) {
            (Some(by), Some(until)) => Some(format!("held by {by} until \"{until}\"")),
            (Some(by), None) if need.given_back.is_empty() => {
                Some(format!("held by {by}, which nobody gives back"))
            }
            (Some(by), None) => Some(format!("held by {by}")),
            (None, Some(until)) => Some(format!("which ends with \"{until}\"")),
            (None, None) if need.given_back.is_empty() => Some("which nobody ends".to_owned()),
            (None, None) => None,
        }
    }
}
