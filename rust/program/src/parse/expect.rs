//! The line of an expectation to an [`Expectation`]: `expect a = ok and (w1.2 != EBUSY or not b = 0)`.
//!
//! `not` binds most, then `and`, then `or`. Names are looked up when all steps are known, so an expectation may stand
//! anywhere.

use super::words::{Complaint, Word};
use crate::errno::{Died, Errno};
use crate::expect::{Comparison, Condition, Demand, ENVIRONMENT, Expectation, Wanted};
use crate::nearest::{hint, nearest};
use crate::op::Op;
use crate::program::Program;

/// Brackets and `not`s within each other. A program may come from anybody, and the stack is finite.
const DEPTH_MAX: u32 = 32;
/// Words of the language of conditions, which label nothing.
const WORDS: [&str; 3] = ["and", "or", "not"];

/// What the line of an expectation begins with.
pub(crate) fn demand(word: &str) -> Option<Demand> {
    Demand::ALL.into_iter().find(|demand| demand.word() == word)
}

/// Reads the line, from its first word on; `column` is that word's.
pub(crate) fn parse(text: &str, column: u32, program: &Program) -> Result<Expectation, Complaint> {
    let tokens = tokens(text, column);
    let Some((first, rest)) = tokens.split_first() else {
        return Err(Complaint::at(column, "there is no expectation here"));
    };
    let demand = demand(first.text)
        .ok_or_else(|| first.complain(format!("\"{}\" is no expectation", first.text)))?;
    let mut reader = Reader { program, before: *first, rest, depth: 0 };
    let condition = reader.any()?;
    match reader.rest.first() {
        None => Ok(Expectation { demand, condition }),
        Some(extra) => Err(extra
            .complain(format!("\"{}\" is too much: conditions are joined by and, or", extra.text))),
    }
}

/// Whether a step can be called so; the error says why not.
pub(crate) fn check_label(label: &str) -> Result<(), String> {
    let mut chars = label.chars();
    let starts = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let goes_on = chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !starts || !goes_on || label.len() > 64 {
        return Err(format!(
            "\"{label}\" is no label: a letter or _, then letters, digits or _, at most 64 in all"
        ));
    }
    let is_worker = label
        .strip_prefix('w')
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
    if is_worker || label == ENVIRONMENT || WORDS.contains(&label) || demand(label).is_some() {
        return Err(format!("\"{label}\" means something else already: choose another label"));
    }
    Ok(())
}

/// Words, brackets, and runs of `=` and `!`.
fn tokens(text: &str, column: u32) -> Vec<Word<'_>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        Space,
        Bracket,
        Sign,
        Word,
    }
    let kind = |c: char| match c {
        '(' | ')' => Kind::Bracket,
        '=' | '!' => Kind::Sign,
        c if c.is_whitespace() => Kind::Space,
        _ => Kind::Word,
    };
    let mut found = Vec::new();
    let mut open: Option<(usize, u32, Kind)> = None;
    for (at, (byte, c)) in (column..).zip(text.char_indices().chain([(text.len(), ' ')])) {
        let now = kind(c);
        if let Some((from, column, before)) = open
            && (before != now || now == Kind::Bracket)
        {
            found.push(Word { text: &text[from..byte], column });
            open = None;
        }
        if open.is_none() && now != Kind::Space {
            open = Some((byte, at, now));
        }
    }
    found
}

struct Reader<'a> {
    program: &'a Program,
    /// The last word taken, for a complaint at the end of the line.
    before: Word<'a>,
    rest: &'a [Word<'a>],
    depth: u32,
}

impl<'a> Reader<'a> {
    fn keyword(&mut self, text: &str) -> bool {
        let found = self.rest.first().is_some_and(|word| word.text == text);
        if found {
            self.before = self.rest[0];
            self.rest = &self.rest[1..];
        }
        found
    }

