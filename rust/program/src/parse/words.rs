//! The words of one step, taken one by one with a sentence for every way that can fail.

use crate::op::{FdNo, HANDLES_MAX, MapNo, PAGE_MAX, PinNo, PipeNo, WORKERS_MAX, WorkerId};

/// What is wrong, and in which column.
#[derive(Debug)]
pub(crate) struct Complaint {
    pub(crate) column: u32,
    pub(crate) what: String,
}

impl Complaint {
    pub(crate) fn at(column: u32, what: impl Into<String>) -> Complaint {
        Complaint { column, what: what.into() }
    }
}

/// One word of the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word<'a> {
    pub(crate) text: &'a str,
    pub(crate) column: u32,
}

impl Word<'_> {
    pub(crate) fn complain(self, what: impl Into<String>) -> Complaint {
        Complaint::at(self.column, what)
    }

    /// Whether it is all digits, which is what tells a descriptor from a file name.
    pub(crate) fn is_number(self) -> bool {
        !self.text.is_empty() && self.text.bytes().all(|b| b.is_ascii_digit())
    }
}

/// The arguments of one step.
#[derive(Debug)]
pub(crate) struct Words<'a> {
    op: Word<'a>,
    usage: &'a str,
    rest: &'a [Word<'a>],
}

impl<'a> Words<'a> {
    pub(crate) fn new(op: Word<'a>, usage: &'a str, rest: &'a [Word<'a>]) -> Words<'a> {
        Words { op, usage, rest }
    }

    pub(crate) fn peek(&self) -> Option<Word<'a>> {
        self.rest.first().copied()
    }

    pub(crate) fn skip(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or(&[]);
    }

    /// The next word, if there is one.
    pub(crate) fn optional(&mut self) -> Option<Word<'a>> {
        let word = self.peek();
        self.skip();
        word
    }

    /// The next word if it is `text`.
    pub(crate) fn keyword(&mut self, text: &str) -> bool {
        let found = self.peek().is_some_and(|w| w.text == text);
        if found {
            self.skip();
        }
        found
    }

    /// The next word, which must be there.
    pub(crate) fn take(&mut self, what: &str) -> Result<Word<'a>, Complaint> {
        self.optional().ok_or_else(|| {
            self.op.complain(format!("{} takes {}: {what} is missing", self.op.text, self.usage))
        })
    }

    /// Refuses words that nobody took.
    pub(crate) fn finish(self) -> Result<(), Complaint> {
        let Some(extra) = self.peek() else { return Ok(()) };
        let takes = if self.usage.is_empty() { "no arguments" } else { self.usage };
        Err(extra
            .complain(format!("{} takes {takes}: \"{}\" is too much", self.op.text, extra.text)))
    }

    pub(crate) fn number(&mut self, what: &str, low: u32, high: u32) -> Result<u32, Complaint> {
        let word = self.take(what)?;
        number(word, what, low, high)
    }

    /// A number that may be left out.
    pub(crate) fn optional_number(
        &mut self,
        what: &str,
        low: u32,
        high: u32,
    ) -> Result<Option<u32>, Complaint> {
        self.optional().map(|word| number(word, what, low, high)).transpose()
    }

    /// `PAGE N`.
    pub(crate) fn range(&mut self) -> Result<(u32, u32), Complaint> {
        let page = self.number("PAGE", 0, PAGE_MAX - 1)?;
        let word = self.take("N")?;
        Ok((page, pages(word, page)?))
    }

    /// `PAGE [N]`; N is 1 unless given.
    pub(crate) fn range_or_one(&mut self) -> Result<(u32, u32), Complaint> {
        let page = self.number("PAGE", 0, PAGE_MAX - 1)?;
        match self.peek().filter(|w| w.is_number()) {
            None => Ok((page, 1)),
            Some(word) => {
                self.skip();
                Ok((page, pages(word, page)?))
            }
        }
    }

    pub(crate) fn fd(&mut self, what: &str) -> Result<FdNo, Complaint> {
        let word = self.take(what)?;
        handle(word, what).map(FdNo)
    }

    pub(crate) fn map(&mut self) -> Result<MapNo, Complaint> {
        let word = self.take("M")?;
        handle(word, "M").map(MapNo)
    }

    pub(crate) fn pipe(&mut self, what: &str) -> Result<PipeNo, Complaint> {
        let word = self.take(what)?;
        handle(word, what).map(PipeNo)
    }

    /// A pin, or `-` or nothing for the most recent one.
    pub(crate) fn pin(&mut self) -> Result<Option<PinNo>, Complaint> {
        match self.optional() {
            None => Ok(None),
            Some(word) if word.text == "-" => Ok(None),
            Some(word) => number(word, "PIN", 0, u16::MAX.into())
                .map(|n| Some(PinNo(u16::try_from(n).unwrap_or(u16::MAX)))),
        }
    }

    /// A data word: 64 bits, decimal or 0x hexadecimal.
    pub(crate) fn value(&mut self) -> Result<Option<u64>, Complaint> {
        self.optional().map(value).transpose()
    }

    /// One word of a list.
    pub(crate) fn one_of<T: Copy>(
        &mut self,
        what: &str,
        all: &[T],
        word_of: impl Fn(T) -> &'static str,
    ) -> Result<T, Complaint> {
        let word = self.take(what)?;
        all.iter().copied().find(|v| word_of(*v) == word.text).ok_or_else(|| {
            let known = all.iter().map(|v| word_of(*v)).collect::<Vec<_>>().join(" or ");
            word.complain(format!("{what} is \"{}\"; it must be {known}", word.text))
        })
    }
}

/// `wN` or `N`.
pub(crate) fn worker(word: Word<'_>) -> Result<WorkerId, Complaint> {
    let digits = word.text.strip_prefix('w').unwrap_or(word.text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(word.complain(format!("\"{}\" is no worker: w0, w1, ...", word.text)));
    }
    match digits.parse::<u8>() {
        Ok(n) if n < WORKERS_MAX => Ok(WorkerId(n)),
        _ => Err(word.complain(format!(
            "there is no worker \"{}\": they are w0 to w{}",
            word.text,
            WORKERS_MAX - 1
        ))),
    }
}

fn number(word: Word<'_>, what: &str, low: u32, high: u32) -> Result<u32, Complaint> {
    if !word.is_number() {
        return Err(word.complain(format!("{what} is \"{}\"; it must be a number", word.text)));
    }
    match word.text.parse::<u32>() {
        Ok(n) if (low..=high).contains(&n) => Ok(n),
        _ => Err(word.complain(format!("{what} is {}; it must be {low} to {high}", word.text))),
    }
}

fn pages(word: Word<'_>, page: u32) -> Result<u32, Complaint> {
    let n = number(word, "N", 1, PAGE_MAX)?;
    if n > PAGE_MAX - page {
        return Err(
            word.complain(format!("{n} pages from page {page} on reach beyond page {PAGE_MAX}"))
        );
    }
    Ok(n)
}

fn handle(word: Word<'_>, what: &str) -> Result<u8, Complaint> {
    number(word, what, 0, u32::from(HANDLES_MAX) - 1).map(|n| u8::try_from(n).unwrap_or(u8::MAX))
}

fn value(word: Word<'_>) -> Result<u64, Complaint> {
    let parsed = match word.text.strip_prefix("0x") {
        Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
            u64::from_str_radix(hex, 16).ok()
        }
        None if word.is_number() => word.text.parse().ok(),
        _ => None,
    };
    parsed.ok_or_else(|| {
        word.complain(format!("VALUE is \"{}\"; it must be a number of 64 bits", word.text))
    })
}
