//! The printed form: at most 72 columns of ASCII.
//!
//! One step a line, so a step may run on to the right under the columns of others. What does not fit goes on
//! in the next line, two columns further in; nothing is cut off.

use std::fmt;

use pgmap_program::{Memory, TlbRefill};

use super::{Column, Culprit, PageNow, Report, Row, Setting, Tells, WIDTH};
use crate::finding::Sort;

/// Where the first column begins: after the number of the row.
const GUTTER: usize = 6;
/// Most tasks that get a column of their own.
const COLUMNS_MAX: usize = 3;
/// A longer margin goes under the text.
const MARGIN_MAX: usize = 20;
/// How far lines are indented that go on from the one before.
const INDENT: usize = 2;
const RULER: &str = "==================================================================";

/// Prints a report.
pub(super) fn print(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut page = Sheet(Vec::new());
    page.line(RULER);
    page.paragraph("BUG: pgmap: ", &report.signature);
    page.blank();
    let invariant = &report.invariant;
    let at = invariant.at.map_or_else(String::new, |n| format!(" broken at step {n}"));
    page.paragraph("invariant: ", &format!("{} \"{}\"{at}", invariant.id, invariant.sentence));
    if let Some(now) = &report.page {
        page.paragraph("page: ", &describe(now));
    }
    if !report.detail.is_empty() {
        page.paragraph("detail: ", &report.detail);
    }
    page.blank();
    table(report, &mut page);
    page.blank();
    causes(report, &mut page);
    setting(&report.scenario, &mut page);
    if let (Some(known), Some(mend)) = (&report.known, &report.goes_away_with) {
        page.paragraph("Known: ", &format!("{known}, a race of this era; goes away with {mend}"));
    }
    page.command("Reproduce: ", &report.reproduce);
    page.paragraph("Found by: ", concat!("pgmap ", env!("CARGO_PKG_VERSION"), " explore"));
    page.line(RULER);
    page.0.iter().try_for_each(|line| writeln!(f, "{line}"))
}

fn describe(now: &PageNow) -> String {
    let PageNow { pfn, head, order, refcount, mapcount, pins, in_file } = *now;
    let folio = if order > 0 || head != pfn {
        format!(" in folio {head:#x} order {order}")
    } else {
        String::new()
    };
    let file = if in_file { "in a file" } else { "in no file" };
    format!("pfn {pfn:#x}{folio} refcount {refcount} pins {pins} mapcount {mapcount}, {file}")
}

/// The lanes of the table: which task has which.
struct Lanes<'a> {
    shown: Vec<&'a Column>,
    others: Vec<&'a Column>,
    spacing: usize,
}

impl<'a> Lanes<'a> {
    fn of(columns: &'a [Column]) -> Self {
        let (shown, others) = if columns.len() > COLUMNS_MAX {
            let mut guilty = 0;
            columns.iter().partition(|column| {
                guilty += usize::from(column.guilty.is_some());
                column.guilty.is_some() && guilty <= COLUMNS_MAX
            })
        } else {
            (columns.iter().collect(), Vec::new())
        };
        let spacing = if shown.len() > 2 { 14 } else { 20 };
        Self { shown, others, spacing }
    }

    fn start(&self, lane: usize) -> usize {
        GUTTER + lane * self.spacing
    }

    /// Where a row begins, and whose it is if that needs saying.
    fn place(&self, row: &Row) -> (usize, String) {
        let Some(task) = row.task else { return (GUTTER, String::new()) };
        match self.shown.iter().position(|column| column.task == task) {
            Some(lane) => (self.start(lane), String::new()),
            None => {
                let who = self.others.iter().find(|column| column.task == task);
                (GUTTER, who.map_or_else(String::new, |column| format!("({}) ", column.who)))
            }
        }
    }
}

fn table(report: &Report, page: &mut Sheet) {
    let lanes = Lanes::of(&report.columns);
    let mut head = Line::default();
    let mut rule = Line::default();
    for (lane, column) in lanes.shown.iter().enumerate() {
        let who = column.who.in_short();
        // A worker's name fits; somebody else's would not be a name.
        let title: String =
            format!("CPU{} ({who})", column.task).chars().take(lanes.spacing - 2).collect();
        rule.put(lanes.start(lane), &"-".repeat(lanes.spacing - 2));
        head.put(lanes.start(lane), &title);
    }
    page.line(&head.0);
    page.line(&rule.0);
    for row in &report.rows {
        put_row(&lanes, row, page);
    }
    if !lanes.others.is_empty() {
        let other = |column: &&Column| format!("{}: {}", column.who, column.calls.join(", "));
        let others: Vec<String> = lanes.others.iter().map(other).collect();
        page.paragraph("others: ", &others.join("; "));
    }
}

