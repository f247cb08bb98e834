//! A failed execution in the words of the protocol: what is broken, where, by whom.
//!
//! A wait that never ends is judged by who could end it. A page that somebody holds on purpose, a pin that
//! the program never gives back, is the program's own doing and no finding. A ring of waits is a deadlock (I20).
//! A page that nobody holds any more while somebody still sleeps for it is a wake-up that was lost (L2, L4).

use pgmap_mm::page::Pfn;
use pgmap_mm::world::{Party, World};
use pgmap_prim::{CpuId, TaskId, Warn, WarnRecord};
use pgmap_program::Invariant;
use pgmap_program::era::KnownRace;
use pgmap_sched::{Blocked, Failure, Fault, Task};
use serde::Serialize;

use crate::lab::{Lab, code};
use crate::names::function;
use crate::scenario::Scenario;

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
    /// A bug of the emulator.
    Panic,
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
    /// The number of a race that the era is known to have.
    pub known: Option<&'static str>,
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
    pub fn of(scenario: &Scenario, lab: &Lab, failure: &Failure) -> Option<Self> {
        let teller = Teller { lab };
        let mut finding = match failure {
            Failure::Fault { task, fault } => teller.fault(*task, *fault),
            Failure::Deadlock { waits, cycle } => teller.stuck(waits, cycle.as_deref())?,
            Failure::Livelock { tasks, recurrence } => {
                let again = recurrence.map_or_else(String::new, |again| {
                    let site = again.step.site;
                    let place = function(site).map_or_else(|| site.to_string(), str::to_owned);
                    format!("{place} again after {} steps, with everything as it was", again.round)
                });
                Finding {
                    parties: tasks.iter().map(|&task| teller.name(task)).collect(),
                    detail: again,
                    ..Finding::plain(Sort::Livelock, Invariant::L3, "retries get nowhere")
                }
            }
            Failure::Panic { task, message } => Finding {
                parties: task.iter().map(|&task| teller.name(task)).collect(),
                detail: message.clone(),
                ..Finding::plain(Sort::Panic, Invariant::I01, "pgmap itself panicked")
            },
        };
        finding.known = known(scenario, finding.invariant).map(|race| race.id);
        Some(finding)
    }

    fn plain(sort: Sort, invariant: Invariant, title: &str) -> Self {
        let (title, known) = (title.to_owned(), None);
        let (parties, waits, detail) = (Vec::new(), Vec::new(), String::new());
        Self { sort, invariant, title, page: None, parties, detail, waits, known }
    }
}

/// The race that an era is known to have here, with the rule that makes it still in force.
fn known(scenario: &Scenario, invariant: Invariant) -> Option<&'static KnownRace> {
    let in_force = |race: &&KnownRace| scenario.rules.get(race.rule.0) == Ok(race.rule.1);
    scenario.era.known_for(invariant).filter(in_force)
}

/// The kind of wait whose object is a frame.
const FOR_A_PAGE: &str = "page to become idle";
/// The wait of unbind.
const FOR_A_PAGEMAP: &str = "pagemap references";

/// The lock of calls that change a file; faults do not take it.
const I_RWSEM: &str = "i_rwsem";

/// A blocked task in the wait-for graph.
struct Sleeper {
    task: Task,
    /// The page it waits for, when it does.
    page: Option<u32>,
    /// Who holds that page, in words.
    held: String,
    /// The blocked tasks, or the owner, that it waits for.
    on: Vec<Task>,
    /// It waits for something that the program holds and never gives back.
    on_purpose: bool,
}

/// Who waits, directly or through others, for what the program holds on purpose.
fn excused(sleepers: &[Sleeper]) -> Vec<Task> {
    let mut excused: Vec<Task> = Vec::new();
    loop {
        let next = sleepers.iter().find(|sleeper| {
            !excused.contains(&sleeper.task)
                && (sleeper.on_purpose || sleeper.on.iter().any(|task| excused.contains(task)))
        });
        match next {
            Some(sleeper) => excused.push(sleeper.task),
            None => return excused,
        }
    }
}

struct Teller<'a> {
    lab: &'a Lab,
}

