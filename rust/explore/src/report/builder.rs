//! Who did it, to which page, and what went wrong: a report from a trace.

use pgmap_mm::page::Pfn;
use pgmap_prim::verb;
use pgmap_program::Op;
use pgmap_sched::{Event, Failure, Task};

use super::accesses::Accesses;
use super::blame::last_counted;
use super::held::{self, Hold};
use super::late;
use super::rows::{Candidate, Rank, Row, Tells, TraceReader};
use super::subject::{self, Focus};
use super::{BrokenInvariant, Change, Column, Culprit, Holds, PageNow, Report, Setting};
use crate::explored::ExploredWorld;
use crate::finding::Sort;
use crate::found::Found;
use crate::names;
use crate::scenario::{Role, Scenario};
use crate::thing::Tables;

/// The report of a trace that ended in this failure.
pub(super) fn tell(
    scenario: &Scenario,
    found: &Found,
    explored: &ExploredWorld,
    told: &late::Trace,
    failure: Option<&Failure>,
) -> Report {
    let trace = &told.events[..];
    let arena = explored.arena();
    let accesses = Accesses::of(trace, &Tables::of(&arena));
    let finding = &found.finding;
    let pfn = finding.page.or_else(|| last_counted(trace, &accesses));
    let page = pfn.and_then(|pfn| page_now(scenario, explored, pfn));
    let focus =
        page.as_ref().map(|page| Focus { pfn: page.pfn, head: page.head, large: page.order > 0 });
    let roles = scenario.roles();
    let reader = TraceReader { scenario, roles: &roles, trace, told, accesses: &accesses, focus };
    let builder = ReportBuilder {
        reader,
        found,
        held: held::at_the_end(&scenario.program, trace, &accesses),
    };
    builder.report(page, failure)
}

fn page_now(scenario: &Scenario, explored: &ExploredWorld, pfn: u32) -> Option<PageNow> {
    explored
        .look(|world, _| {
            let head = pfn - world.observe(Pfn(pfn)).tail_of.unwrap_or(0);
            let seen = world.observe(Pfn(head));
            let counted = seen.refcount.max(0).unsigned_abs() / scenario.geometry.pin_bias.max(1);
            let mapcount = seen.large.map_or(seen.mapcount, |large| large.mapcount.cast_signed());
            PageNow {
                pfn,
                head,
                order: seen.order.unwrap_or(0),
                refcount: seen.refcount,
                mapcount,
                pins: seen.large.map_or(counted, |large| large.pincount),
                in_file: seen.mapping,
            }
        })
        .ok()
}

struct ReportBuilder<'a> {
    reader: TraceReader<'a>,
    found: &'a Found,
    held: Vec<Hold>,
}