fn put_row(lanes: &Lanes<'_>, row: &Row, page: &mut Sheet) {
    let (start, who) = lanes.place(row);
    // Steps stand a little inside their call.
    let start = if row.tells == Tells::Call { start } else { start + 2 };
    let margin = row.margin.as_deref().unwrap_or("");
    let remark = row.remark.as_ref().map_or_else(String::new, |remark| format!("  <- {remark}"));
    let told = format!("{who}{}{remark}", row.text);
    let room = |margin: usize| WIDTH - start - if margin > 0 { margin + 2 } else { 0 };
    // Beside the margin no word may be broken for want of room.
    let longest = told.split(' ').map(str::len).max().unwrap_or(0);
    let beside = margin.len() <= MARGIN_MAX && longest + INDENT <= room(margin.len());
    let room = room(if beside { margin.len() } else { 0 });
    let mut lines = wrap(&told, room);
    if !beside {
        // It fits nowhere beside the text.
        lines.extend(wrap(margin, room - 2).into_iter().map(|line| format!("  {line}")));
    }
    let number = row.n.map_or_else(String::new, |n| format!("{n:>3}"));
    for (at, text) in lines.iter().enumerate() {
        let mut line = Line::default();
        if at == 0 {
            line.put(0, &number);
        }
        line.put(start, text);
        if at == 0 && beside {
            line.put(WIDTH - margin.len(), margin);
        }
        page.line(&line.0);
    }
}

fn causes(report: &Report, page: &mut Sheet) {
    let stuck = matches!(report.sort, Sort::Deadlock | Sort::LostWakeup | Sort::Livelock);
    match &report.value_changed {
        Some(changed) if !stuck => {
            let text = format!("{} {}", changed.what, changed.change);
            page.paragraph("value changed: ", &text);
        }
        _ => report.waits.iter().for_each(|wait| page.paragraph("waiting: ", wait)),
    }
    let culprit = |culprit: &Culprit| {
        let step = culprit.row.map_or_else(String::new, |n| format!(" step {n}"));
        format!("{}{step}  {}  ({})", culprit.who, culprit.function, culprit.call)
    };
    if let Some(taken) = &report.taken_by {
        page.paragraph("taken by: ", &culprit(taken));
    }
    if let Some(freed) = &report.freed_by {
        page.paragraph("freed by: ", &culprit(freed));
    }
    let holds = report.held.iter().map(|it| format!("{} {{ {} }}", it.who, it.what.join(", ")));
    let holds: Vec<String> = holds.collect();
    if !holds.is_empty() {
        page.paragraph("held at failure: ", &holds.join(" "));
    }
    page.blank();
}

fn setting(setting: &Setting, page: &mut Sheet) {
    for (at, line) in setting.program.lines().enumerate() {
        page.paragraph(if at == 0 { "program:  " } else { "          " }, line);
    }
    let rule =
        |rule: &super::Rule| format!(", rule {}={} (era: {})", rule.name, rule.value, rule.era);
    let rules: String = setting.rules.iter().map(rule).collect();
    // A store that waits and a translation that is loaded ahead count as preemptions do.
    let unusual = setting.memory != Memory::Sc || setting.tlb != TlbRefill::OnAccess;
    let what = if unusual { "preemption or delay" } else { "preemption" };
    let whats = if unusual { "preemptions and delays" } else { "preemptions" };
    let preemptions = match setting.preemptions {
        Some(1) => format!(", 1 {what}"),
        Some(n) => format!(", {n} {whats}"),
        None => String::new(),
    };
    let without: String = setting.without.iter().map(|step| format!(", without {step}")).collect();
    page.paragraph("era ", &format!("{}{rules}{without}{preemptions}", setting.era));
    let geometry = &setting.geometry;
    let sizes = format!(
        "PMD order {}, gather batch {}, pin bias {}, {} CPUs, {} pages",
        geometry.pmd_order, geometry.gather_batch, geometry.pin_bias, geometry.cpus, geometry.pages,
    );
    page.paragraph("machine: ", &sizes);
    let tlb = match setting.tlb {
        TlbRefill::OnAccess => "",
        TlbRefill::Speculative => ", TLBs load ahead",
    };
    page.paragraph("memory: ", &format!("{}{tlb}", setting.memory.describe()));
}

