//! Text to program. The language is the recorder's, and a little more.
//!
//! ```text
//! # set-up comes first
//! file f 16 written            # NAME PAGES [written|unwritten] [huge]
//! file h 1024 huge             # from a PMD boundary of the device on
//! driver d 2 alloc pop set_count(1) page_free push    # NAME PAGES, and what its two functions do
//!
//! w0 open 0 f rw               # wN OP ARGS: worker 0 does it
//! w0 mmap 0 0 0 16 rw shared | w0 w 0 1    # steps of one line, left to right
//! w1 ftruncate f 0 &           # a file where a descriptor is expected; & goes on at once
//! wait                         # the environment needs no worker
//! start                        # what came before was set-up: from here workers run at the same time
//! a: w0 pin 0 0                # a label, for expectations
//! end
//! expect a = ok or w1.1 = EBUSY    # see `expect`; never and sometimes are alike
//! ```
//!
//! What is an error here and what at run time: a *reference to nothing* is an error here (a file
//! never declared; a descriptor, mapping, pipe or pin that no earlier step of the worker made; a
//! worker that has left), because no kernel could be asked. What a kernel could be asked is left to
//! it, however silly: unmapping twice, closing twice, touching beyond the end have an errno or a signal.
//!
//! `words` splits a step into words, `ops` turns them into an [`Op`], `check`
//! follows the handles from step to step, `driver` reads drivers, `expect` expectations.

pub(crate) mod check;
mod driver;
pub(crate) mod expect;
pub(crate) mod lacking;
pub(crate) mod ops;
pub(crate) mod words;

use std::collections::HashMap;

use thiserror::Error;

use crate::expect::EXPECTATIONS_MAX;
use crate::op::{FileState, Layout, Op, PAGE_MAX, WorkerId};
use crate::program::{FileSpec, Issue, Program, Step};
use check::Handles;
pub use lacking::lacking;
use words::{Complaint, Word, Words};

/// Most files a program can declare.
pub const FILES_MAX: usize = 256;
/// Most steps a program can have.
pub const STEPS_MAX: usize = 1 << 20;

/// What is wrong with a program, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {what}, in \"{text}\"")]
pub struct ParseError {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// One sentence that says what is wrong.
    pub what: String,
    /// The line.
    pub text: String,
}

impl Program {
    /// Reads and validates a program.
    pub fn parse(text: &str) -> Result<Program, ParseError> {
        // An editor's byte order mark is none of the text.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut parser = Parser::default();
        let told = |line, text: &str, Complaint { column, what }| ParseError {
            line,
            column,
            what,
            text: text.trim_end().to_owned(),
        };
        for (number, line) in (1..).zip(text.lines()) {
            if is_json(line) && parser.program.steps.is_empty() {
                return Err(told(number, line, Complaint::at(1, JSON)));
            }
            parser.line(number, line).map_err(|wrong| told(number, line, wrong))?;
        }
        for (number, line) in core::mem::take(&mut parser.expectations) {
            parser.expectation(line).map_err(|wrong| told(number, line, wrong))?;
        }
        Ok(parser.program)
    }
}

impl Program {
    /// Reads one step for a machine that already runs: files are this program's, and handles are not
    /// followed, because only the machine knows which exist. The step is not added.
    pub fn parse_step(&mut self, text: &str) -> Result<Step, ParseError> {
        let wrong = |Complaint { column, what }| ParseError {
            line: 1,
            column,
            what,
            text: text.trim_end().to_owned(),
        };
        if text.contains(['|', '\n', '\r', '#']) {
            return Err(wrong(Complaint::at(1, "this is more than one step")));
        }
        let (statement_words, issue) = split(text, 1);
        let Some((first, rest)) = statement_words.split_first() else {
            return Err(wrong(Complaint::at(1, "there is no step here")));
        };
        if first.text.contains(':') || expect::demand(first.text).is_some() {
            let what = "labels and expectations are for whole programs, and this is one step";
            return Err(wrong(first.complain(what)));
        }
        self.resolve(*first, rest, issue)
            .map(|(who, op)| Step { n: 0, who, op, issue, line: 1, label: None })
            .map_err(wrong)
    }

