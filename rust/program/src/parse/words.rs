//! The words of one step, taken one by one with a sentence for every way that can fail.

use crate::op::{HANDLES_MAX, PAGE_MAX, PinNo, WORKERS_MAX, WorkerId};
use crate::program::Program;

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

    /// `wN` or `N`.
    pub(crate) fn worker(self) -> Result<WorkerId, Complaint> {
        let digits = self.text.strip_prefix('w').unwrap_or(self.text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(self.complain(format!("\"{}\" is no worker: w0, w1, ...", self.text)));
        }
        match digits.parse::<u8>() {
            Ok(n) if n < WORKERS_MAX => Ok(WorkerId(n)),
            _ => Err(self.complain(format!(
                "there is no worker \"{}\": they are w0 to w{}",
                self.text,
                WORKERS_MAX - 1
            ))),
        }
    }

    /// A number within limits.
    pub(crate) fn number(self, what: &str, low: u32, high: u32) -> Result<u32, Complaint> {
        if !self.is_number() {
            return Err(self.complain(format!("{what} is \"{}\"; it must be a number", self.text)));
        }
        match self.text.parse::<u32>() {
            Ok(n) if (low..=high).contains(&n) => Ok(n),
            _ => Err(self.complain(format!("{what} is {}; it must be {low} to {high}", self.text))),
        }
    }

    /// A data word: 64 bits, decimal or 0x hexadecimal.
    pub(crate) fn value(self) -> Result<u64, Complaint> {
        let parsed = match self.text.strip_prefix("0x") {
            Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
                u64::from_str_radix(hex, 16).ok()
            }
            None if self.is_number() => self.text.parse().ok(),
            _ => None,
        };
        parsed.ok_or_else(|| {
            self.complain(format!("VALUE is \"{}\"; it must be a number of 64 bits", self.text))
        })
    }
}

/// What arguments are read from: the words that are left, and the program that knows the files.
pub(crate) struct Reading<'a, 'w> {
    pub(crate) words: &'a mut Words<'w>,
    pub(crate) program: &'a mut Program,
}

/// The arguments of one step.
#[derive(Debug)]
pub(crate) struct Words<'a> {
    op: Word<'a>,
    usage: &'a str,
    rest: &'a [Word<'a>],
    /// The page read last.
    page: u32,
}

impl<'a> Words<'a> {
    pub(crate) fn new(op: Word<'a>, usage: &'a str, rest: &'a [Word<'a>]) -> Words<'a> {
        Words { op, usage, rest, page: 0 }
    }

    /// The word of the operation.
    pub(crate) fn op(&self) -> Word<'a> {
        self.op
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

    /// Which page; what is counted from there on comes next.
    pub(crate) fn page(&mut self, what: &str) -> Result<u32, Complaint> {
        let page = self.take(what)?.number(what, 0, PAGE_MAX - 1)?;
        self.page = page;
        Ok(page)
    }

    /// How many pages, from the page before on.
    pub(crate) fn pages(&self, word: Word<'_>) -> Result<u32, Complaint> {
        let n = word.number("N", 1, PAGE_MAX)?;
        if n > PAGE_MAX - self.page {
            let from = self.page;
            return Err(word
                .complain(format!("{n} pages from page {from} on reach beyond page {PAGE_MAX}")));
        }
        Ok(n)
    }

    /// A number that the program gives to something of a worker's.
    pub(crate) fn handle(&mut self, what: &str) -> Result<u8, Complaint> {
        let number = self.take(what)?.number(what, 0, u32::from(HANDLES_MAX) - 1)?;
        Ok(u8::try_from(number).unwrap_or(u8::MAX))
    }

    /// A pin, or `-` or nothing for the most recent one.
    pub(crate) fn pin(&mut self) -> Result<Option<PinNo>, Complaint> {
        match self.optional() {
            None => Ok(None),
            Some(word) if word.text == "-" => Ok(None),
            Some(word) => word
                .number("PIN", 0, u16::MAX.into())
                .map(|n| Some(PinNo(u16::try_from(n).unwrap_or(u16::MAX)))),
        }
    }
}