impl ReportBuilder<'_> {
    fn trace(&self) -> &[Event] {
        self.reader.trace
    }

    fn who(&self, task: Task) -> String {
        self.reader
            .roles
            .get(usize::from(task.0))
            .map_or_else(String::new, |role| role.who().to_string())
    }

    fn report(&self, page: Option<PageNow>, failure: Option<&Failure>) -> Report {
        let finding = &self.found.finding;
        let mut all = self.reader.candidates();
        let taken = self.reader.last_count(|before, after| after > before);
        let freed = self.reader.last_count(|before, after| after == 0 && before != 0);
        for at in [taken, freed].into_iter().flatten() {
            self.need(&mut all, at);
        }
        let stuck = matches!(finding.sort, Sort::Deadlock | Sort::LostWakeup | Sort::Livelock);
        if stuck {
            for hold in
                self.held.iter().filter(|hold| self.trace()[hold.at].verb != verb::SECTION_ENTER)
            {
                self.need(&mut all, hold.at);
            }
        }
        let guilty = self.reader.guilty(failure);
        let changed = self.reader.changed().filter(|_| !stuck);
        if let Some(at) = changed {
            self.need(&mut all, at);
        }
        self.fail(&mut all, failure);
        self.reader.need_calls(&mut all);
        let rows = self.reader.tell(all);
        let row = |at: usize| {
            let event = &self.trace()[at];
            let same = |row: &&Row| row.event == event.index && row.tells != Tells::Fold;
            rows.iter().rev().find(same).and_then(|row| row.n)
        };
        let culprit = |at: usize| self.culprit(at, row(at));
        let mut ops: Vec<&str> = guilty.iter().map(|&(_, at)| self.op_name(at)).collect();
        ops.sort_unstable();
        let signature = match ops.is_empty() {
            true => finding.title.clone(),
            false => format!("{} in {}", finding.title, ops.join(" / ")),
        };
        let at = rows.iter().rev().find(|row| row.tells == Tells::Failure).and_then(|row| row.n);
        let (id, sentence) = (finding.invariant.id(), finding.invariant.sentence());
        Report {
            title: finding.title.clone(),
            signature,
            sort: finding.sort,
            invariant: BrokenInvariant { id, sentence, at },
            page,
            columns: self.columns(&guilty),
            value_changed: changed.and_then(|at| self.change(at)),
            taken_by: taken.map(culprit),
            freed_by: freed.map(culprit),
            held: self.holds(),
            waits: finding.waits.clone(),
            detail: finding.detail.clone(),
            known: finding.known.clone(),
            goes_away_with: finding.goes_away_with.clone(),
            scenario: Setting::of(self.reader.scenario, self.found),
            reproduce: format!("python -m pgmap.replay {}", self.found.token(self.reader.scenario)),
            rows,
        }
    }

    fn change(&self, at: usize) -> Option<Change> {
        let event = &self.trace()[at];
        let thing = self.reader.accesses.thing(at)?;
        let (before, after) = event.values?;
        Some(Change {
            what: subject::name(
                &self.reader.scenario.program,
                thing,
                event,
                self.reader.focus.as_ref(),
            )
            .unwrap_or_else(|| subject::UNNAMED.to_owned()),
            change: format!(
                "{} -> {}",
                subject::value(thing, before),
                subject::value(thing, after)
            ),
        })
    }

    /// Makes sure that an entry of the trace is told.
    fn need(&self, all: &mut Vec<Candidate>, at: usize) {
        match all.iter_mut().find(|candidate| candidate.at == at) {
            Some(candidate) => candidate.rank = Rank::Needed,
            None => all.push(Candidate { at, rank: Rank::Needed, row: self.reader.step(at) }),
        }
    }

    /// What went wrong, as the last rows.
    fn fail(&self, all: &mut Vec<Candidate>, failure: Option<&Failure>) {
        let title = &self.found.finding.title;
        let (after, index) =
            (self.trace().len(), self.trace().last().map_or(0, |event| event.index));
        let end = |task: Option<Task>, function, text: &str, remark: String| Candidate {
            at: after,
            rank: Rank::Needed,
            row: Row {
                n: None,
                event: index,
                task: task.map(|task| task.0),
                tells: Tells::Failure,
                function,
                text: function.unwrap_or(text).to_owned(),
                margin: None,
                remark: Some(remark),
            },
        };
        match failure {
            Some(
                Failure::Defect { task: Some(task), .. } | Failure::Panic { task: Some(task), .. },
            ) if let Some(at) = self.reader.last_step(*task) => {
                self.need(all, at);
                let failed = all.iter_mut().find(|candidate| candidate.at == at);
                if let Some(Candidate { row, .. }) = failed {
                    row.tells = Tells::Failure;
                    row.remark = Some(title.clone());
                }
            }
            Some(Failure::Deadlock { waits, .. }) => {
                for wait in waits {
                    let remark = format!("waits for {}", wait.class);
                    all.push(end(Some(wait.task), names::function(wait.site), "waits", remark));
                }
            }
            Some(Failure::Livelock { tasks, recurrence }) => {
                for &task in tasks {
                    let again = recurrence.filter(|again| again.task == task);
                    let function = again.and_then(|again| names::function(again.step.site));
                    all.push(end(Some(task), function, "spins", title.clone()));
                }
            }
            _ => all.push(end(None, None, "all tasks have left", title.clone())),
        }
    }

    fn op_name(&self, at: usize) -> &'static str {
        self.reader.op_at(at).map_or("?", Op::call)
    }

    fn call(&self, at: usize) -> String {
        let text = |op: &Op| self.reader.scenario.program.op_text(op).to_string();
        self.reader.op_at(at).map_or_else(String::new, text)
    }

    fn culprit(&self, at: usize, row: Option<u32>) -> Culprit {
        let event = &self.trace()[at];
        let function = event.site.and_then(names::function).unwrap_or("?").to_owned();
        Culprit { who: self.who(event.task), row, function, call: self.call(at) }
    }

    fn columns(&self, guilty: &[(Task, usize)]) -> Vec<Column> {
        let text = |op: &Op| self.reader.scenario.program.op_text(op).to_string();
        let column = |(task, role): (u8, &Role)| Column {
            task,
            who: role.who(),
            guilty: guilty.iter().find(|it| it.0.0 == task).map(|&(_, at)| self.call(at)),
            calls: role.steps.iter().map(|(_, op)| text(op)).collect(),
        };
        (0..).zip(self.reader.roles).map(column).collect()
    }

    fn holds(&self) -> Vec<Holds> {
        let of = |task: Task| {
            let mut what: Vec<String> = Vec::new();
            for hold in self.held.iter().filter(|hold| hold.task == task) {
                if !what.contains(&hold.name) {
                    what.push(hold.name.clone());
                }
            }
            Holds { who: self.who(task), what }
        };
        let all = (0..).map(Task).take(self.reader.roles.len()).map(of);
        all.filter(|holds| !holds.what.is_empty()).collect()
    }
}