    /// Who does what, from the words of one step.
    fn resolve(
        &mut self,
        first: Word<'_>,
        rest: &[Word<'_>],
        issue: Issue,
    ) -> Result<(Option<WorkerId>, Op), Complaint> {
        let (who, name, args) = match worker(first)? {
            None => (None, first, rest),
            Some(w) => {
                let (name, args) = rest
                    .split_first()
                    .ok_or_else(|| first.complain(format!("{w} is asked to do nothing")))?;
                (Some(w), *name, args)
            }
        };
        let op = ops::parse(name, args, who, self)?;
        if issue == Issue::Async && !can_be_async(who, &op) {
            return Err(
                name.complain(format!("{} is done at once: & makes no sense here", name.text))
            );
        }
        Ok((who, op))
    }
}

/// What is said of a recording where a program belongs.
const JSON: &str = "this is JSON and no program; a recording is compared with the model by \
                    python -m pgmap.conform FILE";

/// No step begins like that.
fn is_json(line: &str) -> bool {
    line.trim_start().starts_with(['{', '['])
}

impl Program {
    /// The places of steps that refer to nothing, those left out that only refer to such a step.
    #[must_use]
    pub fn dangling(&self) -> Vec<usize> {
        let mut handles = Handles::default();
        let wrong = |&(_, step): &(usize, &Step)| {
            let wrong = handles.step(step.who, &step.op, step.line).is_err();
            // Later pins keep their numbers.
            if let Some(who) = step.who.filter(|_| wrong && step.op.takes_pin()) {
                handles.lose_pin(who);
            }
            wrong
        };
        (0..).zip(&self.steps).filter(wrong).map(|(at, _)| at).collect()
    }
}

/// Whether a program could declare a file of this name.
#[must_use]
pub fn is_file_name(name: &str) -> bool {
    named(name)
}

impl std::str::FromStr for Program {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Program, ParseError> {
        Program::parse(text)
    }
}

#[derive(Default)]
struct Parser<'a> {
    program: Program,
    handles: Handles,
    /// The line of each label.
    labels: HashMap<&'a str, u32>,
    /// Lines of expectations, read when every step is known.
    expectations: Vec<(u32, &'a str)>,
}

impl<'a> Parser<'a> {
    fn line(&mut self, number: u32, line: &'a str) -> Result<(), Complaint> {
        let code = code_of(line);
        let Some(begin) = code.split_whitespace().next() else {
            return Ok(());
        };
        if expect::demand(begin).is_some() {
            self.expectations.push((number, line));
            return Ok(());
        }
        let mut column = 1;
        for statement in code.split('|') {
            let (statement_words, issue) = split(statement, column);
            let Some((first, rest)) = statement_words.split_first() else {
                return Err(Complaint::at(column, "there is no step here"));
            };
            if expect::demand(first.text).is_some() {
                return Err(first.complain(ALONE));
            }
            if first.text == "file" || first.text == "driver" {
                if issue == Issue::Async {
                    let what =
                        format!("a {} is declared at once: & makes no sense here", first.text);
                    return Err(first.complain(what));
                }
                match first.text {
                    "file" => self.file(*first, rest)?,
                    _ => {
                        let driver = driver::parse(*first, rest, &self.program)?;
                        self.program.drivers.push(driver);
                    }
                }
            } else {
                self.step(number, &statement_words, issue)?;
            }
            column += u32::try_from(statement.chars().count()).unwrap_or(u32::MAX - 1) + 1;
        }
        Ok(())
    }

    /// `expect CONDITION`, when all steps are known.
    fn expectation(&mut self, line: &str) -> Result<(), Complaint> {
        let code = code_of(line);
        let begin = code.len() - code.trim_start().len();
        let column = u32::try_from(code[..begin].chars().count() + 1).unwrap_or(u32::MAX);
        if let Some(at) = code.find(['|', '&']) {
            let column = u32::try_from(code[..at].chars().count() + 1).unwrap_or(u32::MAX);
            return Err(Complaint::at(column, ALONE));
        }
        if self.program.expectations.len() == EXPECTATIONS_MAX {
            let what = format!("a program has at most {EXPECTATIONS_MAX} expectations");
            return Err(Complaint::at(column, what));
        }
        let read = expect::parse(&code[begin..], column, &self.program)?;
        self.program.expectations.push(read);
        Ok(())
    }