impl Teller<'_> {
    fn name(&self, task: Task) -> String {
        self.lab.role(task).worker.map_or_else(|| "the environment".to_owned(), |w| w.to_string())
    }

    fn fault(&self, task: Option<Task>, fault: Fault) -> Finding {
        match fault.code {
            code::NOT_AT_REST => {
                let wrong = self.lab.imbalance().unwrap_or_default();
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
            _ => {}
        }
        let warn = Warn {
            code: u16::try_from(fault.code).unwrap_or(u16::MAX),
            object: fault.object,
            value: fault.value,
        };
        let task = task.map_or(0, |task| self.lab.party(task));
        let record = WarnRecord { warn, cpu: CpuId(0), task: TaskId(task) };
        match self.lab.look(|world, cpu| world.violation(cpu, &record)) {
            Ok(violation) => Finding {
                page: violation.pfn.map(|pfn| pfn.0),
                parties: violation.parties,
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

    /// Nobody can go on. None if everybody waits, in the end, for what the program holds on purpose.
    fn stuck(&self, waits: &[Blocked], cycle: Option<&[Task]>) -> Option<Finding> {
        let sleepers: Vec<Sleeper> = waits.iter().map(|wait| self.sleeper(wait, waits)).collect();
        let excused = excused(&sleepers);
        let mut stuck =
            sleepers.iter().filter(|sleeper| !excused.contains(&sleeper.task)).peekable();
        let first = *stuck.peek()?;
        let described = waits.iter().map(|wait| self.wait(wait)).collect();
        let told = |finding: Finding| Finding { waits: described, ..finding };
        let names = |tasks: &[Task]| tasks.iter().map(|&task| self.name(task)).collect();
        if let Some(lost) =
            stuck.clone().find(|sleeper| sleeper.page.is_some() && sleeper.on.is_empty())
        {
            return Some(told(Finding {
                page: lost.page,
                parties: names(&[lost.task]),
                detail: lost.held.clone(),
                ..Finding::plain(Sort::LostWakeup, Invariant::L2, "asleep for a page that is idle")
            }));
        }
        if let Some(over) = stuck.clone().find(|sleeper| sleeper.page.is_some()) {
            let others: Vec<Task> =
                [over.task].into_iter().chain(over.on.iter().copied()).collect();
            let title = "the holder of a page waits for who waits for the page";
            return Some(told(Finding {
                page: over.page,
                parties: names(&others),
                detail: over.held.clone(),
                ..Finding::plain(Sort::Deadlock, Invariant::I20, title)
            }));
        }
        let for_a_pagemap = |wait: &Blocked| wait.task == first.task && wait.class == FOR_A_PAGEMAP;
        let (sort, invariant, title) = match (cycle, first.on.is_empty()) {
            (None, true) if waits.iter().any(for_a_pagemap) => {
                (Sort::LostWakeup, Invariant::L1, "unbind waits for references that nobody has")
            }
            (Some(_), _) => (Sort::Deadlock, Invariant::I20, "tasks wait for each other"),
            (None, false) => {
                (Sort::Deadlock, Invariant::I20, "a lock is held by a task that has ended")
            }
            (None, true) => {
                (Sort::LostWakeup, Invariant::L4, "asleep, and nobody is left to wake it")
            }
        };
        let all: Vec<Task> = stuck.map(|sleeper| sleeper.task).collect();
        Some(told(Finding {
            parties: names(cycle.unwrap_or(&all)),
            ..Finding::plain(sort, invariant, title)
        }))
    }

    /// Whom a blocked task waits for.
    fn sleeper(&self, wait: &Blocked, waits: &[Blocked]) -> Sleeper {
        let task = wait.task;
        if wait.class == FOR_A_PAGEMAP {
            // Somebody still uses a page: as with a page, whoever that is may never let go.
            let in_use = |world: &World| {
                let span = world.dax.span;
                span.iter().any(|pfn| world.observe(pfn).refcount != 0)
            };
            let on_purpose = self.lab.look(|world, _| in_use(world)).unwrap_or(false);
            return Sleeper { task, page: None, held: String::new(), on: Vec::new(), on_purpose };
        }
        if wait.class != FOR_A_PAGE {
            let on = wait.owner.into_iter().collect();
            return Sleeper { task, page: None, held: String::new(), on, on_purpose: false };
        }
        let page = u32::try_from(wait.object).unwrap_or(u32::MAX);
        let holders = self.lab.look(|world, cpu| world.holders(cpu, Pfn(page))).unwrap_or_default();
        let held: Vec<&str> = holders.iter().map(|holder| holder.who.as_str()).collect();
        // What users took; mappings do not make a page busy.
        let users = held.iter().filter(|who| !who.ends_with("mapping(s)"));
        let workers: Vec<&str> = users.map(|who| who.split(' ').next().unwrap_or(who)).collect();
        let blocked = |worker: &&&str| waits.iter().find(|wait| self.name(wait.task) == **worker);
        let on: Vec<Task> =
            workers.iter().filter_map(|worker| Some(blocked(&worker)?.task)).collect();
        // Its own pin, or that of somebody who has nothing more to do, or a pipe's; or that of somebody who
        // himself asked for a change of a file, which no fault and no unpin needs.
        let changes_a_file = |task: &Task| {
            let their = |wait: &&Blocked| wait.task == *task;
            waits.iter().find(their).is_some_and(|wait| [I_RWSEM, FOR_A_PAGE].contains(&wait.class))
        };
        let on_purpose = on.len() < workers.len() || on.iter().any(changes_a_file);
        let held = if held.is_empty() { "nobody holds it".to_owned() } else { held.join("; ") };
        Sleeper { task, page: Some(page), held, on, on_purpose }
    }

    /// "w1 waits for page to become idle 0x5, held by w0".
    fn wait(&self, wait: &Blocked) -> String {
        let owner =
            wait.owner.map_or_else(String::new, |task| format!(", held by {}", self.name(task)));
        let object = match wait.class {
            FOR_A_PAGE => format!(" (pfn {:#x})", wait.object),
            _ => String::new(),
        };
        format!("{} waits for {}{object}{owner}", self.name(wait.task), wait.class)
    }
}
