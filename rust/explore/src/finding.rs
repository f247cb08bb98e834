//! A failed execution in the words of the protocol: what is broken, where, by whom.
//!
//! A wait that never ends is judged by who could end it. A page that somebody holds on purpose, a pin that
//! the program never gives back, is the program's own doing and no finding. A ring of waits is a deadlock (I20).
//! A page that nobody holds any more while somebody still sleeps for it is a wake-up that was lost (L2, L4).

use pgmap_mm::page::Pfn;
use pgmap_mm::world::Party;
use pgmap_prim::{CpuId, TaskId, Warn, WarnRecord};
use pgmap_program::era::KnownRace;
use pgmap_program::Invariant;
use pgmap_sched::{Blocked, Failure, Fault, Task};
use serde::Serialize;

use crate::lab::{Lab, code};
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
                    format!("{} {} times", again.step.site, again.times)
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
                    ..Finding::plain(Sort::Leak, Invariant::I03, "the books do not balance at the end")
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
        let party = task.and_then(|task| self.lab.role(task).worker);
        let warn = Warn {
            code: u16::try_from(fault.code).unwrap_or(u16::MAX),
            object: fault.object,
            value: fault.value,
        };
        let task = party.map_or(0, |worker| Party::task(worker, 0));
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
                let (invariant, title) = complaint.map_or(
                    (Invariant::I20, "misuse of a primitive"),
                    |complaint| (complaint.invariant(), complaint.title()),
                );
                Finding {
                    parties: party.iter().map(ToString::to_string).collect(),
                    detail: format!("object {:#x}, value {}", warn.object, warn.value),
                    ..Finding::plain(Sort::Violation, invariant, title)
                }
            }
        }
    }

    /// Nobody can go on. None if all are waiting for what the program holds on purpose.
    fn stuck(&self, waits: &[Blocked], cycle: Option<&[Task]>) -> Option<Finding> {
        let described: Vec<String> = waits.iter().map(|wait| self.wait(wait)).collect();
        let parties = |tasks: &[Task]| tasks.iter().map(|&task| self.name(task)).collect();
        if let Some(ring) = cycle {
            return Some(Finding {
                parties: parties(ring),
                waits: described,
                ..Finding::plain(Sort::Deadlock, Invariant::I20, "tasks wait for each other")
            });
        }
        let blocked = |worker: &str| waits.iter().any(|wait| self.name(wait.task) == worker);
        let mut on_purpose = false;
        for wait in waits {
            if wait.class != FOR_A_PAGE {
                continue;
            }
            let pfn = Pfn(u32::try_from(wait.object).unwrap_or(u32::MAX));
            let holders = self.lab.look(|world, cpu| world.holders(cpu, pfn)).unwrap_or_default();
            let held: Vec<&str> = holders.iter().map(|holder| holder.who.as_str()).collect();
            let by = held.iter().find(|who| !who.ends_with("mapping(s)"));
            let about = |finding: Finding| Finding {
                page: Some(pfn.0),
                waits: described.clone(),
                detail: if held.is_empty() { "nobody holds it".to_owned() } else { held.join("; ") },
                ..finding
            };
            match by {
                // Nobody is left who could put it, or it is idle already.
                None => {
                    return Some(about(Finding {
                        parties: vec![self.name(wait.task)],
                        ..Finding::plain(
                            Sort::LostWakeup,
                            Invariant::L2,
                            "asleep for a page that is idle",
                        )
                    }));
                }
                Some(by) if blocked(by.split(' ').next().unwrap_or(by)) => {
                    let holder = by.split(' ').next().unwrap_or(by).to_owned();
                    return Some(about(Finding {
                        parties: vec![self.name(wait.task), holder],
                        ..Finding::plain(
                            Sort::Deadlock,
                            Invariant::I20,
                            "the holder of a page waits for who waits for the page",
                        )
                    }));
                }
                Some(_) => on_purpose = true,
            }
        }
        if on_purpose {
            return None;
        }
        let lock = waits.iter().find(|wait| wait.owner.is_some());
        let tasks: Vec<Task> = waits.iter().map(|wait| wait.task).collect();
        let (sort, invariant, title) = match lock {
            Some(_) => (Sort::Deadlock, Invariant::I20, "a lock is held by a task that has ended"),
            None => (Sort::LostWakeup, Invariant::L4, "asleep, and nobody is left to wake it"),
        };
        Some(Finding {
            parties: parties(&tasks),
            waits: described,
            ..Finding::plain(sort, invariant, title)
        })
    }

    /// "w1 waits for page to become idle 0x5, held by w0".
    fn wait(&self, wait: &Blocked) -> String {
        let owner = wait.owner.map_or_else(String::new, |task| format!(", held by {}", self.name(task)));
        let object = match wait.class {
            FOR_A_PAGE => format!(" (pfn {:#x})", wait.object),
            _ => String::new(),
        };
        format!("{} waits for {}{object}{owner}", self.name(wait.task), wait.class)
    }
}