/// Finished lines.
struct Sheet(Vec<String>);

impl Sheet {
    fn line(&mut self, text: &str) {
        self.0.push(text.trim_end().chars().map(plain).collect());
    }

    fn blank(&mut self) {
        if self.0.last().is_some_and(|line| !line.is_empty()) {
            self.line("");
        }
    }

    /// Text behind a label, wrapped.
    fn paragraph(&mut self, label: &str, text: &str) {
        let lines = wrap(text, WIDTH - label.len());
        for (at, line) in lines.iter().enumerate() {
            let label = if at == 0 { label.to_owned() } else { " ".repeat(label.len()) };
            self.line(&format!("{label}{line}"));
        }
    }

    /// A command; if it is too long, continued as a shell does. Its last word may be longer than a line.
    fn command(&mut self, label: &str, command: &str) {
        if label.len() + command.len() <= WIDTH {
            return self.line(&format!("{label}{command}"));
        }
        let (program, last) = command.rsplit_once(' ').unwrap_or((command, ""));
        self.line(&format!("{label}{program} \\"));
        let last: Vec<char> = last.chars().map(plain).collect();
        let mut parts = last.chunks(WIDTH - 1).peekable();
        while let Some(part) = parts.next() {
            let part: String = part.iter().collect();
            let more = if parts.peek().is_some() { "\\" } else { "" };
            self.line(&format!("{part}{more}"));
        }
    }
}

/// One line being filled from the left.
#[derive(Default)]
struct Line(String);

impl Line {
    fn put(&mut self, column: usize, text: &str) {
        let spaces = column.saturating_sub(self.0.chars().count());
        self.0.extend(std::iter::repeat_n(' ', spaces));
        self.0.push_str(text);
    }
}

fn plain(c: char) -> char {
    match c {
        ' '..='~' => c,
        _ => '?',
    }
}

/// Lines of at most `width` characters; those after the first are indented. A word that is longer than a line
/// is broken.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(INDENT + 1);
    let mut lines = vec![String::new()];
    let mut used = 0;
    // Whether the line has a word yet.
    let mut begun = false;
    for word in text.split([' ', '\n']) {
        let mut word: Vec<char> = word.chars().map(plain).collect();
        if begun && used + 1 + word.len() > width {
            lines.push(" ".repeat(INDENT));
            used = INDENT;
        } else if begun {
            push(&mut lines, &mut used, &[' ']);
        }
        while used + word.len() > width {
            let rest = word.split_off(width - used);
            push(&mut lines, &mut used, &word);
            lines.push(" ".repeat(INDENT));
            used = INDENT;
            word = rest;
        }
        push(&mut lines, &mut used, &word);
        begun = true;
    }
    lines
}

fn push(lines: &mut [String], used: &mut usize, word: &[char]) {
    if let Some(line) = lines.last_mut() {
        line.extend(word);
        *used += word.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapping_keeps_every_word_and_no_line_is_too_long() {
        let text = "a few short words and averyveryverylongwordindeed, then more of them";
        for width in 8..80 {
            let lines = wrap(text, width);
            assert!(lines.iter().all(|line| line.chars().count() <= width), "{width}: {lines:?}");
            let without = |text: &str| text.replace(' ', "");
            assert_eq!(without(&lines.concat()), without(text));
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            if width > 30 {
                assert_eq!(words(&lines.join(" ")), words(text));
            }
        }
    }

    #[test]
    fn a_long_command_can_be_pasted_back_into_a_shell() {
        let token: String = ('a'..='z').cycle().take(300).collect();
        let mut page = Sheet(Vec::new());
        page.command("", &format!("python -m pgmap.replay {token}"));
        assert!(page.0.iter().all(|line| line.len() <= WIDTH));
        assert_eq!(
            page.0.join("\n").replace("\\\n", ""),
            format!("python -m pgmap.replay {token}")
        );
    }

    #[test]
    fn what_is_not_ascii_is_marked() {
        let mut page = Sheet(Vec::new());
        page.paragraph("panic: ", "caf\u{e9} \u{2192} tab\t");
        assert_eq!(page.0, ["panic: caf? ? tab?"]);
    }
}