    fn take(&mut self, what: &str) -> Result<Word<'a>, Complaint> {
        let Some((word, rest)) = self.rest.split_first() else {
            return Err(self
                .before
                .complain(format!("{what} is missing after \"{}\"", self.before.text)));
        };
        (self.before, self.rest) = (*word, rest);
        Ok(*word)
    }

    fn any(&mut self) -> Result<Condition, Complaint> {
        let list = self.joined("or", Self::all)?.into_iter().flat_map(|each| match each {
            Condition::Any(inner) => inner,
            other => vec![other],
        });
        Ok(one_or(list.collect(), Condition::Any))
    }

    fn all(&mut self) -> Result<Condition, Complaint> {
        let list = self.joined("and", Self::one)?.into_iter().flat_map(|each| match each {
            Condition::All(inner) => inner,
            other => vec![other],
        });
        Ok(one_or(list.collect(), Condition::All))
    }

    /// Conditions with this word between them.
    fn joined(
        &mut self,
        word: &str,
        next: fn(&mut Self) -> Result<Condition, Complaint>,
    ) -> Result<Vec<Condition>, Complaint> {
        let mut list = vec![next(self)?];
        while self.keyword(word) {
            list.push(next(self)?);
        }
        Ok(list)
    }

    fn one(&mut self) -> Result<Condition, Complaint> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self
                .before
                .complain(format!("more than {DEPTH_MAX} conditions within each other")));
        }
        let read = if self.keyword("not") {
            Condition::Not(Box::new(self.one()?))
        } else if self.keyword("(") {
            let inner = self.any()?;
            let end = self.take("\")\"")?;
            if end.text != ")" {
                return Err(
                    end.complain(format!("\"{}\" where \")\", and or or is expected", end.text))
                );
            }
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(read)
    }

    /// `LABEL = RESULT`
    fn comparison(&mut self) -> Result<Condition, Complaint> {
        let name = self.take("a condition")?;
        let n = step(name, self.program)?;
        let sign = self.take("= or !=")?;
        let is = match sign.text {
            "=" => Comparison::Is,
            "!=" => Comparison::IsNot,
            other => return Err(sign.complain(format!("\"{other}\" compares nothing: = or !="))),
        };
        Ok(Condition::Step { n, is, wanted: wanted(self.take("a result")?)? })
    }
}

fn one_or(mut list: Vec<Condition>, many: fn(Vec<Condition>) -> Condition) -> Condition {
    match list.pop() {
        Some(only) if list.is_empty() => only,
        Some(last) => {
            list.push(last);
            many(list)
        }
        None => many(list),
    }
}

/// The number of the step that is called so.
fn step(name: Word<'_>, program: &Program) -> Result<u32, Complaint> {
    let label = |step: &&crate::Step| step.label.as_deref() == Some(name.text);
    let (set_up, after) = program.halves();
    if let Some(step) = after.iter().find(label) {
        return Ok(step.n);
    }
    if let Some(step) = set_up.iter().find(label) {
        return Err(name.complain(format!(
            "{} is set-up, on line {}: expectations are about steps after start",
            name.text, step.line
        )));
    }
    let numbered = name.text.split_once('.').and_then(|(who, nth)| {
        let nth = nth.parse::<usize>().ok().filter(|_| nth.bytes().all(|b| b.is_ascii_digit()))?;
        let mine: Vec<u32> = after
            .iter()
            .filter(|step| step.op != Op::End)
            .filter(|step| match step.who {
                Some(worker) => worker.to_string() == who,
                None => who == ENVIRONMENT,
            })
            .map(|step| step.n)
            .collect();
        Some((who, nth, mine))
    });
    match numbered {
        Some((_, nth, mine)) if (1..=mine.len()).contains(&nth) => Ok(mine[nth - 1]),
        Some((who, _, mine)) => Err(name.complain(format!(
            "there is no step {}: {who} has {} after start, counted from 1",
            name.text,
            mine.len()
        ))),
        None => {
            let labels = after.iter().filter_map(|step| step.label.as_deref());
            let like = hint(name.text, labels);
            Err(name.complain(format!(
                "no step is called \"{}\"{like}: label one (a: w0 ...) or count a worker's (w0.1)",
                name.text
            )))
        }
    }
}

fn wanted(word: Word<'_>) -> Result<Wanted, Complaint> {
    let text = word.text;
    match text {
        "ok" => return Ok(Wanted::Ok),
        "waits" => return Ok(Wanted::Waits),
        _ => {}
    }
    if let Some(errno) = Errno::from_name(text) {
        return Ok(Wanted::Errno(errno));
    }
    if let Some(died) = Died::ALL.into_iter().find(|died| died.name() == text) {
        return Ok(Wanted::Died(died));
    }
    let number = match text.strip_prefix("0x") {
        Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
            u64::from_str_radix(hex, 16).ok()
        }
        None if word.is_number() => text.parse().ok(),
        _ => None,
    };
    if let Some(value) = number {
        return Ok(Wanted::Value(value));
    }
    let names = Errno::ALL.iter().map(|errno| errno.name()).chain(Died::ALL.map(Died::name));
    let lower: Vec<String> = names.chain(["ok", "waits"]).map(str::to_ascii_lowercase).collect();
    let like = nearest(text.trim_start_matches('-'), lower.iter().map(String::as_str));
    let like = like.map_or_else(String::new, |like| {
        let word =
            if ["ok", "waits"].contains(&like) { like.to_owned() } else { like.to_uppercase() };
        format!(" (did you mean \"{word}\"?)")
    });
    Err(word.complain(format!(
        "\"{text}\" is no result{like}: ok, waits, an errno such as EBUSY, SIGBUS, SIGSEGV or a number"
    )))
}