    /// The label in front of a step, and the words behind it.
    fn label<'w>(
        &self,
        words: &'w [Word<'a>],
    ) -> Result<(Option<&'a str>, &'w [Word<'a>]), Complaint> {
        let Some((first, rest)) = words.split_first() else { return Ok((None, words)) };
        let Some((label, behind)) = first.text.split_once(':') else { return Ok((None, words)) };
        expect::check_label(label).map_err(|what| first.complain(what))?;
        if !behind.is_empty() {
            return Err(first.complain(format!("put a space after the label: {label}: {behind}")));
        }
        if let Some(line) = self.labels.get(label) {
            let what = format!("{label} is the label of the step on line {line} already");
            return Err(first.complain(what));
        }
        if rest.is_empty() {
            return Err(
                first.complain(format!("{label} labels nothing: a step follows on its line"))
            );
        }
        Ok((Some(label), rest))
    }

    /// `file NAME PAGES [written|unwritten] [contiguous|huge]`
    fn file(&mut self, first: Word<'_>, rest: &[Word<'_>]) -> Result<(), Complaint> {
        if !self.program.steps.is_empty() {
            return Err(first.complain("files are declared before the first step"));
        }
        if self.program.files.len() == FILES_MAX {
            return Err(first.complain(format!("a program has at most {FILES_MAX} files")));
        }
        let mut words = Words::new(first, "NAME PAGES [written|unwritten] [huge]", rest);
        let name = words.take("NAME")?;
        check_name(name, "file name")?;
        if self.program.file(name.text).is_some() {
            return Err(name.complain(format!("file {} is declared twice", name.text)));
        }
        let pages = words.take("PAGES")?.number("PAGES", 1, PAGE_MAX)?;
        let (mut state, mut layout) = (None, None);
        while let Some(word) = words.peek() {
            if let Some(s) = FileState::from_word(word.text).filter(|_| state.is_none()) {
                state = Some(s);
            } else if let Some(l) = Layout::from_word(word.text).filter(|_| layout.is_none()) {
                layout = Some(l);
            } else {
                return Err(word.complain(format!(
                    "\"{}\" says nothing about a file: written, unwritten, contiguous or huge, each once",
                    word.text
                )));
            }
            words.skip();
        }
        self.program.files.push(FileSpec {
            name: name.text.to_owned(),
            pages,
            state: state.unwrap_or(FileState::Written),
            layout: layout.unwrap_or(Layout::Contiguous),
        });
        Ok(())
    }

    fn step(&mut self, line: u32, words: &[Word<'a>], issue: Issue) -> Result<(), Complaint> {
        let (label, words) = self.label(words)?;
        let Some((&first, rest)) = words.split_first() else { return Ok(()) };
        if self.program.steps.len() == STEPS_MAX {
            return Err(first.complain(format!("a program has at most {STEPS_MAX} steps")));
        }
        if label.is_some() && ["start", "end", "file", "driver"].contains(&first.text) {
            return Err(first.complain(format!("{} has no result to speak of", first.text)));
        }
        let (who, op) = self.program.resolve(first, rest, issue)?;
        let name = if who.is_some() { rest.first().copied().unwrap_or(first) } else { first };
        self.handles.step(who, &op, line).map_err(|what| name.complain(what))?;
        let n = u32::try_from(self.program.steps.len()).unwrap_or(u32::MAX);
        self.labels.extend(label.map(|label| (label, line)));
        let label = label.map(str::to_owned);
        self.program.steps.push(Step { n, who, op, issue, line, label });
        Ok(())
    }
}

const ALONE: &str = "an expectation has a line of its own, and joins conditions by and, or, not";

/// A line without its comment.
fn code_of(line: &str) -> &str {
    line.split('#').next().unwrap_or("")
}

/// Words of one step with their columns, and whether `&` ends it.
fn split(statement: &str, column: u32) -> (Vec<Word<'_>>, Issue) {
    let trimmed = statement.trim_end();
    let (body, issue) = match trimmed.strip_suffix('&') {
        Some(body) => (body, Issue::Async),
        None => (trimmed, Issue::Wait),
    };
    let mut found = Vec::new();
    let mut start = None;
    let chars = body.char_indices().chain([(body.len(), ' ')]);
    for (at, (byte, c)) in (column..).zip(chars) {
        match (start, c.is_whitespace()) {
            (None, false) => start = Some((byte, at)),
            (Some((from, col)), true) => {
                found.push(Word { text: &body[from..byte], column: col });
                start = None;
            }
            _ => {}
        }
    }
    (found, issue)
}

/// `wN`, or `None` if the word is not meant to be a worker.
fn worker(word: Word<'_>) -> Result<Option<WorkerId>, Complaint> {
    match word.text.strip_prefix('w') {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            word.worker().map(Some)
        }
        _ => Ok(None),
    }
}

/// Whether something could be called so.
fn named(text: &str) -> bool {
    let mut chars = text.chars();
    let starts = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let goes_on = chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    starts && goes_on && text.len() <= 64
}

fn check_name(name: Word<'_>, what: &str) -> Result<(), Complaint> {
    if named(name.text) {
        return Ok(());
    }
    Err(name.complain(format!(
        "\"{}\" is no {what}: a letter or _, then letters, digits, _ . or -, at most 64 in all",
        name.text
    )))
}

fn can_be_async(who: Option<WorkerId>, op: &Op) -> bool {
    let at_once =
        matches!(op, Op::Nop | Op::Spawn | Op::Fork(_) | Op::Thread(_) | Op::Exit | Op::Kill);
    who.is_some() && !at_once
}
